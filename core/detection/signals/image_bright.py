"""Overexposed images."""

from __future__ import annotations

from typing import ClassVar

from ...types import Input, Kind, SignalInputs, SignalResult
from ._images import below, value, words
from .base import SIGNALS

_LIMIT = 0.05


class ImageBright:
    """How bright the darkest pixels are.

    Formula: below(1 − b₅, .05), b₅ the 5th percentile of brightness; ½ at the limit, 1 where b₅ = 1.

    Source: cleanvision "light" (cleanlab, Apache-2.0). Weak evidence: shown as a reason, never a verdict by itself.
    """

    name: ClassVar[str] = "image_bright"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.BROKEN
    title: ClassVar[str] = "Overexposed image"
    explain: ClassVar[str] = "Even the darkest pixels are nearly white."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.MEDIA})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        level = 1.0 - value(inputs, "brightness_5")
        score = below(level, _LIMIT)
        return SignalResult(
            score, reasons=words(score, "overexposed image (95% of the pixels above brightness {:.2f})", 1.0 - level)
        )


SIGNALS.register(ImageBright.name)(ImageBright())
