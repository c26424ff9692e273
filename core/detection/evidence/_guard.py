"""Rare is not noisy: small groups that hold together in the middle of another class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from ...types import Bool, Int32, Neighbors

NEAREST = 5
_CHANCE = 0.02
_COPY = 0.1
"""Neighbours nearer than a tenth of the usual nearest distance are copies: they repeat a label and do not support it."""


def holds_together(labels: Int32, known: Bool, graph: Neighbors | None) -> tuple[Bool, NDArray[np.int64]]:
    """(n,) bool, whose label is that of most of the five nearest samples though the wider neighbourhood has another.

    A group of a few right labels deep in another class looks wrong to every model that saw the group only in part. What
    tells it from noise: noise is spread, so the nearest five carry the label as rarely as the wider neighbourhood does.
    A sample holds together where more than half of its nearest five carry its label, and so many would be there by chance
    (binomial, with the share q = (a + ½)/(m + 1) of the m farther neighbours in the graph) in less than 2% of cases.

    Parameters
    ----------
    labels
        (n,).
    known
        (n,) readable and labelled.
    graph
        Neighbours in the half-whitened space; None = nothing holds.

    Returns
    -------
    The mask, and (n,) how many of the nearest five carry the label.
    """
    n = len(labels)
    if graph is None or graph.k <= NEAREST:
        return np.zeros(n, bool), np.zeros(n, np.int64)
    index, distance = np.asarray(graph.indices), np.asarray(graph.distances)
    there = (index >= 0) & known[np.maximum(index, 0)]
    first = distance[:, 0][there[:, 0]]
    there &= distance > _COPY * (float(np.median(first)) if len(first) else 0.0)
    place = np.cumsum(there, axis=1)
    same = there & (labels[np.maximum(index, 0)] == labels[:, None])
    near = there & (place <= NEAREST)
    number, agree = near.sum(1), (same & near).sum(1)
    share = (same.sum(1) - agree + 0.5) / (there.sum(1) - number + 1.0)
    chance = binom.sf(agree - 1, number, np.minimum(share, 1.0))
    return np.asarray(known & (agree * 2 > number) & (chance < _CHANCE), bool), agree
