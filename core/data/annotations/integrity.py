"""What is wrong with an annotation file by itself: no model looks at it, and no picture but for its size."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from PIL import Image

from .base import Annotations, Box, Corners, Picture

TOLERANCE = 1e-6
"""How far outside a picture a box may lie, in pixels, before it is said."""
_SAME = 0.9
"""IoU from which two boxes of one class are one object (ObjectLab, Tkachenko, Thyagarajan & Mueller 2023)."""
_MOSTLY = 0.5


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes
    ----------
    kind
        One of :data:`KINDS`.
    where
        Id of the annotation, or name of the picture or section.
    what
        A sentence without its subject, with the numbers.
    """

    kind: str
    where: str
    what: str


KINDS = {
    "unreadable": "Cannot be read",
    "size": "Zero or negative size",
    "outside": "Outside the picture",
    "repeated": "The same object twice",
    "class": "Unknown class",
    "picture": "Unknown picture",
    "id": "Id used twice",
    "file": "Picture without a file",
    "unused": "File without an entry",
    "stated": "Picture of another size",
    "polygon": "Segmentation outside its box",
    "area": "Area that does not fit",
    "crowd": "Crowd with polygons",
    "corners": "Corners instead of sizes",
}
"""Every kind of fault, and what it is called."""


def check_annotations(annotations: Annotations) -> list[Fault]:
    """Find all faults, in the order of :data:`KINDS`, then of the file."""
    pictures = {picture.key: picture for picture in annotations.pictures}
    faults = [Fault("unreadable", where, what) for where, what in annotations.odd]
    faults += _corners_for_sizes(annotations, pictures)
    swapped = bool(faults) and faults[-1].kind == "corners"
    for box in annotations.boxes:
        if box.corners is None:
            faults.append(Fault("unreadable", box.id, "has no box of four numbers"))
        for kind, check in _CHECKS.items():
            if kind == "outside" and swapped:
                continue
            if what := check(box, pictures.get(box.picture)):
                faults.append(Fault(kind, box.id, what))
    for kind, keys, what in (
        ("id", [box.id for box in annotations.boxes], "annotations have this id"),
        ("id", [picture.key for picture in annotations.pictures], "pictures have this id"),
    ):
        faults += [Fault(kind, key, f"{count} {what}") for key, count in Counter(keys).items() if count > 1]
    faults += _repeated(annotations)
    faults += _files(annotations)
    order = list(KINDS)
    return sorted(faults, key=lambda fault: order.index(fault.kind))


def outside_by(corners: Corners, width: int, height: int) -> float:
    """By how many pixels a box reaches out of its picture; 0 = it does not."""
    x, y, w, h = corners
    return max(-x, -y, x + w - width, y + h - height, 0.0)


def overlap(a: Corners, b: Corners) -> float:
    """Intersection over union of two boxes, in [0, 1]."""
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    return w * h / (a[2] * a[3] + b[2] * b[3] - w * h)


def _size(box: Box, _: Picture | None) -> str:
    if box.corners is None or (box.corners[2] > 0 and box.corners[3] > 0):
        return ""
    return f"is {box.corners[2]:g} × {box.corners[3]:g} pixels"


def _outside(box: Box, picture: Picture | None) -> str:
    if box.corners is None or picture is None or not picture.width or not picture.height:
        return ""
    by = outside_by(box.corners, picture.width, picture.height)
    return f"reaches {by:g} pixels out of {picture.file_name}" if by > TOLERANCE else ""


def _class(box: Box, _: Picture | None) -> str:
    return "has a class that the file does not list" if box.label is None else ""


def _picture(box: Box, picture: Picture | None) -> str:
    return f"names the picture {box.picture!r}, which the file does not list" if picture is None else ""


def _points(box: Box) -> list[tuple[float, float]]:
    polygons = box.fields.get("segmentation")
    if not isinstance(polygons, list):
        return []
    try:
        return [(float(p[i]), float(p[i + 1])) for p in polygons for i in range(0, len(p) - 1, 2)]
    except (TypeError, ValueError):
        return []


def _polygon(box: Box, _: Picture | None) -> str:
    points = _points(box)
    if not points or box.corners is None:
        return ""
    x, y, w, h = box.corners
    by = max(max(x - px, px - x - w, y - py, py - y - h) for px, py in points)
    return f"has a segmentation that reaches {by:.3g} pixels out of its box" if by > 1 else ""


