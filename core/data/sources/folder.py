"""A folder of images: a subfolder per class, a subfolder per split with classes below, or flat without labels."""

from __future__ import annotations

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


class FolderSource:
    """Every image below a folder. The class is the first-level folder; images directly in the root are unlabelled.

    Where all first-level folders have names of splits (train, val, test, ...) and contain folders, they are the splits
    and the second level is the class. Hidden files, other files and folders already visited (links that lead back) are
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
            )
        read = images if limit is None else images[:limit]
        split_level = _has_splits(images)
        columns: dict[str, list[str | None]] = {"path": [escape_path(p) for p in read]}
        columns["label"] = [_level(p, 1 if split_level else 0) for p in read]
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
    pending = [("", str(root))]
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
            if _is_folder(entry):
                pending.append((f"{prefix}{entry.name}/", entry.path))
            elif os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES:
                images.append(prefix + entry.name)
            else:
                left["files that are not images"] += 1
        progress(Progress("source", len(images), 0, "images", "listing files"))
    notices = [f"Left out: {count:,} {what}." for what, count in left.items()]
    return sorted(images), notices


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that points at itself
        return False


SOURCES.register(FolderSource.name)(FolderSource())
