"""Match of a caption with its image."""

from __future__ import annotations

from ...types import Float32, Input, SignalInputs
from ._match import PairSignal, Rows, cosines
from .base import SIGNALS


class MatchCosine(PairSignal):
    """Distance of the image and its caption in the joint space.

    Notes
    -----
    Formula: (1 − cos(x, t)) / 2.

    References
    ----------
    Radford et al., CLIP (ICML 2021); filtering by it: Schuhmann et al., LAION-400M (2021).
    """

    name = "match_cosine"
    title = "Caption far from image"
    explain = "The encoder finds little in common between the image and its caption."
    requires = frozenset({Input.VECTORS, Input.CAPTIONS})

    def mismatch(self, inputs: SignalInputs, rows: Rows) -> Float32:
        """Half of the cosine distance."""
        return (1.0 - cosines(inputs, rows, rows)) / 2.0


SIGNALS.register(MatchCosine.name)(MatchCosine())
