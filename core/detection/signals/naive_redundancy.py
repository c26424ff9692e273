"""Redundancy: dense neighbourhoods of one label."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._label_math import percentile_rank, scored
from .base import SIGNALS


class NaiveRedundancy:
    """Agreement of the neighbourhood, times its density as a percentile.

    Formula: a · r with a the share of the 15 nearest neighbours that carry the given label and r the rank of −(mean distance
    to them).

    Source: SemDeDup-like redundancy and D2 pruning, Maharana et al. (ICLR 2024), as a density on the neighbour graph.
    """

    name: ClassVar[str] = "naive_redundancy"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.NAIVE
    title: ClassVar[str] = "Many alike"
    explain: ClassVar[str] = "Its neighbourhood is dense and all of its own label."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.LABEL_NEIGHBORS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        graph = inputs.label_neighbors
        assert graph is not None
        index, distance = graph.indices[:, :15], graph.distances[:, :15]
        there = (index >= 0) & np.isfinite(distance)
        safe = np.where(there, index, 0)
        there &= inputs.ok[safe] & (inputs.labels[safe] >= 0)
        count = there.sum(1)
        where = inputs.labelled & (count > 0)
        agree = ((inputs.labels[safe] == inputs.labels[:, None]) & there).sum(1) / np.maximum(count, 1)
        near = -np.where(there, distance, 0.0).sum(1) / np.maximum(count, 1)
        score = agree * np.nan_to_num(percentile_rank(near.astype(np.float32), where))
        return SignalResult(scored(inputs, score, where))


SIGNALS.register(NaiveRedundancy.name)(NaiveRedundancy())
