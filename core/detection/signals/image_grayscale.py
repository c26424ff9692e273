"""Grey images among coloured ones."""

from __future__ import annotations

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._images import reasons_of, value
from .base import SIGNALS, BaseSignal


class ImageGrayscale(BaseSignal):
    """A grey image; the rarer grey is, the higher the score. Weak evidence, never a verdict by itself.

    Notes
    -----
    Formula: (1 − share of grey images) where all channels are equal, else 0.

    References
    ----------
    cleanvision "grayscale" (cleanlab, Apache-2.0), here relative to the dataset.
    """

    name = "image_grayscale"
    kind = Kind.BROKEN
    title = "Grayscale image"
    explain = "The image has no colour although most others have."
    requires = frozenset({Input.MEDIA})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the decoded images."""
        grey = value(inputs, "grayscale")
        known = np.isfinite(grey)
        share = float(grey[known].mean()) if known.any() else 0.0
        score = np.where(known, grey * (1.0 - share), np.nan).astype(np.float32)
        return SignalResult(
            score, reasons=reasons_of(score, "grey image among coloured ones", grey), info={"share": share}
        )


SIGNALS.register(ImageGrayscale.name)(ImageGrayscale())
