"""Easiness by the least convinced view."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._label_math import nothing, scored
from .base import SIGNALS


class NaiveConsensus:
    """Probability of the given label in the view that believes it least.

    Formula: min over views v of p_v,y, averaged with the consensus p_y.

    Source: agreement of independent views, Blum & Mitchell (COLT 1998).
    """

    name: ClassVar[str] = "naive_consensus"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.NAIVE
    title: ClassVar[str] = "Easy for every view"
    explain: ClassVar[str] = "Every view of the sample is sure of its label."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.BELIEFS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        beliefs = inputs.beliefs
        assert beliefs is not None
        if beliefs.probs.shape[1] < 2:
            return nothing(inputs, "only one class")
        given = np.maximum(inputs.labels, 0)
        rows = np.arange(inputs.n)
        consensus = beliefs.probs[rows, given]
        least = np.minimum.reduce([consensus, *(p[rows, given] for p in beliefs.extra_probs.values())])
        return SignalResult(scored(inputs, (consensus + least) / 2))


SIGNALS.register(NaiveConsensus.name)(NaiveConsensus())
