"""Images of an odd shape."""

from __future__ import annotations

from ...types import Float32, SignalInputs
from ._images import LimitSignal, value
from .base import SIGNALS


class ImageOddAspect(LimitSignal):
    """How far from square an image is.

    Notes
    -----
    Formula: below(min(w/h, h/w), .35).

    References
    ----------
    cleanvision "odd_aspect_ratio" (cleanlab, Apache-2.0).
    """

    name = "image_odd_aspect"
    title = "Odd aspect ratio"
    explain = "The image is very wide or very tall."
    limit = 0.35
    sentence = "odd shape (short side is {:.2f} of the long one)"

    def level(self, inputs: SignalInputs) -> Float32:
        """The short side over the long one."""
        return value(inputs, "aspect_ratio")


SIGNALS.register(ImageOddAspect.name)(ImageOddAspect())
