"""A folder of images: a subfolder per class, a subfolder per split with classes below, or flat without labels."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
    "files": "Images read through links from outside this folder: {count} (first: {first}).",
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
        export = read_export(path)
        by_export = export.format in ("image_folder", "yolo") and all(p.count("/") == 2 for p in images)
        split_level = by_export or _has_splits(images)
        columns: dict[str, list[str | None]] = {"path": [escape_path(p) for p in read]}
        labels = (_level(p, 1 if split_level else 0) for p in read)
        columns["label"] = [None if label is None else export.classes.get(label, label) for label in labels]
        roles = ColumnMap(id="path", image="path", label="label")
        if split_level:
            splits = (_level(p, 0) for p in read)
            columns["split"] = [None if split is None else export.splits.get(split, split) for split in splits]
            roles = replace(roles, split="split")
            why = "Winnow exported this folder" if by_export else "The first-level folders are called like splits"
            notices.append(f"{why}: the first level is the split, the next level is the class.")
        elif any(v is None for v in columns["label"]) and any(columns["label"]):
            loose = sum(v is None for v in columns["label"])
            notices.append(f"Images beside the class folders, which have no label: {loose:,}.")
        ids = [export.samples.get(p, escape_path(p)) for p in images]
        if export.samples and len(set(ids)) == len(ids):
            columns["sample_id"] = list(ids[: len(read)])
            roles = replace(roles, id="sample_id")
            notices.append("Winnow exported this folder: samples have the ids that they had then.")
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


@dataclass(frozen=True)
class FolderExport:
    """What the manifest in a folder that Winnow exported says.

    Attributes
    ----------
    format
        Of the export, "" = Winnow did not export this folder.
    classes, splits
        Name of a folder (or of a file) → the class or split, where that could not be the name.
    samples
        File → sample id.
    """

    format: str = ""
    classes: Mapping[str, str] = field(default_factory=dict)
    splits: Mapping[str, str] = field(default_factory=dict)
    samples: Mapping[str, str] = field(default_factory=dict)


def read_export(folder: Path) -> FolderExport:
    """Read the manifest in a folder that Winnow exported; empty where there is none."""
    try:
        text = (folder / "winnow-export.json").read_text(encoding="utf-8", errors="surrogatepass")
        manifest = json.loads(text)
        keys = ("renamed_folders", "renamed_splits", "samples")
        maps = ({str(k): str(v) for k, v in manifest.get(key, {}).items()} for key in keys)
        return FolderExport(str(manifest.get("file_format", "")), *maps)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return FolderExport()


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
