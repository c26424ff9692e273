"""Match by neighbours: similar images have other captions, similar captions have other images."""

from __future__ import annotations

from ...types import Float32, SignalInputs
from ._match import BETA, GAMMA, PairSignal, Rows, lemon
from .base import SIGNALS


class MatchNeighbors(PairSignal):
    """LEMoN: the pair's own distance, and how far its caption (image) is from those of similar images (captions).

    Notes
    -----
    Formula: (d_mm + β·s_n + γ·s_m) / (2 + 2β + 2γ), k = 5, β = γ = 5, τ1 = .1, τ2 = 5 (see :func:`._match.lemon`).

    References
    ----------
    Zhang et al. (2025), "LEMoN: Label Error Detection using Multimodal Neighbors", ICML.
    """

    name = "match_neighbors"
    title = "LEMoN"
    explain = "Similar images have other captions, and similar captions describe other images."

    def mismatch(self, inputs: SignalInputs, rows: Rows) -> Float32:
        """LEMoN's score, as a share of its maximum."""
        return lemon(inputs, rows, rows) / (2.0 + 2.0 * BETA + 2.0 * GAMMA)


SIGNALS.register(MatchNeighbors.name)(MatchNeighbors())
