"""Match: does the caption fit the image?"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._match import cosines, there
from .base import SIGNALS


class MatchCosine:
    """Distance of the image and its caption in the joint space.

    Formula: (1 − cos(x, t)) / 2. Source: Radford et al., CLIP (ICML 2021); filtering by it: Schuhmann et al., LAION-400M (2021).
    """

    name: ClassVar[str] = "match_cosine"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.NOISY_LABEL
    title: ClassVar[str] = "Caption far from image"
    explain: ClassVar[str] = "The encoder finds little in common between the image and its caption."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.VECTORS, Input.CAPTIONS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        rows = np.flatnonzero(there(inputs))
        score = np.full(inputs.n, np.nan, np.float32)
        score[rows] = np.clip((1.0 - cosines(inputs, rows, rows)) / 2.0, 0.0, 1.0)
        return SignalResult(score)


SIGNALS.register(MatchCosine.name)(MatchCosine())
