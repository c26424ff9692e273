"""Pascal VOC: an XML file a picture, ``<object>`` with ``<name>`` and ``<bndbox>``.

Files are read with the byte at which every value stands, so that a change rewrites only the values that it changes.
``xmin`` … ``ymax`` are read as the edges of the box in pixels; whether they count from 0 or 1 is left as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape

from ...errors import SourceError
from .base import AddedBox, Annotations, Box, BoxEdit, Corners, Picture, check_ids, written

_EDGES = ("xmin", "ymin", "xmax", "ymax")
_FLAGS = ("difficult", "truncated", "occluded")
_MAX_BYTES = 64 << 20


class VocForm:
    """A folder of XML files, or one with ``Annotations`` (and ``JPEGImages``) below."""

    name = "voc"
    title = "Pascal VOC (a folder of .xml files, or one with Annotations below)"

    def accepts(self, path: Path) -> bool:
        """Whether ``path`` is a folder whose XML files begin like Pascal VOC's."""
        first = next(_folder(path).glob("*.xml"), None) if path.is_dir() else None
        if first is None:
            return False
        with first.open("rb") as file:
            return b"<annotation" in file.read(4096)

    def read(self, path: Path, images: Path | None) -> Annotations:
        """Read every file."""
        folder = _folder(path)
        pictures, boxes, odd = [], [], []
        names: dict[str, None] = {}
        for file in _files(path):
            key = file.relative_to(folder).as_posix()
            try:
                content = _parse(file)
            except SourceError as error:
                odd.append((key, str(error)))
                continue
            pictures.append(Picture(key, content.text("filename") or f"{file.stem}.jpg", *content.size()))
            for number, obj in enumerate(content.objects, 1):
                label = obj.values.get("name", "")
                names[label] = None
                flags = {flag: obj.values[flag] for flag in _FLAGS if flag in obj.values}
                boxes.append(Box(f"{key}#{number}", key, label or None, obj.corners(), flags))
        root = images or next((p for p in (path / "JPEGImages", path / "images", folder) if p.is_dir()), path)
        return Annotations(self.name, path, pictures, boxes, tuple(sorted(n for n in names if n)), root, odd)

    def files(self, path: Path) -> dict[str, Path]:
        """The XML files."""
        return {p.relative_to(_folder(path)).as_posix(): p for p in _files(path)}

    def patch(self, path: Path, edits: Mapping[str, BoxEdit], added: Sequence[AddedBox]) -> dict[str, bytes]:
        """Apply edits; all other bytes stay as they are."""
        folder = _folder(path)
        out: dict[str, bytes] = {}
        touched = {key.rpartition("#")[0] for key in edits} | {a.picture for a in added}
        known = {p.relative_to(folder).as_posix() for p in _files(path)}
        check_ids({k: e for k, e in edits.items() if k.rpartition("#")[0] not in known}, set(), path.name)
        for key in sorted(touched):
            if key not in known:
                raise SourceError(f"{path.name} has no file {key!r}.")
            data = (folder / key).read_bytes()
            content = _parse(folder / key)
            own = {k: e for k, e in edits.items() if k.rpartition("#")[0] == key}
            check_ids(own, {f"{key}#{i}" for i in range(1, len(content.objects) + 1)}, key)
            changes: list[tuple[int, int, bytes]] = []
            for number, obj in enumerate(content.objects, 1):
                if (edit := own.get(f"{key}#{number}")) is not None:
                    changes += _changes(data, obj, edit)
            news = b"".join(_object(a) for a in added if a.picture == key)
            if news:
                changes.append((content.close, content.close, news))
            parts, last = [], 0
            for start, stop, replacement in sorted(changes):
                parts += [data[last:start], replacement]
                last = stop
            if (patched := b"".join([*parts, data[last:]])) != data:
                out[key] = patched
        return out


