"""Dark images."""

from __future__ import annotations

from ...types import Float32, SignalInputs
from ._images import LimitSignal, value
from .base import SIGNALS


class ImageDark(LimitSignal):
    """How dark the brightest pixels are.

    Notes
    -----
    Formula: below(b₉₉, .32) = .32/(.32 + b₉₉): 1 at black, ½ at the limit; b₉₉ the 99th percentile of the brightness
    √(.241R² + .691G² + .068B²)/255.

    References
    ----------
    cleanvision "dark" (cleanlab, Apache-2.0).
    """

    name = "image_dark"
    title = "Dark image"
    explain = "Even the brightest pixels are dark."
    limit = 0.32
    sentence = "dark image (99% of the pixels below brightness {:.2f})"

    def level(self, inputs: SignalInputs) -> Float32:
        """The brightness of the brightest pixels."""
        return value(inputs, "brightness_99")


SIGNALS.register(ImageDark.name)(ImageDark())
