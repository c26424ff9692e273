"""What is measured on one decoded image: hashes, cleanvision's properties, a tiny copy and a thumbnail.

Hashes are of the fully decoded image: a decoder's reduced-size mode (JPEG draft) is not used in this pass, because a
re-encoded copy must give the same pixel hash.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageStat

from .decode import Undecodable, decode

TINY = 32
"""Side of the RGB copy that duplicate candidates are compared on."""

THUMB_SIDE = 256
LOSSLESS_SIDE = 96
"""Images no larger than this are kept pixel for pixel (PNG); larger ones become WebP thumbnails."""

_MEASURE_PIXELS = 4_000_000
"""Above 4 megapixels brightness and entropy are taken from a box-reduced copy: cleanvision's arithmetic needs about
60 bytes a pixel."""

PROPERTIES = (
    "brightness",
    "brightness_1",
    "brightness_5",
    "brightness_10",
    "brightness_15",
    "brightness_90",
    "brightness_95",
    "brightness_99",
    "entropy",
    "blurriness",
    "blurriness_grayscale_std",
    "aspect_ratio",
    "size",
    "grayscale",
    "std",
    "flat",
)
"""Names of the columns of ``properties``. brightness… in [0, 1] (mean and percentiles); entropy in bits (0–8 of
the grey histogram); aspect_ratio in (0, 1]; size = √(width·height) in pixels; grayscale 1 = all channels equal; std =
the largest channel's standard deviation in [0, 127.5]; flat 1 = one colour (std < 0.5), else 0."""


@dataclass(frozen=True)
class Measured:
    """What was measured on one image.

    Attributes
    ----------
    error
        Why it could not be decoded; "" = decoded, then all else is set.
    file_hash, pixel_hash, perceptual_hash
        64-bit, never 0: of the bytes, of the pixels, and the DCT hash.
    width, height
        In pixels.
    tiny
        32·32·3 bytes of RGB.
    properties
        Values of :data:`PROPERTIES`.
    thumb
        The thumbnail's file.
    """

    error: str = ""
    file_hash: int = 0
    width: int = 0
    height: int = 0
    pixel_hash: int = 0
    perceptual_hash: int = 0
    tiny: bytes = b""
    properties: tuple[float, ...] = ()
    thumb: bytes = b""


def hash64(*parts: bytes | memoryview) -> int:
    """Hash bytes to 64 bits (BLAKE2b), never 0: the same digest as :func:`winnow.core.fingerprint.of_bytes`."""
    h = hashlib.blake2b(digest_size=8)
    for part in parts:
        h.update(part)
    return int.from_bytes(h.digest(), "big") or 1


@cache
def _parts() -> tuple[Any, tuple[Any, ...]]:
    """Cleanvision's measures: brightness, then entropy, blurriness, aspect ratio and size.

    Imported here because it takes half a second (matplotlib), and code that only reads images does not need it.
    """
    from cleanvision.issue_managers import IssueType
    from cleanvision.issue_managers.image_property import (
        AspectRatioProperty,
        BlurrinessProperty,
        BrightnessProperty,
        EntropyProperty,
        SizeProperty,
    )

    rest = (EntropyProperty(), BlurrinessProperty(), AspectRatioProperty(), SizeProperty())
    return BrightnessProperty(IssueType.DARK.value), rest


def measure(data: bytes) -> Measured:
    """Decode and measure one image. Never raises on bad data: ``error`` says why."""
    file_hash = hash64(data)
    try:
        image = decode(data)
    except Undecodable as error:
        return Measured(error=str(error), file_hash=file_hash)
    pixels = np.asarray(image)
    width, height = image.size
    return Measured(
        file_hash=file_hash,
        width=width,
        height=height,
        pixel_hash=hash64(f"{width}x{height}".encode(), np.ascontiguousarray(pixels).data.cast("B")),
        perceptual_hash=_perceptual(image),
        tiny=np.asarray(image.resize((TINY, TINY), Image.Resampling.BOX, reducing_gap=2.0)).tobytes(),
        properties=_properties(image, pixels),
        thumb=thumbnail(image),
    )


def _perceptual(image: Image.Image) -> int:
    """The 64-bit DCT hash of ImageHash (pHash: Zauner 2010), never 0."""
    import imagehash

    bits = np.packbits(imagehash.phash(image, hash_size=8).hash.reshape(-1))
    return int.from_bytes(bits.tobytes(), "big") or 1


def _properties(image: Image.Image, pixels: NDArray[np.uint8]) -> tuple[float, ...]:
    factor = int(np.ceil(np.sqrt(pixels.shape[0] * pixels.shape[1] / _MEASURE_PIXELS)))
    small = image if factor <= 1 else image.reduce(factor)
    brightness, (entropy, blurriness, aspect, size) = _parts()
    values: dict[str, Any] = {k.replace("_perc_", "_"): v for k, v in brightness.calculate(small).items()}
    values |= entropy.calculate(small)
    values |= blurriness.calculate(image)
    values |= aspect.calculate(image)
    values |= size.calculate(image)
    r, g, b = (pixels[..., i] for i in range(3))
    values["grayscale"] = float(np.array_equal(r, g) and np.array_equal(g, b))
    values["std"] = float(max(ImageStat.Stat(small).stddev))
    values["flat"] = float(values["std"] < 0.5)
    return tuple(float(values[name]) for name in PROPERTIES)


def thumbnail(image: Image.Image) -> bytes:
    """Make an image for the browser: lossless PNG up to 96 pixels a side, else WebP of at most 256 pixels a side."""
    out = io.BytesIO()
    if max(image.size) <= LOSSLESS_SIDE:
        image.save(out, "PNG", compress_level=1)
        return out.getvalue()
    small = image
    if max(image.size) > THUMB_SIDE:
        small = image.copy()
        small.thumbnail((THUMB_SIDE, THUMB_SIDE), Image.Resampling.LANCZOS)
    small.save(out, "WEBP", quality=80, method=1)
    return out.getvalue()
