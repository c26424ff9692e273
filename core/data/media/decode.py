"""From bytes to RGB pixels, or a reason why not.

Used by the media pass and by every image encoder, so that all see the same pixels.
"""

from __future__ import annotations

import importlib
import io
import re
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

DECODE_VERSION = 2
"""Raised when the same bytes give other pixels."""

MAX_PIXELS = 100_000_000
"""Images of 100 megapixels or more are refused before their pixels are decoded (decompression bombs)."""

_AT_ONCE = 4_000_000
"""Pixels of a 16-bit or floating-point image that are converted at a time."""

_BACKGROUND = (255, 255, 255)
_BEHIND_WHITE = (128, 128, 128)
"""Behind a transparent picture that cannot be seen over white."""
_NEARLY_WHITE = 235
_NARROW_FORMATS = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")
_ALLOWED = ("BMP", "DIB", "GIF", "JPEG", "PPM", "PNG", "WEBP", "TIFF", "JPEG2000", "AVIF", "HEIF", "ICO", "TGA")


@cache
def image_formats() -> tuple[str, ...]:
    """List the formats that are opened, by Pillow's names, whatever a file is called.

    Pillow knows more, among them formats that it hands to other programs (PostScript to Ghostscript).
    """
    Image.init()
    for module in ("pi_heif", "pillow_heif"):
        with suppress(ImportError):
            importlib.import_module(module).register_heif_opener()
            break
    return tuple(name for name in _ALLOWED if name in Image.OPEN)


_FIRST_BYTES = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|RIFF....WEBP|BM....\x00{4}|II[*+]\x00|MM\x00[*+]|P[1-7Ff]\s|"
    rb"\x00{3}\x0cjP  |\xff\x4f\xff\x51|....ftyp(?:avi|hei|hev|mif|msf)|\x00\x00\x01\x00[^\x00]\x00",
    re.DOTALL,
)
"""How files of the allowed formats begin; TGA and DIB have no beginning of their own."""


def begins_like_image(data: bytes) -> bool:
    """Whether bytes begin like a file in one of :func:`image_formats`."""
    return _FIRST_BYTES.match(data) is not None


class Undecodable(Exception):
    """The bytes are not an image that can be used. The message is the reason, for a person."""


def decode(data: bytes, min_size: Callable[[int, int], tuple[int, int]] | None = None) -> Image.Image:
    """Decode image bytes as an RGB image.

    The first frame of an animation; rotated as EXIF says; transparency over white, or over grey where white would
    hide the picture; palettes, CMYK, grey and 16-bit or floating-point images converted to 8-bit RGB.

    Parameters
    ----------
    data
        The bytes of an image file.
    min_size
        Width and height of the image → the width and height that are still enough, in pixels. A JPEG may then be
        decoded at a half, a quarter or an eighth of its size (libjpeg's scaled inverse transform), which saves most of
        the time.

    Raises
    ------
    Undecodable
        The data is empty, unknown, truncated or damaged, or has 100 megapixels or more.
    """
    if not data:
        raise Undecodable("the file is empty (0 bytes)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = Image.open(io.BytesIO(data), formats=image_formats())
            width, height = image.size
            if width * height >= MAX_PIXELS:
                raise Undecodable(
                    f"the image has {width:,} × {height:,} pixels; "
                    f"from {MAX_PIXELS // 1_000_000} megapixels on it is refused"
                )
            if width < 1 or height < 1:
                raise Undecodable("the image has no pixels")
            if min_size is not None and image.format == "JPEG":
                image.draft(None, min_size(width, height))
            image.load()
            ImageOps.exif_transpose(image, in_place=True)  # without a copy of what lies as it should
            return to_rgb(image)
        except Image.DecompressionBombError:
            raise Undecodable(f"the image has more than {MAX_PIXELS // 1_000_000} megapixels") from None
        except UnidentifiedImageError:
            raise Undecodable(_unknown(data)) from None
        except Undecodable:
            raise
        except Exception as error:  # decoders raise anything on damaged input
            raise Undecodable(_reason(error)) from error


_HEIC = re.compile(rb".{4}ftyp(?:hei|hev|mif1|msf1)", re.DOTALL)
_AVIF = re.compile(rb".{4}ftypavi", re.DOTALL)


def _unknown(data: bytes) -> str:
    if _HEIC.match(data) and "HEIF" not in image_formats():
        return "this is a HEIC image; install winnow[heif] to read it, or convert it to JPEG"
    if _AVIF.match(data) and "AVIF" not in image_formats():
        return "this is an AVIF image; install Pillow 11.3 or newer to read it, or convert it to JPEG"
    return "the bytes are not an image in a known format"


def _reason(error: Exception) -> str:
    reason = str(error).strip() or type(error).__name__
    if "truncated" in reason.lower() or isinstance(error, EOFError):
        return "the image is cut short"
    return f"the image is damaged ({reason[:120]})"


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any Pillow image to 8-bit RGB, keeping what is bright and what is transparent."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in _NARROW_FORMATS:
        return Image.fromarray(_to_eight_bits(np.asarray(image))).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layer = image if image.mode == "RGBA" and "transparency" not in image.info else image.convert("RGBA")
        flat = _laid_on(layer, _BACKGROUND)
        opacity = layer.getchannel("A").histogram()
        if any(opacity[:-1]) and any(opacity[1:]) and not any(flat.convert("L").histogram()[:_NEARLY_WHITE]):
            return _laid_on(layer, _BEHIND_WHITE)
        return flat
    return image.convert("RGB")


def _laid_on(layer: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    flat = Image.new("RGB", layer.size, colour)
    flat.paste(layer, mask=layer)  # in place: at 100 megapixels three more layers would be a gigabyte
    return flat


def _to_eight_bits(
    values: np.ndarray[tuple[int, ...], np.dtype[np.generic]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Scale 16-bit, 32-bit and float grey values to 0–255: by their nominal range, or stretched where there is none."""
    rows = max(1, _AT_ONCE // max(1, values.shape[1]))
    blocks = [slice(start, start + rows) for start in range(0, values.shape[0], rows)]
    ends = [
        (float(v.min()), float(v.max())) for v in (np.nan_to_num(np.asarray(values[b], np.float64)) for b in blocks)
    ]
    low, high = min(e[0] for e in ends), max(e[1] for e in ends)
    if values.dtype.kind == "f":
        scale, low = (
            (255.0, 0.0)
            if low >= 0 and high <= 1
            else (1.0, 0.0)
            if low >= 0 and high <= 255
            else (255 / (high - low), low)
        )
    elif low >= 0 and high <= 65535 and (values.dtype.itemsize == 2 or high > 255):
        scale, low = 255 / 65535, 0.0
    elif low >= 0 and high <= 255:
        scale, low = 1.0, 0.0
    else:
        scale = 255 / (high - low)
    out = np.empty(values.shape, np.uint8)
    for block in blocks:
        v = np.nan_to_num(np.asarray(values[block], np.float64))
        out[block] = np.clip(np.round((v - low) * scale), 0, 255)
    return out
