"""Blurred images."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._images import below, value, words
from .base import SIGNALS

_LIMIT = 0.29
_CONTRAST = 0.18


class ImageBlurry:
    """How little fine detail an image has.

    Formula: below(min(1, b + s), .29) with b = 1 − e^{−v/100}, v the variance of the edge filter, and s = 1 − e^{−σ/100} of
    the grey standard deviation σ where that exceeds .18, else 0.

    Source: cleanvision "blurry" (cleanlab, Apache-2.0). Weak evidence: shown as a reason, never a verdict by itself.
    """

    name: ClassVar[str] = "image_blurry"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.BROKEN
    title: ClassVar[str] = "Blurred image"
    explain: ClassVar[str] = "The image has hardly any sharp edges."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.MEDIA})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        detail = 1.0 - np.exp(-value(inputs, "blurriness") / 100.0)
        contrast = 1.0 - np.exp(-value(inputs, "blurriness_grayscale_std", 0.0) / 100.0)
        level = np.minimum(detail + np.where(contrast > _CONTRAST, contrast, 0.0), 1.0).astype(np.float32)
        score = below(level, _LIMIT)
        return SignalResult(score, reasons=words(score, "blurred image (sharpness {:.2f} of 1)", level))


SIGNALS.register(ImageBlurry.name)(ImageBlurry())