@dataclass
class _Object:
    start: int
    stop: int = 0
    values: dict[str, str] = field(default_factory=dict)
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)

    def corners(self) -> Corners | None:
        try:
            left, top, right, bottom = (float(self.values[edge]) for edge in _EDGES)
        except (KeyError, ValueError):
            return None
        return left, top, right - left, bottom - top


@dataclass
class _File:
    values: dict[str, str] = field(default_factory=dict)
    objects: list[_Object] = field(default_factory=list)
    close: int = 0

    def text(self, name: str) -> str:
        return self.values.get(name, "")

    def size(self) -> tuple[int, int]:
        try:
            return int(float(self.text("width"))), int(float(self.text("height")))
        except ValueError:
            return 0, 0


def _folder(path: Path) -> Path:
    return path / "Annotations" if (path / "Annotations").is_dir() else path


def _files(path: Path) -> list[Path]:
    return sorted(_folder(path).rglob("*.xml"))


def _parse(path: Path) -> _File:
    """Read a file. Entities are refused: no labelling tool writes them. Raises SourceError."""
    if path.stat().st_size > _MAX_BYTES:
        raise SourceError(f"{path.name} has more than {_MAX_BYTES >> 20} MiB, too much for one picture's annotations.")
    data = path.read_bytes()
    out = _File()
    stack: list[str] = []
    state: dict[str, Any] = {"text": [], "from": 0}
    parser = expat.ParserCreate()

    def start(tag: str, _: dict[str, str]) -> None:
        if tag == "object" and stack == ["annotation"]:
            out.objects.append(_Object(parser.CurrentByteIndex))
        stack.append(tag)
        state["text"], state["from"] = [], data.index(b">", parser.CurrentByteIndex) + 1

    def end(tag: str) -> None:
        at = parser.CurrentByteIndex
        inside = "object" in stack[1:2]
        if inside and tag == "object" and len(stack) == 2:
            out.objects[-1].stop = data.index(b">", at) + 1
        elif inside and (len(stack) == 3 or stack[2:3] == ["bndbox"]):
            out.objects[-1].values.setdefault(tag, "".join(state["text"]).strip())
            out.objects[-1].spans.setdefault(tag, (state["from"], at))
        elif not inside:
            out.values.setdefault(tag, "".join(state["text"]).strip())
            if len(stack) == 1:
                out.close = at
        stack.pop()
        state["text"] = []

    def refuse(*_: object) -> None:
        raise SourceError(f"{path.name} declares XML entities, which no labelling tool writes. It is not read.")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = lambda text: state["text"].append(text)
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise SourceError(f"{path.name} is not XML: {error}.") from error
    return out


def _changes(data: bytes, obj: _Object, edit: BoxEdit) -> list[tuple[int, int, bytes]]:
    if edit.remove:
        start = obj.start
        while start and data[start - 1 : start] in (b" ", b"\t"):
            start -= 1
        stop = obj.stop
        for line_end in (b"\r\n", b"\n"):
            if data[stop : stop + len(line_end)] == line_end:
                stop += len(line_end)
                break
        return [(start, stop, b"")]
    new: dict[str, str] = {}
    if edit.label is not None:
        new["name"] = escape(edit.label)
    if edit.corners is not None and edit.corners != obj.corners():
        x, y, w, h = edit.corners
        new |= dict(zip(_EDGES, map(written, (x, y, x + w, y + h)), strict=True))
    missing = sorted(set(new) - set(obj.spans))
    if missing:
        raise SourceError(f"An object has no <{missing[0]}>, so it cannot be changed. Remove it, or mend the file.")
    return [(*obj.spans[tag], value.encode()) for tag, value in new.items() if obj.values[tag] != value]


def _object(box: AddedBox) -> bytes:
    x, y, w, h = box.corners
    edges = "".join(f"<{e}>{written(v)}</{e}>" for e, v in zip(_EDGES, (x, y, x + w, y + h), strict=True))
    return f"<object><name>{escape(box.label)}</name><bndbox>{edges}</bndbox></object>\n".encode()
