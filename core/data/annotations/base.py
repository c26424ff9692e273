"""What every form of annotation file is read into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ...errors import SourceError

Corners = tuple[float, float, float, float]
"""x, y of the upper left corner, width and height, in pixels."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that the file knows.

    Attributes
    ----------
    key
        What boxes name it by, as text.
    file_name
        As written.
    width, height
        In pixels as stated; 0 = not stated.
    """

    key: str
    file_name: str
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class Box:
    """One object.

    Attributes
    ----------
    id
        Of the annotation (COCO), ``file#line`` (YOLO) or ``file#index`` (VOC), both from 1.
    picture
        Key of its picture.
    label
        Name of its class; None = the file has no class of that number.
    corners
        Where it is; None where the file says nothing that could be read as a box.
    fields
        What else was written that checks look at, such as area, segmentation and iscrowd.
    """

    id: str
    picture: str
    label: str | None
    corners: Corners | None
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Annotations:
    """All that a file, or a folder of files, says.

    Attributes
    ----------
    form
        "coco", "yolo" or "voc".
    path
        The file or folder.
    pictures
        In the order of the file.
    boxes
        In the order of the file.
    classes
        Names, in the order of the file.
    root
        Folder that the file names of pictures are relative to.
    odd
        Faults that only reading shows: (where, what).
    """

    form: str
    path: Path
    pictures: Sequence[Picture]
    boxes: Sequence[Box]
    classes: tuple[str, ...]
    root: Path
    odd: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class BoxEdit:
    """What becomes of one annotation.

    Attributes
    ----------
    label
        The new class; None = as it is. A class that the file does not have is added to it.
    corners
        The new place; None = as it is.
    remove
        The annotation is removed.
    mark
        Fields that are added to the annotation (COCO only).
    """

    label: str | None = None
    corners: Corners | None = None
    remove: bool = False
    mark: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AddedBox:
    """An object that the file did not have."""

    picture: str
    label: str
    corners: Corners


class AnnotationForm(Protocol):
    """One form of annotation files."""

    name: str
    title: str

    def accepts(self, path: Path) -> bool:
        """Whether ``path`` has this form."""

    def read(self, path: Path, images: Path | None) -> Annotations:
        """Read it; ``images`` is the folder of the pictures (None = found beside the file). Raises SourceError."""

    def files(self, path: Path) -> dict[str, Path]:
        """All annotation files: name, relative to the folder that holds them all → file."""

    def patch(self, path: Path, edits: Mapping[str, BoxEdit], added: Sequence[AddedBox]) -> dict[str, bytes]:
        """Apply edits by box id: name as in :meth:`files` → its new bytes, only where they differ.

        Bytes that no edit touches are as they were. Raises SourceError for an id that the file does not have.
        """


def read_text(path: Path) -> str:
    """Read a file as UTF-8. Raises SourceError naming the byte."""
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path.name} is not UTF-8: byte {error.object[error.start]:#04x} at {error.start:,}. Save it as UTF-8."
        ) from error
    except OSError as error:
        raise SourceError(f"{str(path)!r} cannot be read ({error.strerror}).") from error


def written(number: float) -> str:
    """A number as annotation files write it: whole numbers without a point, others to a thousandth of a pixel.

    >>> written(12.0), written(0.12349)
    ('12', '0.123')
    """
    rounded = round(float(number), 3)
    return str(int(rounded)) if rounded == int(rounded) else repr(rounded)


def check_ids(edits: Mapping[str, BoxEdit], known: set[str], name: str) -> None:
    """Raise SourceError for an edit of an annotation that the file does not have."""
    unknown = sorted(set(edits) - known)
    if unknown:
        raise SourceError(
            f"{name} has no annotation {unknown[0]!r} (and {len(unknown) - 1:,} more). It was changed since the scan: "
            "scan it again, then export."
            if len(unknown) > 1
            else f"{name} has no annotation {unknown[0]!r}. It was changed since the scan: scan it again, then export."
        )
