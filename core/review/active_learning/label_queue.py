"""Which samples to label next: those that stand for many others which are still in doubt.

One objective serves from the first label to the last. Every sample of a random part of the dataset is *covered* by the
labelled sample most like it, and counts as much as it is in doubt; the next sample to label is the one that covers most
of what is not covered yet. Before any label all are equally in doubt, and the first samples are the centres of the
dense regions; later, regions where the models agree no longer count.
"""

from __future__ import annotations

import heapq
from typing import cast

import numpy as np

from ...types import Bool, Float32, Int64

CANDIDATES = 2_500
"""Samples that stand for the dataset; the next ones are chosen among those of them that are open."""
AHEAD = 60
"""Samples whose order is chosen one by one; the others follow by doubt."""


def doubt(probs: Float32) -> Float32:
    """(m,) in [0, 1]: one less the margin between the two likeliest classes.

    Parameters
    ----------
    probs
        (m, C) probability of each class.

    References
    ----------
    Scheffer et al., "Active Hidden Markov Models for Information Extraction", 2001 (margin).
    """
    if probs.shape[1] < 2:
        return np.ones(len(probs), np.float32)
    top = np.partition(probs, -2, axis=1)[:, -2:]
    return cast("Float32", np.clip(1.0 - (top[:, 1] - top[:, 0]), 0.0, 1.0).astype(np.float32))


def next_samples(features: Float32, labelled: Int64, open_: Bool, in_doubt: Float32, ahead: int, seed: int) -> Int64:
    """Rows to label next, the most useful first.

    Parameters
    ----------
    features
        (n, r) unit rows; a row of zeros is never chosen.
    labelled
        Rows that have a label.
    open_
        (n,) bool, which rows may be chosen.
    in_doubt
        (n,) in [0, 1].
    ahead
        How many rows are wanted at most.
    seed
        Draws the candidates.

    Returns
    -------
    ndarray
        (≤ ahead,) int64 rows: the first :data:`AHEAD` greedily, then by doubt.

    Notes
    -----
    Greedy maximisation of Σ_i u_i · max(0, max_{j ∈ chosen} s_ij − max_{j ∈ labelled} s_ij), with u the doubt and
    s_ij = max(0, cos)²: facility location, which is submodular, so that greedy choice is within 1 − 1/e of the best and
    gains can be kept in a heap.

    References
    ----------
    Wei, Iyer and Bilmes, "Submodularity in Data Subset Selection and Active Learning", ICML 2015.
    Hacohen, Dekel and Weinshall, "Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets", ICML
    2022 (typical samples first).
    """
    free = np.flatnonzero(open_ & features.any(1))
    if not len(free) or ahead < 1:
        return free[:0]
    rng = np.random.default_rng([seed, len(labelled)])
    chosen_from = free if len(free) <= CANDIDATES else np.sort(rng.choice(free, CANDIDATES, replace=False))
    x = np.asarray(features[chosen_from], np.float32)
    weight = in_doubt[chosen_from].astype(np.float32) + 1e-6
    covered = np.zeros(len(x), np.float32)
    for start in range(0, len(labelled), 4_096):
        anchors = np.asarray(features[labelled[start : start + 4_096]], np.float32)
        covered = np.maximum(covered, (x @ anchors.T).max(1))
    similarity = np.square(np.maximum(x @ x.T, 0.0))
    first = _cover(similarity, np.square(covered), weight, min(ahead, AHEAD))
    if ahead <= len(first):
        return chosen_from[first]
    taken = chosen_from[first]
    rest = np.setdiff1d(free, taken, assume_unique=True)
    order = np.argsort(-in_doubt[rest], kind="stable")[: ahead - len(taken)]
    return np.concatenate([taken, rest[order]])


def _cover(similarity: Float32, covered: Float32, weight: Float32, count: int) -> list[int]:
    """Columns that add most to what is covered, one after the other (lazy greedy)."""
    gains = weight @ np.maximum(similarity - covered[:, None], 0.0)
    heap = [(-float(g), j) for j, g in enumerate(gains)]
    heapq.heapify(heap)
    out: list[int] = []
    current = np.array(covered)
    stale = np.zeros(len(gains), np.int64)
    while heap and len(out) < count:
        _, j = heapq.heappop(heap)
        if stale[j] < len(out):
            stale[j] = len(out)
            heapq.heappush(heap, (-float(weight @ np.maximum(similarity[:, j] - current, 0.0)), j))
            continue
        out.append(j)
        current = np.maximum(current, similarity[:, j])
    return out
