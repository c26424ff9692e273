"""Difficulty by the consensus of all views."""

from __future__ import annotations

import numpy as np

from ...types import Float32, Kind, SignalInputs, SignalResult
from ..arithmetic import own_and_rest
from ._labels import ConsensusSignal, clipped
from .base import SIGNALS


class HardConsensus(ConsensusSignal):
    """How little the views together believe the label; for a label that looks wrong, the likeliest one stands in.

    Notes
    -----
    Formula: 1 − p_r with r = y, or argmax p where p_y < ½ · max p (so that label noise does not read as difficulty).

    References
    ----------
    C-score proxies, Jiang et al., "Characterizing Structural Regularities" (ICML 2021).
    """

    name = "hard_consensus"
    kind = Kind.HARD
    title = "Mean disbelief (C-score proxy)"
    explain = "The label views together give little probability to the label."

    def result(self, inputs: SignalInputs, probs: Float32) -> SignalResult:
        """Score the labelled samples."""
        own, rest, _ = own_and_rest(probs, inputs.labels)
        return SignalResult(clipped(inputs, 1.0 - np.where(own < 0.5 * rest, rest, own)))


SIGNALS.register(HardConsensus.name)(HardConsensus())
