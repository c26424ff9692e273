"""Images of an odd shape."""

from __future__ import annotations

from typing import ClassVar

from ...types import Input, Kind, SignalInputs, SignalResult
from ._images import below, value, words
from .base import SIGNALS

_LIMIT = 0.35


class ImageOddAspect:
    """How far from square an image is.

    Formula: below(min(w/h, h/w), .35).

    Source: cleanvision "odd_aspect_ratio" (cleanlab, Apache-2.0). Weak evidence: shown as a reason, never a verdict by itself.
    """

    name: ClassVar[str] = "image_odd_aspect"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.BROKEN
    title: ClassVar[str] = "Odd shape"
    explain: ClassVar[str] = "The image is very wide or very tall."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.MEDIA})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        ratio = value(inputs, "aspect_ratio")
        score = below(ratio, _LIMIT)
        return SignalResult(score, reasons=words(score, "odd shape (short side is {:.2f} of the long one)", ratio))


SIGNALS.register(ImageOddAspect.name)(ImageOddAspect())
