"""Folders that Winnow exported in the layout of another tool: COCO, FiftyOne and Label Studio."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from ...errors import SourceError
from ...types import ColumnMap, Progress, ProgressFn
from ..media.reader import escape_path
from .base import SOURCES, RawTable
from .folder import FolderExport, read_export


@dataclass(frozen=True)
class _Row:
    sample_id: str
    label: str | None
    split: str | None = None
    path: str | None = None
    text: str | None = None
    tags: list[str] | None = None


class ExportedSource:
    """COCO with one box per image, FiftyOne's image classification, Label Studio's tasks; as Winnow exports them.

    Labels are those of the files of the other tool, so that what was changed there is read.
    """

    name = "export"
    title = "a folder that Winnow exported (COCO, FiftyOne, Label Studio)"
    rank = 0

    def accepts(self, path: Path) -> bool:
        """Whether this source reads ``path``."""
        return path.is_dir() and read_export(path).format in _LAYOUTS

    def read(self, path: Path, limit: int | None, progress: ProgressFn) -> RawTable:
        """Read the rows, or the first ``limit`` of them."""
        progress(Progress("source", message=f"reading {path.name}"))
        export = read_export(path)
        try:
            rows = list(_LAYOUTS[export.format](path, export))
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise SourceError(
                f"{str(path)!r} cannot be read as the {export.format} export that it was ({error!r}). Export it again."
            ) from error
        if not rows:
            raise SourceError(f"{str(path)!r} holds no samples.")
        shown = rows[:limit]
        columns: dict[str, list[str | None]] = {
            "sample_id": [row.sample_id for row in shown],
            "path": [None if row.path is None else escape_path(row.path) for row in shown],
            "text": [row.text for row in shown],
            "label": [row.label for row in shown],
            "split": [row.split for row in shown],
        }
        columns = {name: cells for name, cells in columns.items() if name == "label" or any(cells)}
        tagged = any(row.tags is not None for row in rows)
        if tagged and not any(columns["label"]):
            del columns["label"]
        names: dict[str, str] = {role: role for role in ("text", "label", "split") if role in columns}
        table = pa.table({name: pa.array(cells, pa.string()) for name, cells in columns.items()})
        if tagged:
            names["tags"] = "tags"
            table = table.append_column("tags", pa.array([row.tags for row in shown], pa.list_(pa.string())))
        return RawTable(
            source=self.name,
            path=path,
            n=table.num_rows,
            table=table,
            order=tuple(table.column_names),
            types={f.name: f.type for f in table.schema},
            root=path,
            total=len(rows),
            roles=ColumnMap(id="sample_id", image="path" if "path" in columns else None, **names),
            notices=[f"Winnow exported this folder ({export.format}): samples have the ids that they had then."],
        )


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _coco(folder: Path, export: FolderExport) -> Iterator[_Row]:
    for path in sorted((folder / "annotations").glob("instances_*.json")):
        whole = _json(path)
        names = {category["id"]: str(category["name"]) for category in whole["categories"]}
        labels, tags = dict[Any, str](), dict[Any, list[str]]()
        for mark in whole["annotations"]:
            name = names[mark["category_id"]]
            if mark.get("tag"):
                tags.setdefault(mark["image_id"], []).append(name)
            else:
                labels[mark["image_id"]] = name
        split = path.stem.removeprefix("instances_")
        split = export.splits.get(split, "" if split == "all" else split)
        for image in whole["images"]:
            file = f"images/{image['file_name']}"
            own = tags.get(image["id"], []) if "tags" in image else None
            yield _Row(str(image["sample_id"]), labels.get(image["id"]), split or None, file, tags=own)


def _fiftyone(folder: Path, export: FolderExport) -> Iterator[_Row]:
    whole = _json(folder / "labels.json")
    files = {path.stem: f"data/{path.name}" for path in sorted((folder / "data").iterdir())}
    for stem, place in whole["labels"].items():
        names = [str(whole["classes"][p]) for p in (place if isinstance(place, list) else [place]) if p is not None]
        row = _Row(export.samples.get(files[stem], files[stem]), None, path=files[stem])
        yield replace(row, tags=names) if isinstance(place, list) else replace(row, label=names[0] if names else None)


def _label_studio(folder: Path, _: FolderExport) -> Iterator[_Row]:
    for task in _json(folder / "tasks.json"):
        data = task["data"]
        marks = [mark for mark in task.get("annotations") or task.get("predictions") or [] if mark["result"]]
        results = marks[-1]["result"] if marks else []
        chosen = {str(r.get("from_name")): [str(c) for c in r["value"]["choices"]] for r in results}
        tags = chosen.pop("tags", None)
        label = next(iter(chosen.values()))[0] if chosen else None
        path = unquote(data["image"].partition("?d=")[2]) if "image" in data else None
        yield _Row(str(data["sample_id"]), label, path=path, text=data.get("text"), tags=tags)


_LAYOUTS = {"coco": _coco, "fiftyone": _fiftyone, "label_studio": _label_studio}

SOURCES.register(ExportedSource.name)(ExportedSource())
