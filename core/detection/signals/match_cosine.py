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
    title = "Image–text cosine (CLIP score)"
    explain = "The embeddings of the image and of its caption are far apart."
    requires = frozenset({Input.VECTORS, Input.CAPTIONS})

    def mismatch(self, inputs: SignalInputs, rows: Rows) -> Float32:
        """Half of the cosine distance."""
        return (1.0 - cosines(inputs, rows, rows)) / 2.0


SIGNALS.register(MatchCosine.name)(MatchCosine())
