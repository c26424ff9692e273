"""Copies across splits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...types import Bool, Input, Kind, SignalInputs, SignalResult
from ._pairs import first_equal, same_text
from ._texts import emptiness
from .base import SIGNALS, BaseSignal

_NEAREST = 5


class SplitLeak(BaseSignal):
    """How near the nearest sample of another split is: a model would be tested on what it was trained on.

    Notes
    -----
    Formula: 1 where a sample of another split has the same pixels or text; else max(0, 1 − d/d̄)², d the cosine distance
    to the nearest of its five neighbours in another split, d̄ the median distance to the tenth neighbour. Samples
    without a split are not scored. ``partner`` is that sample.

    References
    ----------
    Train/test overlap by nearest neighbours, Barz and Denzler (2020), "Do we train on test data? Purging CIFAR
    of near-duplicates", J. Imaging 6(6):41.
    """

    name = "split_leak"
    kind = Kind.DUPLICATE
    title = "Leakage across splits"
    explain = "A sample of another split is nearly the same."
    requires = frozenset({Input.SPLIT, Input.NEIGHBORS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the samples."""
        graph, split = inputs.neighbors, inputs.split
        assert graph is not None
        assert split is not None
        usable = inputs.ok & (split >= 0)
        score = np.where(usable, 0.0, np.nan).astype(np.float32)
        partner = np.full(inputs.n, -1, np.int32)
        k = min(_NEAREST, graph.k)
        near = graph.indices[:, :k]
        other = (near >= 0) & usable[:, None] & (split[np.maximum(near, 0)] >= 0)
        other &= split[np.maximum(near, 0)] != split[:, None]
        row = np.flatnonzero(other.any(axis=1))
        first = other[row].argmax(axis=1)
        closeness = 1.0 - graph.distances[row, first] / graph.typical_distance(usable)
        score[row] = np.maximum(0.0, closeness) ** 2
        partner[row] = near[row, first]
        keys, comparable = _content(inputs)
        for members in _groups(keys, comparable & (split >= 0)):
            for member in members:
                across = [m for m in members if split[m] != split[member]]
                if across:
                    score[member], partner[member] = 1.0, across[0]
        return SignalResult(score, partner=partner)


def _content(inputs: SignalInputs) -> tuple[NDArray[Any], Bool]:
    """What must be equal for two samples to be the same, and which samples have it."""
    if inputs.media is not None:
        return inputs.media.pixel_hash, (inputs.media.error == "") & (inputs.media.pixel_hash != 0)
    if inputs.texts is not None:
        return same_text(inputs.texts), emptiness(inputs.texts) == ""
    return np.zeros(inputs.n), np.zeros(inputs.n, bool)


def _groups(keys: NDArray[Any], usable: Bool) -> list[list[int]]:
    """The rows that share a key with another usable row, in row order within each group."""
    groups: dict[Any, list[int]] = {}
    for row in np.flatnonzero(first_equal(keys, usable) >= 0):
        groups.setdefault(keys[row], []).append(int(row))
    return list(groups.values())


SIGNALS.register(SplitLeak.name)(SplitLeak())
