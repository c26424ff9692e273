"""Files of boxes: every object is a sample, its image the part of the picture inside its box."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from ... import fingerprint as fp
from ...errors import SourceError, plural
from ...types import ColumnMap, MediaRef, Progress, ProgressFn
from ..annotations import Annotations, annotation_form, read_annotations
from ..media.boxes import BOXES, box_uri
from ..media.reader import escape_path
from .base import SOURCES, RawTable
from .folder import read_export

_IMAGE = "image"
_FIELDS = ("iscrowd", "difficult", "truncated", "occluded")


class AnnotationsSource:
    """COCO, YOLO and Pascal VOC. The id is the annotation's own, or its file and line (YOLO) or number (VOC)."""

    name = "boxes"
    title = "files of boxes (COCO .json, YOLO data.yaml, a folder of Pascal VOC files)"
    rank = 0

    def accepts(self, path: Path) -> bool:
        """Whether this source reads ``path``."""
        return annotation_form(path) is not None and not (path.is_dir() and read_export(path).format)

    def read(self, path: Path, limit: int | None, progress: ProgressFn) -> RawTable:
        """Read one row for every annotation."""
        progress(Progress("source", message=f"reading {path.name}"))
        annotations = read_annotations(path)
        if not annotations.boxes:
            raise SourceError(f"{path.name} holds no annotations.")
        file_of = {picture.key: escape_path(picture.file_name) for picture in annotations.pictures}
        boxes = sorted(annotations.boxes, key=lambda box: file_of.get(box.picture, ""))[:limit]
        names = [file_of.get(box.picture, "") for box in boxes]
        places = [box.corners or (None,) * 4 for box in boxes]
        numbers = pa.float64()
        columns = {
            "id": pa.array([box.id for box in boxes], pa.string()),
            "label": pa.array([box.label for box in boxes], pa.string()),
            "picture": pa.array(names, pa.string()),
            **{
                f"box_{side}": pa.array([place[i] for place in places], numbers)
                for i, side in enumerate(("x", "y", "width", "height"))
            },
            **{
                name: pa.array([None if (v := box.fields.get(name)) is None else str(v) for box in boxes], pa.string())
                for name in _FIELDS
                if any(name in box.fields for box in boxes)
            },
            _IMAGE: pa.array(
                [box_uri(n, b.corners) if b.corners else n for n, b in zip(names, boxes, strict=True)], pa.string()
            ),
        }
        table = pa.table(columns)
        return RawTable(
            source=self.name,
            path=path,
            n=len(boxes),
            table=table,
            order=tuple(columns),
            types={field.name: field.type for field in table.schema},
            root=annotations.root,
            total=len(annotations.boxes),
            identity=_identity(annotations),
            media=lambda _: MediaRef(BOXES, str(annotations.root.resolve())),
            image_columns=(_IMAGE,),
            roles=ColumnMap(id="id", image=_IMAGE, label="label"),
            notices=_notices(annotations),
        )


def _identity(annotations: Annotations) -> str:
    """Changes when the annotations or their pictures do."""
    stamps = []
    for picture in annotations.pictures:
        try:
            stat = (annotations.root / picture.file_name).stat()
            stamps.append(f"{stat.st_size}:{stat.st_mtime_ns}")
        except (OSError, ValueError):
            stamps.append("-")
    return fp.of(stamps, [(box.id, box.picture, box.corners) for box in annotations.boxes])


def _notices(annotations: Annotations) -> list[str]:
    used = {box.picture for box in annotations.boxes}
    empty = sum(picture.key not in used for picture in annotations.pictures)
    notices = [
        f"{annotations.path.name} is read as {annotations.form.upper()}: every box is a sample, "
        f"{plural(len(annotations.boxes), 'box', 'boxes')} in {plural(len(used), 'picture')}."
    ]
    if empty:
        notices.append(f"Pictures without a box: {empty:,}. They are no samples.")
    if annotations.odd:
        where, what = annotations.odd[0]
        notices.append(
            f"Not read: {plural(len(annotations.odd), 'entry', 'entries')} (first: {where}, {what}). "
            "`winnow check` lists them all."
        )
    return notices


SOURCES.register(AnnotationsSource.name)(AnnotationsSource())
