"""Overexposed images."""

from __future__ import annotations

from ...types import Float32, SignalInputs
from ._images import LimitSignal, value
from .base import SIGNALS


class ImageBright(LimitSignal):
    """How bright the darkest pixels are.

    Notes
    -----
    Formula: below(1 − b₅, .05), b₅ the 5th percentile of brightness; ½ at the limit, 1 where b₅ = 1.

    References
    ----------
    cleanvision "light" (cleanlab, Apache-2.0).
    """

    name = "image_bright"
    title = "Overexposed image"
    explain = "Even the darkest pixels are nearly white."
    limit = 0.05
    sentence = "overexposed image (95% of the pixels above brightness {:.2f})"

    def level(self, inputs: SignalInputs) -> Float32:
        """The distance of the darkest pixels from white."""
        return 1.0 - value(inputs, "brightness_5")

    def shown(self, level: Float32) -> Float32:
        """The brightness of the darkest pixels."""
        return 1.0 - level


SIGNALS.register(ImageBright.name)(ImageBright())
