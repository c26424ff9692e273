"""Dark images."""

from __future__ import annotations

from typing import ClassVar

from ...types import Input, Kind, SignalInputs, SignalResult
from ._images import below, value, words
from .base import SIGNALS

_LIMIT = 0.32


class ImageDark:
    """How dark the brightest pixels are.

    Formula: below(b₉₉, .32) = .32/(.32 + b₉₉): 1 at black, ½ at the limit; b₉₉ the 99th percentile of the brightness
    √(.241R² + .691G² + .068B²)/255.

    Source: cleanvision "dark" (cleanlab, Apache-2.0). Weak evidence: shown as a reason, never a verdict by itself.
    """

    name: ClassVar[str] = "image_dark"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.BROKEN
    title: ClassVar[str] = "Dark image"
    explain: ClassVar[str] = "Even the brightest pixels are dark."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.MEDIA})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        level = value(inputs, "brightness_99")
        score = below(level, _LIMIT)
        return SignalResult(
            score, reasons=words(score, "dark image (99% of the pixels below brightness {:.2f})", level)
        )


SIGNALS.register(ImageDark.name)(ImageDark())
