"""Images far smaller or larger than the others."""

from __future__ import annotations

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ..arithmetic import tukey_fence
from ._images import reasons_of, value
from .base import SIGNALS, BaseSignal

_FACTOR = 2.0


class ImageOddSize(BaseSignal):
    """How far an image's size lies from the others'. Weak evidence, never a verdict by itself.

    Notes
    -----
    Formula: z/(1 + z), z = |ln s − median ln s| / max(3·IQR(ln s), ln 2), s = √(width·height): ½ at three
    interquartile ranges, but at least at a factor of two. Logarithms, because cleanvision's linear rule flags 204 of
    1,000 ordinary photographs.

    References
    ----------
    cleanvision "odd_size" (cleanlab, Apache-2.0) and Tukey's fences (1977).
    """

    name = "image_odd_size"
    kind = Kind.BROKEN
    title = "Odd image size"
    explain = "The image is far smaller or larger than the others."
    requires = frozenset({Input.MEDIA})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the decoded images."""
        side = value(inputs, "size")
        known = np.isfinite(side) & (side > 0)
        score = np.full(inputs.n, np.nan, np.float32)
        if known.any():
            log = np.log(side[known])
            middle, width = tukey_fence(log, float(np.log(_FACTOR)))
            z = np.abs(log - middle) / width
            score[known] = z / (1.0 + z)
        return SignalResult(score, reasons=reasons_of(score, "odd size ({:.0f} pixels a side)", side))


SIGNALS.register(ImageOddSize.name)(ImageOddSize())
