"""Folders and files of this computer to choose a source from: below certain roots, and never outside of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from winnow.core import WinnowError

MOST = 400
"""Entries of a folder that are listed."""

TABLES = frozenset({".csv", ".tsv", ".parquet", ".jsonl", ".ndjson", ".json", ".npy"})
PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})


@dataclass(frozen=True)
class Listing:
    """What a folder holds.

    Attributes
    ----------
    folder
        Its path.
    parent
        The folder above it; None at a root.
    folders, tables
        Names, in order; hidden ones and workspaces are left out.
    pictures
        How many image files lie in it.
    more
        How many entries were left out because there are too many.
    """

    folder: Path
    parent: Path | None
    folders: tuple[str, ...]
    tables: tuple[str, ...]
    pictures: int
    more: int


def roots() -> list[Path]:
    """Where one may look: WINNOW_ROOTS (paths, separated as in PATH), else the home and the working directory."""
    given = [Path(p) for p in os.environ.get("WINNOW_ROOTS", "").split(os.pathsep) if p]
    return list(dict.fromkeys(p.expanduser().resolve() for p in given or [Path.home(), Path.cwd()]))


def allowed(path: Path | str) -> Path:
    """The path with links followed. Raises WinnowError where it lies below no root."""
    real = Path(path).expanduser().resolve()
    if not any(real.is_relative_to(root) for root in roots()):
        where = ", ".join(map(str, roots()))
        raise WinnowError(f"{path} lies outside of what may be browsed here: {where}. Set WINNOW_ROOTS to change it.")
    return real


def listing(path: Path | str) -> Listing:
    """What lies in a folder below a root. Raises WinnowError for any other, and for one that cannot be read."""
    folder = allowed(path)
    try:
        entries = sorted(
            (e for e in os.scandir(folder) if not e.name.startswith(".")), key=lambda e: (e.name.casefold(), e.name)
        )
    except OSError as error:
        raise WinnowError(f"{folder} cannot be read: {error.strerror or error}.") from None
    folders, tables, pictures = [], [], 0
    for entry in entries:
        suffix = Path(entry.name).suffix.lower()
        if _is_folder(entry):
            if not entry.name.endswith(".winnow"):
                folders.append(entry.name)
        elif suffix in TABLES:
            tables.append(entry.name)
        elif suffix in PICTURES:
            pictures += 1
    shown = folders[:MOST], tables[:MOST]
    parent = None if folder in roots() else folder.parent
    more = len(folders) + len(tables) - sum(map(len, shown))
    return Listing(folder, parent, tuple(shown[0]), tuple(shown[1]), pictures, more)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder that may be opened: a link may lead outside."""
    try:
        if not entry.is_dir():
            return False
        if entry.is_symlink():
            allowed(entry.path)
    except (OSError, WinnowError):
        return False
    return True
