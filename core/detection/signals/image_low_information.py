"""Images with little in them."""

from __future__ import annotations

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._images import below, flat, reasons_of, value
from .base import SIGNALS, BaseSignal

_LIMIT = 0.3


class ImageLowInformation(BaseSignal):
    """How few grey levels an image uses; 1 where it is one flat colour.

    One flat colour is a verdict (broken); little information is not.

    Notes
    -----
    Formula: below(min(1, H/10), .3), H the entropy of the grey histogram in bits; 1 where the standard deviation of
    every channel is under half a level.

    References
    ----------
    cleanvision "low_information" (cleanlab, Apache-2.0).
    """

    name = "image_low_information"
    kind = Kind.BROKEN
    title = "Low information"
    explain = "The image uses few grey levels, or is one flat colour."
    requires = frozenset({Input.MEDIA})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the decoded images."""
        entropy = value(inputs, "entropy")
        score = below(np.minimum(entropy / 10.0, 1.0).astype(np.float32), _LIMIT)
        one_colour = flat(inputs)
        score[one_colour] = 1.0
        reasons = reasons_of(score, "little information (entropy {:.1f} bits of 8)", entropy)
        reasons[one_colour] = "the image is one flat colour"
        return SignalResult(score, reasons=reasons)


SIGNALS.register(ImageLowInformation.name)(ImageLowInformation())
