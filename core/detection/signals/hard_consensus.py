"""Difficulty by the consensus of all views."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._label_math import nothing, own_and_rest, scored
from .base import SIGNALS


class HardConsensus:
    """How little the views, taken together, believe the label; for labels that look wrong, the likeliest one stands in.

    Formula: 1 − p_r with r = y, or argmax p where p_y < ½ · max p (so that label noise does not read as difficulty).

    Source: C-score proxies, Jiang et al., "Characterizing Structural Regularities" (ICML 2021).
    """

    name: ClassVar[str] = "hard_consensus"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.HARD
    title: ClassVar[str] = "Hard for every view"
    explain: ClassVar[str] = "No view of the sample is sure, whatever the label."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.BELIEFS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        beliefs = inputs.beliefs
        assert beliefs is not None
        if beliefs.probs.shape[1] < 2:
            return nothing(inputs, "only one class")
        own, rest, _ = own_and_rest(beliefs.probs, inputs.labels)
        return SignalResult(scored(inputs, 1.0 - np.where(own < 0.5 * rest, rest, own)))


SIGNALS.register(HardConsensus.name)(HardConsensus())
