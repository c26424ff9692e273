"""Redundancy: dense neighbourhoods of one label."""

from __future__ import annotations

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ..arithmetic import percentile_rank, usable_neighbors
from ._labels import clipped
from .base import SIGNALS, BaseSignal

_NEAREST = 15


class NaiveRedundancy(BaseSignal):
    """Agreement of the neighbourhood, times its density as a percentile.

    Notes
    -----
    Formula: a · r with a the share of the 15 nearest neighbours that carry the given label and r the rank of −(mean
    distance to them).

    References
    ----------
    SemDeDup-like redundancy and D2 pruning, Maharana et al. (ICLR 2024), as a density on the neighbour graph.
    """

    name = "naive_redundancy"
    kind = Kind.NAIVE
    title = "Local redundancy"
    explain = "The neighbourhood is dense and all of the same label."
    requires = frozenset({Input.LABELS, Input.LABEL_NEIGHBORS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the labelled samples with labelled neighbours."""
        assert inputs.label_neighbors is not None
        near, distance, usable = usable_neighbors(inputs.label_neighbors, inputs.labelled, _NEAREST)
        count = usable.sum(1)
        where = inputs.labelled & (count > 0)
        agree = ((inputs.labels[near] == inputs.labels[:, None]) & usable).sum(1) / np.maximum(count, 1)
        density = -np.where(usable, distance, 0.0).sum(1) / np.maximum(count, 1)
        score = agree * np.nan_to_num(percentile_rank(density.astype(np.float32), where))
        return SignalResult(clipped(inputs, score, where))


SIGNALS.register(NaiveRedundancy.name)(NaiveRedundancy())
