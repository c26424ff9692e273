"""A folder of images: a subfolder per class, a subfolder per split with classes below, or flat without labels."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pyarrow as pa

from ...errors import SourceError
from ...types import ColumnMap, Progress, ProgressFn
from ..media.reader import escape_path
from .base import IMAGE_SUFFIXES, SOURCES, RawTable

_SPLITS = frozenset({"train", "training", "val", "valid", "validation", "dev", "test", "testing", "eval", "unlabeled"})
_NOT_DATA = frozenset({"__macosx", "thumbs.db", "desktop.ini", "__pycache__"})


_LINKS = {
    "another": "Left out: {count} linked folders (first: {first}) that only lead to another place in this folder.",
    "outside": (
        "Left out: {count} linked folders (first: {first}) that lead outside this folder. Give that folder itself, or "
        "copy it here."
    ),
    "files": "{count} images are links that lead outside this folder (first: {first}). They are read from there.",
}


class FolderSource:
    """Every image below a folder. The class is the first-level folder; images directly in the root are unlabelled.

    Links to folders are not followed: what lies in the folder is read where it lies, what lies outside stays out. Links
    to files are read, with a notice where they lead outside.

    Where all first-level folders have names of splits (train, val, test, ...) and contain folders, they are the splits
    and the second level is the class. Hidden files, other files and links to folders are
    left out, with a notice.
    """

    name = "folder"
    title = "a folder of images (a subfolder per class, or flat)"
    rank = 9

    def accepts(self, path: Path) -> bool:
        """Whether this source reads ``path``."""
        return path.is_dir()

    def read(self, path: Path, limit: int | None, progress: ProgressFn) -> RawTable:
        """Read the rows, or the first ``limit`` of them."""
        images, notices = _walk(path, progress)
        if not images:
            others = "" if any(os.scandir(path)) else " (it is empty)"
            raise SourceError(
                f"No images were found in {str(path)!r}{others}. Winnow looks for files ending in .jpg, .png, .webp "
                "and the like, in the folder and in its subfolders. For a table, give the path of the table itself."
                + "".join(f" {notice}" for notice in notices)
            )
        read = images if limit is None else images[:limit]
        split_level, names = _has_splits(images), _class_names(path)
        columns: dict[str, list[str | None]] = {"path": [escape_path(p) for p in read]}
        labels = (_level(p, 1 if split_level else 0) for p in read)
        columns["label"] = [None if label is None else names.get(label, label) for label in labels]
        roles = ColumnMap(id="path", image="path", label="label")
        if split_level:
            columns["split"] = [_level(p, 0) for p in read]
            roles = ColumnMap(id="path", image="path", label="label", split="split")
            notices.append(
                "The first-level folders are called like splits: they are the split, the next level is the class."
            )
        elif any(v is None for v in columns["label"]) and any(columns["label"]):
            loose = sum(v is None for v in columns["label"])
            notices.append(f"{loose:,} images lie beside the class folders and have no label.")
        table = pa.table({k: pa.array(v, pa.string()) for k, v in columns.items()})
        return RawTable(
            source=self.name,
            path=path,
            n=table.num_rows,
            table=table,
            order=tuple(columns),
            types={f.name: f.type for f in table.schema},
            root=path,
            total=len(images),
            roles=roles,
            notices=notices,
        )


def _class_names(folder: Path) -> dict[str, str]:
    """Folder → class where an export of Winnow's had to write the name of the class otherwise."""
    try:
        names = json.loads((folder / "winnow-export.json").read_text(encoding="utf-8"))["renamed_folders"]
        return {str(name): str(label) for name, label in names.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}


def _level(relative: str, level: int) -> str | None:
    parts = relative.split("/")
    return escape_path(parts[level]) if len(parts) > level + 1 else None


def _has_splits(paths: list[str]) -> bool:
    """Whether all images are in folders with names of splits, at least one of them two levels deep."""
    parts = [p.split("/") for p in paths]
    return all(len(p) > 1 and p[0].lower() in _SPLITS for p in parts) and any(len(p) > 2 for p in parts)


def _walk(root: Path, progress: ProgressFn) -> tuple[list[str], list[str]]:
    """List the relative paths (with ``/``) of all images, sorted, and notices about what was left out."""
    images: list[str] = []
    left: Counter[str] = Counter()
    visited: set[tuple[int, int]] = set()
    links: dict[str, list[str]] = {"another": [], "outside": [], "files": []}
    pending = [("", str(root))]
    base = os.path.realpath(root)
    while pending:
        prefix, folder = pending.pop()
        try:
            stat = os.stat(folder)
            key = (stat.st_dev, stat.st_ino)
            if key in visited:
                left["folders already read through another link"] += 1
                continue
            visited.add(key)
            entries = sorted(os.scandir(folder), key=lambda e: e.name)
        except OSError:
            left["folders that could not be opened"] += 1
            continue
        for entry in entries:
            if entry.name.startswith(".") or entry.name.lower() in _NOT_DATA:
                continue
            outside = entry.is_symlink() and _leads_outside(entry.path, base)
            if _is_folder(entry):
                if entry.is_symlink():
                    links["outside" if outside else "another"].append(prefix + entry.name)
                else:
                    pending.append((f"{prefix}{entry.name}/", entry.path))
            elif os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES:
                images.append(prefix + entry.name)
                if outside:
                    links["files"].append(prefix + entry.name)
            else:
                left["files that are not images"] += 1
        progress(Progress("source", len(images), 0, "images", "listing files"))
    notices = [f"Left out: {count:,} {what}." for what, count in left.items()]
    for kind, sentence in _LINKS.items():
        if links[kind]:
            first = escape_path(min(links[kind]))
            notices.append(sentence.format(count=f"{len(links[kind]):,}", first=repr(first)))
    return sorted(images), notices


def _leads_outside(link: str, base: str) -> bool:
    target = os.path.realpath(link)
    return target != base and not target.startswith(os.path.join(base, ""))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that points at itself
        return False


SOURCES.register(FolderSource.name)(FolderSource())
