"""Blurred images."""

from __future__ import annotations

import numpy as np

from ...types import Float32, SignalInputs
from ._images import LimitSignal, value
from .base import SIGNALS

_CONTRAST = 0.18


class ImageBlurry(LimitSignal):
    """How little fine detail an image has.

    Notes
    -----
    Formula: below(min(1, b + s), .29) with b = 1 − e^{−v/100}, v the variance of the edge filter, and
    s = 1 − e^{−σ/100}, σ the grey standard deviation, where that exceeds .18, else 0.

    References
    ----------
    cleanvision "blurry" (cleanlab, Apache-2.0).
    """

    name = "image_blurry"
    title = "Blurry image"
    explain = "The image has hardly any sharp edges."
    limit = 0.29
    sentence = "blurred image (sharpness {:.2f} of 1)"

    def level(self, inputs: SignalInputs) -> Float32:
        """The sharpness."""
        detail = 1.0 - np.exp(-value(inputs, "blurriness") / 100.0)
        contrast = 1.0 - np.exp(-value(inputs, "blurriness_grayscale_std", 0.0) / 100.0)
        return np.asarray(np.minimum(detail + np.where(contrast > _CONTRAST, contrast, 0.0), 1.0), np.float32)


SIGNALS.register(ImageBlurry.name)(ImageBlurry())
