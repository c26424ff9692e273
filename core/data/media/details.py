"""What an image file says of itself: its format, its pixels and its EXIF tags, read without decoding a pixel."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from PIL import ExifTags, Image

from .decode import image_formats

MAX_TAGS = 120
"""Most EXIF tags that are told."""
LONGEST_VALUE = 200
"""Characters of a tag's value that are told."""

_GPS, _CAMERA = 0x8825, 0x8769
_POINTERS = frozenset({_GPS, _CAMERA, 0xA005, 0x014A})
"""Tags that only say where other tags lie."""


@dataclass(frozen=True)
class PictureDetails:
    """What an image file says of itself.

    Attributes
    ----------
    n_bytes
        Size of the file.
    format
        By Pillow's name ("JPEG", "PNG" …), None = it is no image in a known format.
    width, height
        In pixels as stored, before the orientation in EXIF is applied; 0 = unknown.
    mode
        Pillow's pixel mode: "RGB", "L" (grey), "CMYK", "I;16" …; "" = unknown.
    exif
        (tag, value) in the order of the file: the image's tags, the camera's, the place's.
    """

    n_bytes: int
    format: str | None = None
    width: int = 0
    height: int = 0
    mode: str = ""
    exif: tuple[tuple[str, str], ...] = ()


def picture_details(data: bytes) -> PictureDetails:
    """Read the header of an image file; damaged files give what can be read of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = Image.open(io.BytesIO(data), formats=image_formats())
            details = PictureDetails(len(data), image.format, *image.size, image.mode)
        except Exception:  # noqa: BLE001 - readers raise anything on damaged input
            return PictureDetails(len(data))
        tags: list[tuple[str, str]] = []
        with suppress(Exception):  # a damaged directory of tags: those before it are told
            for tag in _tags(image.getexif()):
                tags.append(tag)
                if len(tags) == MAX_TAGS:
                    break
    return PictureDetails(details.n_bytes, details.format, details.width, details.height, details.mode, tuple(tags))


def _tags(exif: Image.Exif) -> Iterator[tuple[str, str]]:
    directories: tuple[tuple[dict[int, Any], dict[int, str]], ...] = (
        (dict(exif), ExifTags.TAGS),
        (exif.get_ifd(_CAMERA), ExifTags.TAGS),
        (exif.get_ifd(_GPS), ExifTags.GPSTAGS),
    )
    for values, names in directories:
        for tag, value in values.items():
            if tag not in _POINTERS and (text := _words(value)):
                yield names.get(tag, f"Tag {tag}"), text


def _words(value: Any) -> str:
    """A tag's value as text; "" = binary data."""
    if isinstance(value, bytes):
        stripped = value.rstrip(b"\x00 ")
        value = stripped.decode("ascii", "replace") if stripped.isascii() else ""
    elif isinstance(value, (tuple, list)):
        value = ", ".join(filter(None, map(_words, value)))
    elif not isinstance(value, (str, int)):
        with suppress(TypeError, ValueError, ZeroDivisionError):
            value = f"{float(value):.6g}"
    text = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"
