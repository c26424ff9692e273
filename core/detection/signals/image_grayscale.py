"""Grey images among coloured ones."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._images import value, words
from .base import SIGNALS


class ImageGrayscale:
    """A grey image, the more telling the rarer grey is.

    Formula: (1 − share of grey images) where all channels are equal, else 0.

    Source: cleanvision "grayscale" (cleanlab, Apache-2.0), made relative to the dataset. Weak evidence, never a verdict.
    """

    name: ClassVar[str] = "image_grayscale"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.BROKEN
    title: ClassVar[str] = "Grey image"
    explain: ClassVar[str] = "The image has no colour although most others have."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.MEDIA})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        grey = value(inputs, "grayscale")
        known = np.isfinite(grey)
        share = float(grey[known].mean()) if known.any() else 0.0
        score = np.where(known, grey * (1.0 - share), np.nan).astype(np.float32)
        return SignalResult(score, reasons=words(score, "grey image among coloured ones", grey), info={"share": share})


SIGNALS.register(ImageGrayscale.name)(ImageGrayscale())
