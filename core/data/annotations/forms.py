"""Every form of annotation files, and which one a path has."""

from __future__ import annotations

from pathlib import Path

from ...errors import SourceError
from .base import AnnotationForm, Annotations
from .coco import CocoForm
from .voc import VocForm
from .yolo import YoloForm

FORMS: tuple[AnnotationForm, ...] = (CocoForm(), YoloForm(), VocForm())
"""Every form; the first that accepts a path reads it."""


def annotation_form(path: Path) -> AnnotationForm | None:
    """The form of a path, None = it is no annotation file."""
    return next((form for form in FORMS if form.accepts(path)), None)


def read_annotations(path: Path | str, images: Path | str | None = None) -> Annotations:
    """Read an annotation file, or a folder of them.

    Parameters
    ----------
    path
        A COCO file, a YOLO ``data.yaml`` or its folder, or a folder of Pascal VOC files.
    images
        The folder of the pictures; None = found beside the annotations.

    Raises
    ------
    SourceError
        There is no such path, it has none of these forms, or it is damaged.
    """
    where = Path(path).expanduser()
    if not where.exists():
        raise SourceError(f"{str(path)!r} does not exist.")
    form = annotation_form(where)
    if form is None:
        raise SourceError(
            f"{str(path)!r} holds no annotations that Winnow reads: it reads {'; '.join(f.title for f in FORMS)}."
        )
    return form.read(where, None if images is None else Path(images).expanduser())
