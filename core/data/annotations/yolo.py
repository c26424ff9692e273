"""YOLO: a text file a picture, one line an object: class number, then a box or a polygon in shares of the picture."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from ...errors import SourceError
from ..sources.base import IMAGE_SUFFIXES
from .base import AddedBox, Annotations, Box, BoxEdit, Corners, Picture, check_ids, read_text

_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n|$)")
_DIGITS = 6


class YoloForm:
    """A ``data.yaml``, or the folder that holds it, with ``images`` and ``labels`` below."""

    name = "yolo"
    title = "YOLO (data.yaml, with images and labels)"

    def accepts(self, path: Path) -> bool:
        """Whether ``path`` is a data.yaml, or a folder with one and with labels."""
        file = _yaml_of(path)
        return file is not None and any((file.parent / name).is_dir() for name in ("labels", "train", "valid", "val"))

    def read(self, path: Path, images: Path | None) -> Annotations:
        """Read all label files. The sizes of pictures come from the pictures."""
        file = _yaml_of(path)
        if file is None:
            raise SourceError(f"{str(path)!r} has no data.yaml.")
        names = _names(file)
        root = images or file.parent
        found = _pictures(root)
        pictures: list[Picture] = []
        boxes: list[Box] = []
        odd: list[tuple[str, str]] = []
        for label_file in sorted(_label_files(file.parent)):
            relative = label_file.relative_to(file.parent).as_posix()
            image = found.pop(_stem(relative), None)
            if image is None:
                odd.append((relative, "there is no picture for it"))
            picture = _sized(relative, image, root, odd)
            pictures.append(picture)
            for number, line in enumerate(_lines(label_file.read_bytes()), 1):
                if line.strip():
                    where = f"{relative}#{number}"
                    box = _box(where, line, picture, names, odd)
                    if box is not None:
                        boxes.append(box)
        for image in found.values():  # pictures without boxes
            pictures.append(_sized(image.relative_to(root).as_posix(), image, root, odd))
        return Annotations(self.name, path, pictures, boxes, tuple(names.values()), root, odd)

    def files(self, path: Path) -> dict[str, Path]:
        """data.yaml and the label files."""
        file = _yaml_of(path)
        assert file is not None
        return {p.relative_to(file.parent).as_posix(): p for p in (file, *sorted(_label_files(file.parent)))}

    def patch(self, path: Path, edits: Mapping[str, BoxEdit], added: Sequence[AddedBox]) -> dict[str, bytes]:
        """Apply edits line by line; all other lines stay byte for byte."""
        file = _yaml_of(path)
        assert file is not None
        whole = self.read(path, None)
        check_ids(edits, {box.id for box in whole.boxes}, file.parent.name)
        codes = {name: number for number, name in _names(file).items()}
        sizes = {picture.key: picture for picture in whole.pictures}
        before = {box.id: box for box in whole.boxes}
        out: dict[str, bytes] = {}
        new = sorted({e.label for e in edits.values() if e.label} | {a.label for a in added})
        for label in new:
            if label not in codes:
                raise SourceError(
                    f"data.yaml has no class {label!r}. There are: {', '.join(codes)}. Add it there, or relabel to one."
                )
        touched = {key.rpartition("#")[0] for key in edits} | {a.picture for a in added}
        for relative in sorted(touched):
            target = file.parent / relative
            old = target.read_bytes() if target.is_file() else b""
            lines: list[bytes] = []
            for number, line in enumerate(_lines(old), 1):
                edit = edits.get(f"{relative}#{number}")
                if edit is None:
                    lines.append(line)
                elif not edit.remove:
                    lines.append(_rewritten(line, edit, before[f"{relative}#{number}"], sizes[relative], codes))
            end = b"\r\n" if b"\r\n" in old else b"\n"
            for box in (a for a in added if a.picture == relative):
                if lines and not lines[-1].endswith((b"\n", b"\r")):
                    lines[-1] += end
                lines.append(f"{codes[box.label]} {_shares(box.corners, sizes[relative])}".encode() + end)
            if (content := b"".join(lines)) != old:
                out[relative] = content
        return out


def _yaml_of(path: Path) -> Path | None:
    if path.is_file():
        return path if path.suffix.lower() in (".yaml", ".yml") else None
    return next((p for name in ("data.yaml", "dataset.yaml") if (p := path / name).is_file()), None)


def _names(file: Path) -> dict[int, str]:
    try:
        content = yaml.safe_load(read_text(file))
        names = content["names"]
        pairs = names.items() if isinstance(names, dict) else enumerate(names)
        return {int(number): str(name) for number, name in pairs}
    except (yaml.YAMLError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise SourceError(f"{file.name} has no list of class names (names: …) that can be read.") from error


def _label_files(root: Path) -> list[Path]:
    return [p for p in root.rglob("*.txt") if "labels" in p.relative_to(root).parts[:-1]]


def _pictures(root: Path) -> dict[str, Path]:
    """Pictures below ``root`` by what their label file is called, without the ending."""
    return {
        _stem(p.relative_to(root).as_posix()): p for p in sorted(root.rglob("*")) if p.suffix.lower() in IMAGE_SUFFIXES
    }


def _stem(relative: str) -> str:
    """``train/images/a.jpg``, ``images/train/a.jpg`` and ``labels/train/a.txt``: the same picture."""
    parts = [p for p in relative.split("/")[:-1] if p not in ("images", "labels")]
    return "/".join([*parts, relative.rpartition("/")[2].rpartition(".")[0]])


def _sized(key: str, image: Path | None, root: Path, odd: list[tuple[str, str]]) -> Picture:
    if image is None:
        return Picture(key, "")
    name = image.relative_to(root).as_posix()
    try:
        with Image.open(image) as opened:
            width, height = opened.size
            if opened.getexif().get(0x0112, 1) >= 5:  # turned by a quarter when it is shown
                width, height = height, width
    except (OSError, ValueError, Image.DecompressionBombError):
        odd.append((name, "the picture cannot be opened"))
        return Picture(key, name)
    return Picture(key, name, width, height)


def _lines(content: bytes) -> list[bytes]:
    return [line for line in _LINE.findall(content) if line]


def _box(where: str, line: bytes, picture: Picture, names: dict[int, str], odd: list[tuple[str, str]]) -> Box | None:
    try:
        tokens = line.decode("utf-8").split()
        code, numbers = int(float(tokens[0])), [float(t) for t in tokens[1:]]
    except (UnicodeDecodeError, ValueError, IndexError):
        odd.append((where, "the line is no class number with a box or a polygon"))
        return None
    corners: Corners | None = None
    fields: dict[str, Any] = {}
    w, h = picture.width or 1, picture.height or 1
    if len(numbers) in (4, 5):  # a fifth is a confidence
        cx, cy, bw, bh = numbers[:4]
        corners = ((cx - bw / 2) * w, (cy - bh / 2) * h, bw * w, bh * h)
    elif len(numbers) >= 6 and len(numbers) % 2 == 0:
        xs, ys = numbers[::2], numbers[1::2]
        corners = (min(xs) * w, min(ys) * h, (max(xs) - min(xs)) * w, (max(ys) - min(ys)) * h)
        fields["polygon"] = True
    else:
        odd.append((where, f"{len(numbers)} numbers are neither a box (4) nor a polygon (6 or more, in pairs)"))
    if any(abs(n) > 1.5 for n in numbers):
        odd.append((where, "the numbers look like pixels; YOLO's are shares of the picture, from 0 to 1"))
    return Box(where, picture.key, names.get(code), corners, fields)


def _rewritten(line: bytes, edit: BoxEdit, box: Box, picture: Picture, codes: Mapping[str, int]) -> bytes:
    parts = re.split(rb"(\s+)", line)  # tokens at even places, blanks between them
    first = 0 if parts[0] else 2
    if edit.label is not None and edit.label != box.label:
        parts[first] = str(codes[edit.label]).encode()
    if edit.corners is not None and edit.corners != box.corners:
        if not box.fields.get("polygon") or box.corners is None:
            shares = _shares(edit.corners, picture).split()
        else:
            shares = _moved(parts[first + 2 :: 2], box.corners, edit.corners, picture)
        for i, share in enumerate(shares):
            parts[first + 2 + 2 * i] = share.encode()
    return b"".join(parts)


def _shares(corners: Corners, picture: Picture) -> str:
    if not picture.width or not picture.height:
        raise SourceError(f"The size of the picture of {picture.key} is not known, so a box cannot be written for it.")
    x, y, w, h = corners
    values = (
        (x + w / 2) / picture.width,
        (y + h / 2) / picture.height,
        w / picture.width,
        h / picture.height,
    )
    return " ".join(f"{v:.{_DIGITS}f}" for v in values)


def _moved(tokens: Sequence[bytes], before: Corners, after: Corners, picture: Picture) -> list[str]:
    """The points of a polygon, moved and scaled as its box is."""
    numbers = [float(t) for t in tokens if t]
    out = []
    for i, n in enumerate(numbers):
        axis, size = i % 2, (picture.width, picture.height)[i % 2]
        scale = after[2 + axis] / max(before[2 + axis], 1e-9)
        out.append(f"{(after[axis] + (n * size - before[axis]) * scale) / size:.{_DIGITS}f}")
    return out
