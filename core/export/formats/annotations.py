"""The file of boxes that was scanned, with what was decided and nothing else changed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from ...data.annotations import BoxEdit, annotation_form
from ...errors import ExportError, SourceError
from .base import FOLDERS, Item, Supplies


class AnnotationFiles:
    """COCO, YOLO or Pascal VOC, in the form that came in.

    A relabelled box differs in its class alone, an excluded one is removed, and every other byte is as it was: key
    order, unknown fields, numbers as they were written. Boxes that are not part of the export are removed, too.
    """

    name: ClassVar[str] = "annotations"
    title: ClassVar[str] = "The annotation file"
    explain: ClassVar[str] = "The file of boxes as it came in: only what was decided differs."
    needs: ClassVar[frozenset[str]] = frozenset({"boxes"})

    def write(self, folder: Path, items: Iterator[Item], supplies: Supplies) -> Mapping[str, Any]:
        """Copy the annotation files and patch them."""
        source = supplies.annotations
        form = annotation_form(source) if source is not None and source.exists() else None
        if source is None or form is None:
            raise ExportError(f"The annotations {str(source)!r} are not there any more, so they cannot be patched.")
        try:
            edits = {box.id: BoxEdit(remove=True) for box in form.read(source, None).boxes}
            for item in items:
                relabelled = item.label is not None and item.label != item.given
                edits[item.sample_id] = BoxEdit(item.label if relabelled else None)
            edits = {key: edit for key, edit in edits.items() if edit != BoxEdit()}
            patched = form.patch(source, edits, ())
        except SourceError as error:
            raise ExportError(str(error)) from error
        for name, file in form.files(source).items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if name in patched:
                target.write_bytes(patched[name])
            else:
                shutil.copyfile(file, target)
        removed = sum(edit.remove for edit in edits.values())
        return {"files": {}, "left_out": {}, "relabelled": len(edits) - removed, "removed": removed}


FOLDERS.register(AnnotationFiles.name)(AnnotationFiles())
