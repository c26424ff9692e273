"""Rare is not noisy: small coherent groups in the middle of another class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from ...types import Bool, Int32, Neighbors

NEAREST = 5
_CHANCE = 0.02
_COPY = 0.1
"""Neighbours nearer than this share of the usual nearest distance are copies, which repeat a label, not support it."""


def locally_supported(labels: Int32, known: Bool, graph: Neighbors | None) -> tuple[Bool, NDArray[np.int64]]:
    """Samples whose label is that of most of the five nearest although the wider neighbourhood has another.

    A group of a few right labels deep in another class looks wrong to every model that saw only part of the group.
    Noise differs in that it is spread: the nearest five carry the label as rarely as the wider neighbourhood does.

    Parameters
    ----------
    labels
        (n,) int32 class codes, −1 = none.
    known
        (n,) bool, readable and labelled.
    graph
        Neighbours in the half-whitened space; None = no sample is supported.

    Returns
    -------
    supported : (n,) bool
        More than half of the nearest five carry the label, and chance would give as many in less than 2% of cases.
    agree : (n,) int64
        How many of the nearest five carry the label.

    Notes
    -----
    Chance is binomial with the share q = (a + ½)/(m + 1), a the number of the m farther neighbours with the label.
    """
    n = len(labels)
    if graph is None or graph.k <= NEAREST:
        return np.zeros(n, bool), np.zeros(n, np.int64)
    index, distance = np.asarray(graph.indices), np.asarray(graph.distances)
    counted = (index >= 0) & known[np.maximum(index, 0)]
    first = distance[:, 0][counted[:, 0]]
    counted &= distance > _COPY * (float(np.median(first)) if len(first) else 0.0)
    same = counted & (labels[np.maximum(index, 0)] == labels[:, None])
    near = counted & (np.cumsum(counted, axis=1) <= NEAREST)
    number, agree = near.sum(1), (same & near).sum(1)
    share = (same.sum(1) - agree + 0.5) / (counted.sum(1) - number + 1.0)
    chance = binom.sf(agree - 1, number, np.minimum(share, 1.0))
    return np.asarray(known & (agree * 2 > number) & (chance < _CHANCE), bool), agree
