"""Images far smaller or larger than the others."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._images import value, words
from .base import SIGNALS

_FACTOR = 2.0
_FENCE = 3.0


class ImageOddSize:
    """How far an image's size lies from the others'.

    Formula: z/(1 + z), z = |ln s − median ln s| / max(3·IQR(ln s), ln 2), s = √(width·height): ½ at three interquartile ranges, but at
    least at a factor of two. Logarithms, because cleanvision's linear rule flags 204 of 1,000 ordinary photographs.

    Source: cleanvision "odd_size" (cleanlab, Apache-2.0) and Tukey's fences (1977). Weak evidence, never a verdict by itself.
    """

    name: ClassVar[str] = "image_odd_size"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.BROKEN
    title: ClassVar[str] = "Odd size"
    explain: ClassVar[str] = "The image is far smaller or larger than the others."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.MEDIA})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        side = value(inputs, "size")
        known = np.isfinite(side) & (side > 0)
        score = np.full(inputs.n, np.nan, np.float32)
        if known.any():
            log = np.log(side[known])
            low, middle, high = np.quantile(log, (0.25, 0.5, 0.75))
            z = np.abs(log - middle) / max(_FENCE * float(high - low), float(np.log(_FACTOR)))
            score[known] = z / (1.0 + z)
        return SignalResult(score, reasons=words(score, "odd size ({:.0f} pixels a side)", side))


SIGNALS.register(ImageOddSize.name)(ImageOddSize())
