"""Images with little in them."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._images import below, flat, value, words
from .base import SIGNALS

_LIMIT = 0.3


class ImageLowInformation:
    """How few grey levels an image uses; 1 where it is one flat colour.

    Formula: below(min(1, H/10), .3), H the entropy of the grey histogram in bits; 1 where the standard deviation of every
    channel is under half a level.

    Source: cleanvision "low_information" (cleanlab, Apache-2.0). One flat colour is a verdict (broken); little information is not.
    """

    name: ClassVar[str] = "image_low_information"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.BROKEN
    title: ClassVar[str] = "Little information"
    explain: ClassVar[str] = "The image is nearly empty, or one flat colour."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.MEDIA})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        entropy = value(inputs, "entropy")
        score = below(np.minimum(entropy / 10.0, 1.0).astype(np.float32), _LIMIT)
        one_colour = flat(inputs)
        score[one_colour] = 1.0
        reasons = words(score, "little information (entropy {:.1f} bits of 8)", entropy)
        reasons[one_colour] = "the image is one flat colour"
        return SignalResult(score, reasons=reasons)


SIGNALS.register(ImageLowInformation.name)(ImageLowInformation())
