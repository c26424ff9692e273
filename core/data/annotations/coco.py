"""COCO: one JSON file with ``images``, ``annotations`` and ``categories``.

Annotations are read one at a time with the place where they stand in the text, so that a change rewrites only the
values that it changes: key order, unknown keys and numbers stay as they were written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from json.decoder import WHITESPACE  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any

from ...errors import SourceError
from .base import AddedBox, Annotations, Box, BoxEdit, Corners, Picture, check_ids, read_text, written

_HEAD = 1 << 16
_SECTIONS = ("images", "annotations", "categories")
_CHECKED = ("area", "iscrowd", "segmentation")
_decoder = json.JSONDecoder()


class CocoForm:
    """COCO instances, with segmentation and crowds."""

    name = "coco"
    title = "COCO (.json with images, annotations and categories)"

    def accepts(self, path: Path) -> bool:
        """Whether ``path`` is a JSON object in which annotations are named near its beginning or its end."""
        if not path.is_file() or path.suffix.lower() != ".json":
            return False
        with path.open("rb") as file:
            head = file.read(_HEAD)
            file.seek(max(path.stat().st_size - _HEAD, 0))
            both = head + file.read(_HEAD)
        return (
            head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
            and re.search(rb'"(annotations|categories)"\s*:\s*\[', both) is not None
        )

    def read(self, path: Path, images: Path | None) -> Annotations:
        """Read a file."""
        text = read_text(path)
        names: dict[str, str] = {}
        pictures: list[Picture] = []
        boxes: list[Box] = []
        odd: list[tuple[str, str]] = []
        raw: list[dict[str, Any]] = []

        def category(item: dict[str, Any]) -> None:
            names[_key(item.get("id"))] = str(item.get("name", item.get("id")))

        def picture(item: dict[str, Any]) -> None:
            size = (_whole(item.get("width")), _whole(item.get("height")))
            pictures.append(Picture(_key(item.get("id")), str(item.get("file_name", "")), *size))

        take: dict[str, Callable[[dict[str, Any]], None]] = {
            "images": picture,
            "annotations": raw.append,
            "categories": category,
        }
        seen = set()
        for section, _, items in _sections(text, path.name):
            seen.add(section)
            for number, (_, _, item) in enumerate(items, 1):
                if isinstance(item, dict):
                    take[section](item)
                else:
                    odd.append((f"{section} {number}", "it is no object"))
        if "annotations" not in seen:
            raise SourceError(f"{path.name} has no list of annotations, so it is no COCO file.")
        for number, item in enumerate(raw, 1):
            if "id" not in item:
                odd.append((f"annotation {number}", "it has no id, so it is called by its place"))
            boxes.append(
                Box(
                    _key(item.get("id", f"#{number}")),
                    _key(item.get("image_id")),
                    names.get(_key(item.get("category_id"))),
                    corners_of(item.get("bbox")),
                    {k: item[k] for k in _CHECKED if item.get(k)},
                )
            )
        root = images or _images_beside(path, pictures)
        return Annotations(self.name, path, pictures, boxes, tuple(names.values()), root, odd)

    def files(self, path: Path) -> dict[str, Path]:
        """The file."""
        return {path.name: path}

    def patch(self, path: Path, edits: Mapping[str, BoxEdit], added: Sequence[AddedBox]) -> dict[str, bytes]:
        """Apply edits; annotations that are removed take their comma with them."""
        text = read_text(path)
        sections = {name: (span, list(items)) for name, span, items in _sections(text, path.name)}
        span, items = sections["annotations"]
        numbered = {_key(item.get("id", f"#{i}")): (s, e, item) for i, (s, e, item) in enumerate(items, 1)}
        check_ids(edits, set(numbered), path.name)
        changes: list[tuple[int, int, str]] = []
        codes = _Categories(text, sections, changes)
        removed = {key for key, edit in edits.items() if edit.remove}
        for key, edit in edits.items():
            if not edit.remove:
                start, _, item = numbered[key]
                changes += _edited(text, start, item, edit, codes)
        new = [_added(box, i, sections, numbered, codes) for i, box in enumerate(added, 1)]
        changes += _without(items, removed)
        if new:
            kept = [e for key, (_, e, _) in numbered.items() if key not in removed]
            at = kept[-1] if kept else span[0] + 1
            changes.append((at, at, (", " if kept else "") + ", ".join(json.dumps(item) for item in new)))
        changes += codes.appended()
        if not changes:
            return {}
        out, last = [], 0
        for start, stop, replacement in sorted(changes):
            out += [text[last:start], replacement]
            last = stop
        return {path.name: "".join([*out, text[last:]]).encode("utf-8")}


class _Categories:
    """The numbers of classes; new classes get the next ones."""

    def __init__(self, text: str, sections: dict[str, Any], changes: list[tuple[int, int, str]]) -> None:
        self._span, self._items = sections.get("categories", ((0, 0), []))
        self.code = {str(item.get("name")): item.get("id") for _, _, item in self._items}
        self._new: list[str] = []

    def of(self, label: str) -> Any:
        if label not in self.code:
            self.code[label] = max((c for c in self.code.values() if isinstance(c, int)), default=0) + 1
            self._new.append(label)
        return self.code[label]

    def appended(self) -> list[tuple[int, int, str]]:
        """The change that adds the new classes to the file."""
        if not self._new:
            return []
        if self._span == (0, 0):
            raise SourceError("The file has no list of categories, so no class can be added to it.")
        at = self._items[-1][1] if self._items else self._span[0] + 1
        new = ", ".join(json.dumps({"id": self.code[name], "name": name}) for name in self._new)
        return [(at, at, f"{', ' if self._items else ''}{new}")]


def _edited(
    text: str, start: int, item: dict[str, Any], edit: BoxEdit, codes: _Categories
) -> Iterator[tuple[int, int, str]]:
    values: dict[str, str] = {}
    if edit.label is not None:
        values["category_id"] = json.dumps(codes.of(edit.label))
    before = corners_of(item.get("bbox"))
    if edit.corners is not None and edit.corners != before:
        x, y, w, h = edit.corners
        values["bbox"] = f"[{', '.join(map(written, edit.corners))}]"
        was_box = before is not None and _is_rectangle(item.get("segmentation"), before)
        if "area" in item and (was_box or before is None or _close(item["area"], before[2] * before[3])):
            values["area"] = written(w * h)
        if was_box:
            values["segmentation"] = f"[[{', '.join(map(written, (x, y, x + w, y, x + w, y + h, x, y + h)))}]]"
    values |= {key: json.dumps(value) for key, value in edit.mark.items()}
    stop = start
    for key, (value_start, value_stop) in _members(text, start):
        stop = value_stop
        if key in values:
            yield value_start, value_stop, values.pop(key)
    if values:
        new = ", ".join(f"{json.dumps(key)}: {value}" for key, value in values.items())
        yield (stop, stop, f", {new}") if stop > start else (start + 1, start + 1, new)


def _without(items: list[tuple[int, int, dict[str, Any]]], removed: set[str]) -> Iterator[tuple[int, int, str]]:
    """The cuts that take annotations out: with what follows, and the last of those kept loses what follows it."""
    keys = [_key(item.get("id", f"#{i}")) for i, (_, _, item) in enumerate(items, 1)]
    last_kept = max((i for i, key in enumerate(keys) if key not in removed), default=-1)
    for i, (start, stop, _) in enumerate(items):
        if keys[i] in removed and i < last_kept:
            yield start, items[i + 1][0], ""
        elif i > last_kept:
            yield (items[i - 1][1] if i else start), stop, ""


def _added(
    box: AddedBox, number: int, sections: dict[str, Any], numbered: Mapping[str, Any], codes: _Categories
) -> dict[str, Any]:
    ids = [item["id"] for _, _, item in numbered.values() if isinstance(item.get("id"), int)]
    pictures = {_key(item.get("id")): item.get("id") for _, _, item in sections.get("images", ((0, 0), []))[1]}
    if box.picture not in pictures:
        raise SourceError(f"The file has no picture {box.picture!r}, so no box can be added to it.")
    corners = [json.loads(written(v)) for v in box.corners]
    return {
        "id": max(ids, default=0) + number,
        "image_id": pictures[box.picture],
        "category_id": codes.of(box.label),
        "bbox": corners,
        "area": json.loads(written(corners[2] * corners[3])),
        "iscrowd": 0,
        "segmentation": [],
    }


def _sections(text: str, name: str) -> Iterator[tuple[str, tuple[int, int], Iterator[tuple[int, int, Any]]]]:
    """The lists that matter: (section, where it stands, its items with where they stand)."""
    try:
        for key, (start, stop) in _members(text, _skip(text, 1 if text.startswith("\ufeff") else 0)):
            if key in _SECTIONS and text[start] == "[":
                yield key, (start, stop), _items(text, start)
    except (ValueError, IndexError, RecursionError) as error:
        at = f" at character {error.pos:,}" if isinstance(error, json.JSONDecodeError) else ""
        raise SourceError(f"{name} is no whole JSON file: it breaks off or is damaged{at}.") from error


def _skip(text: str, at: int) -> int:
    return int(WHITESPACE.match(text, at).end())


def _members(text: str, at: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """The keys of the object that begins at ``at``, with where their values stand."""
    if text[at] != "{":
        raise ValueError("not an object")
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, at = _decoder.raw_decode(text, at)
        at = _skip(text, at)
        if text[at] != ":":
            raise ValueError("no colon")
        start = _skip(text, at + 1)
        stop = _end(text, start)
        yield str(key), (start, stop)
        at = _next(text, stop, "}")


def _items(text: str, at: int) -> Iterator[tuple[int, int, Any]]:
    """The items of the list that begins at ``at``, with where they stand."""
    at = _skip(text, at + 1)
    while text[at] != "]":
        item, stop = _decoder.raw_decode(text, at)
        yield at, stop, item
        at = _next(text, stop, "]")


def _next(text: str, at: int, close: str) -> int:
    at = _skip(text, at)
    if text[at] == ",":
        return _skip(text, at + 1)
    if text[at] != close:
        raise ValueError("no comma")
    return at


def _end(text: str, at: int) -> int:
    """Where a value ends; the items of a long list are read one at a time."""
    if text[at] != "[":
        return int(_decoder.raw_decode(text, at)[1])
    stop = at + 1
    for _, item_stop, _ in _items(text, at):
        stop = item_stop
    return _skip(text, stop) + 1


def corners_of(value: Any) -> Corners | None:
    """A ``bbox`` as numbers, None where it is none."""
    if not isinstance(value, list) or len(value) != 4 or not all(_is_number(v) for v in value):
        return None
    return float(value[0]), float(value[1]), float(value[2]), float(value[3])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12


def _is_rectangle(segmentation: Any, corners: Corners) -> bool:
    """Whether a segmentation is one polygon, the box itself."""
    if not isinstance(segmentation, list) or len(segmentation) != 1 or len(segmentation[0]) not in (8, 10):
        return False
    x, y, w, h = corners
    points = set(zip(segmentation[0][::2], segmentation[0][1::2], strict=True))
    return all(
        min(abs(px - x), abs(px - x - w)) < 1e-3 and min(abs(py - y), abs(py - y - h)) < 1e-3 for px, py in points
    )


def _close(area: Any, product: float) -> bool:
    return _is_number(area) and abs(area - product) <= max(1.0, 1e-3 * product)


def _whole(value: Any) -> int:
    return int(value) if _is_number(value) and value > 0 else 0


def _key(value: Any) -> str:
    """An id as text: 7, 7.0 and "7" are the same."""
    return str(int(value)) if isinstance(value, float) and value == int(value) else str(value)


def _images_beside(path: Path, pictures: Sequence[Picture]) -> Path:
    """The folder of the pictures: where the first of them is found."""
    for folder in (path.parent / "images", path.parent, path.parent.parent / "images", path.parent.parent):
        if any(picture.file_name and (folder / picture.file_name).is_file() for picture in pictures[:20]):
            return folder
    return path.parent
