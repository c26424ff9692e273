"""Easiness by the least convinced view."""

from __future__ import annotations

import numpy as np

from ...types import Float32, Kind, SignalInputs, SignalResult
from ._labels import ConsensusSignal, clipped
from .base import SIGNALS


class NaiveConsensus(ConsensusSignal):
    """Probability of the given label in the view that believes it least.

    Notes
    -----
    Formula: min over views v of p_v,y, averaged with the consensus p_y.

    References
    ----------
    Agreement of independent views, Blum & Mitchell (COLT 1998).
    """

    name = "naive_consensus"
    kind = Kind.NAIVE
    title = "Agreement of label views"
    explain = "Every label view is confident in the given label."

    def result(self, inputs: SignalInputs, probs: Float32) -> SignalResult:
        """Score the labelled samples."""
        assert inputs.beliefs is not None
        cells = np.arange(inputs.n), np.maximum(inputs.labels, 0)
        consensus = probs[cells]
        least = np.minimum.reduce([consensus, *(p[cells] for p in inputs.beliefs.extra_probs.values())])
        return SignalResult(clipped(inputs, (consensus + least) / 2))


SIGNALS.register(NaiveConsensus.name)(NaiveConsensus())