def _area(box: Box, _: Picture | None) -> str:
    area: Any = box.fields.get("area")
    if not isinstance(area, int | float) or box.corners is None:
        return ""
    w, h = box.corners[2:]
    if w <= 0 or h <= 0:
        return ""
    if area < 0 or area > (w + 1) * (h + 1) * 1.01:  # some tools count the pixels at both edges
        return f"states an area of {area:g}, and its box has {w * h:g}"
    return ""


def _crowd(box: Box, _: Picture | None) -> str:
    if box.fields.get("iscrowd") and _points(box):
        return "is a crowd with polygons, where COCO has run lengths"
    return ""


_CHECKS: dict[str, Callable[[Box, Picture | None], str]] = {
    "size": _size,
    "outside": _outside,
    "class": _class,
    "picture": _picture,
    "polygon": _polygon,
    "area": _area,
    "crowd": _crowd,
}


def _corners_for_sizes(annotations: Annotations, pictures: dict[str, Picture]) -> Iterator[Fault]:
    """Boxes that are written as x1, y1, x2, y2: most reach out of their pictures, and would not as corners."""
    out = fits = 0
    for box in annotations.boxes:
        picture = pictures.get(box.picture)
        if box.corners is None or picture is None or not picture.width:
            continue
        x, y, w, h = box.corners
        out += outside_by(box.corners, picture.width, picture.height) > 1
        fits += x < w <= picture.width + 1 and y < h <= picture.height + 1
    n = max(len(annotations.boxes), 1)
    if out > _MOSTLY * n and fits > 0.95 * n:
        yield Fault(
            "corners",
            annotations.path.name,
            f"has {out:,} of {n:,} boxes that reach out of their pictures and would not if the last two numbers were "
            "the lower right corner. COCO wants width and height: convert the file",
        )


def _repeated(annotations: Annotations) -> Iterator[Fault]:
    by_picture: dict[tuple[str, str | None], list[Box]] = defaultdict(list)
    for box in annotations.boxes:
        if box.corners is not None and not box.fields.get("iscrowd"):
            by_picture[box.picture, box.label].append(box)
    for boxes in by_picture.values():
        boxes.sort(key=lambda box: box.corners or (0.0,))
        for i, box in enumerate(boxes):
            assert box.corners is not None
            for other in boxes[i + 1 :]:
                assert other.corners is not None
                if other.corners[0] > box.corners[0] + max(box.corners[2], 0):
                    break
                if (share := overlap(box.corners, other.corners)) >= _SAME:
                    yield Fault("repeated", other.id, f"covers the same place as {box.id} (IoU {share:.2f})")


def _files(annotations: Annotations) -> Iterator[Fault]:
    root = annotations.root.resolve()
    named = set()
    present = False
    for picture in annotations.pictures:
        file = (root / picture.file_name).resolve()
        if not picture.file_name or not file.is_relative_to(root):
            yield Fault("file", picture.file_name or picture.key, "does not lie in the folder of the pictures")
            continue
        named.add(file)
        if not file.is_file():
            yield Fault("file", picture.file_name, f"is not in {root.name}")
            continue
        present = True
        if annotations.form != "yolo" and picture.width and picture.height and (size := _size_of(file)):
            stated = (picture.width, picture.height)
            if stated not in (size, size[::-1]):
                yield Fault(
                    "stated", picture.file_name, f"has {size[0]} × {size[1]} pixels, not {stated[0]} × {stated[1]}"
                )
            elif stated != size and size[0] != size[1]:
                yield Fault(
                    "stated", picture.file_name, f"has {size[0]} × {size[1]} pixels once it is turned as EXIF says"
                )
    if present and root != annotations.path.parent.resolve() and annotations.form == "coco":
        from ..sources.base import IMAGE_SUFFIXES

        for file in sorted(root.rglob("*")):
            if file.suffix.lower() in IMAGE_SUFFIXES and file.resolve() not in named:
                yield Fault("unused", file.relative_to(root).as_posix(), "is not named in the file")


def _size_of(file: Any) -> tuple[int, int] | None:
    """Width and height as it is shown, None = it cannot be opened."""
    try:
        with Image.open(file) as image:
            width, height = image.size
            return (height, width) if image.getexif().get(0x0112, 1) >= 5 else (width, height)
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
