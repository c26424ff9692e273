"""Arithmetic that signals, the probe and the evidence share. Arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..types import Bool, Float32, Int32, Neighbors, SignalInputs

MANY_CLASSES = 1000
"""Above this many classes, tables of n × C and C × C numbers are weighed against what they say."""


def softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """Softmax of each row of (n, C) logits; the same dtype."""
    e = np.asarray(logits - logits.max(1, keepdims=True))
    np.exp(e, out=e)
    e /= e.sum(1, keepdims=True)
    return e


def unit_rows(vectors: NDArray[Any]) -> NDArray[Any]:
    """(n, d) rows divided by their length (at least 1e-9); the same dtype."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9))


def own_and_rest(probs: Float32, labels: Int32) -> tuple[Float32, Float32, Int32]:
    """p_y, max_{k≠y} p_k and that k, each (n,), for probabilities (n, C); labels −1 are read as 0."""
    rows = np.arange(len(labels))
    given = np.maximum(labels, 0)
    rest = probs.copy()
    rest[rows, given] = -1.0
    other = rest.argmax(1).astype(np.int32)
    return probs[rows, given], np.maximum(rest[rows, other], 0.0), other


def usable_neighbors(graph: Neighbors, usable: Bool, k: int) -> tuple[Int32, Float32, Bool]:
    """The first k neighbours: their rows (0 for none), their distances, and which of them can be used, each (n, k')."""
    index, distance = graph.indices[:, :k], graph.distances[:, :k]
    exists = (index >= 0) & np.isfinite(distance)
    rows = np.where(exists, index, 0)
    return rows, distance, exists & usable[rows]


def votes(graph: Neighbors, labels: Int32, ok: Bool, classes: int, k: int = 50, prior: float = 1.0) -> Float32:
    """(n, C) float32, weighted share of every label among the k nearest neighbours; rows sum to 1.

    Parameters
    ----------
    graph
        Neighbours of n samples.
    labels
        (n,) class codes, −1 = none.
    ok
        (n,) readable rows; only readable, labelled neighbours vote.
    classes
        Number of classes C.
    k
        Number of neighbours.
    prior
        Number of votes that are spread by label frequency.

    Notes
    -----
    A vote weighs exp(−d / d̄), d̄ the mean distance to the tenth (or last) neighbour over the whole graph, so that a
    weight does not depend on the row order.
    """
    n = len(labels)
    given = ok & (labels >= 0)
    near, weight = _weighted_voters(graph, given, k)
    frequency = np.bincount(labels[given], minlength=classes).astype(np.float64) + 1e-3
    share = np.empty((n, classes), np.float32)
    share[:] = prior * frequency / frequency.sum()
    voter, place = np.nonzero(weight)
    np.add.at(share, (voter, labels[near[voter, place]]), weight[voter, place])
    share /= share.sum(1, keepdims=True)
    return share


def vote_contest(graph: Neighbors, labels: Int32, ok: Bool, classes: int, k: int) -> tuple[Float32, Float32, Int32]:
    """v_y, max_{k≠y} v_k and that k, each (n,), for the shares v of :func:`votes`, in memory n · k and not n · C.

    Where there is no label, v_y is 0 and k the class with the most votes. Where no other class has votes, k is the most
    frequent one.
    """
    given = ok & (labels >= 0)
    near, weight = _weighted_voters(graph, given, k)
    frequency = np.bincount(labels[given], minlength=classes).astype(np.float64) + 1e-3
    prior = (frequency / frequency.sum()).astype(np.float32)
    voter, place = np.nonzero(weight)
    cell, where = np.unique(voter * np.int64(classes) + labels[near[voter, place]], return_inverse=True)
    row, code = np.divmod(cell, classes)
    share = np.bincount(where, weights=weight[voter, place], minlength=len(cell)) + prior[code]
    mine = code == labels[row]
    own = np.where(labels >= 0, prior[np.maximum(labels, 0)], 0.0)
    own[row[mine]] = share[mine]
    first, second = np.argsort(-prior, kind="stable")[:2] if classes > 1 else (0, 0)
    other = np.where(labels == first, second, first).astype(np.int32)
    rest = prior[other].astype(np.float64)
    row, code, share = row[~mine], code[~mine], share[~mine]
    order = np.lexsort((-code, share, row))  # the last of a row has the most votes, of equals the lowest code
    last = order[np.flatnonzero(np.diff(row[order], append=-1))]
    better = last[share[last] >= rest[row[last]]]
    other[row[better]], rest[row[better]] = code[better], share[better]
    total = 1.0 + weight.sum(1)
    return (own / total).astype(np.float32), (rest / total).astype(np.float32), other


def neighbor_contest(inputs: SignalInputs) -> tuple[Float32, Float32, Int32]:
    """:func:`vote_contest` of the graph for labels, computed once per inputs.

    As many neighbours vote as a class has samples on average, at least 2 and at most 50: beyond them, two distant
    samples of one class would outvote the only other sample of the own one.
    """
    graph = inputs.label_neighbors
    assert graph is not None
    given = inputs.labels[inputs.labelled]
    k = int(np.clip(np.rint(len(given) / max(len(np.unique(given)), 1)), 2, 50))
    return inputs.cache.get(
        "neighbor contest", lambda: vote_contest(graph, inputs.labels, inputs.ok, inputs.n_classes, k)
    )


def _weighted_voters(graph: Neighbors, given: Bool, k: int) -> tuple[Int32, Float32]:
    """The first k neighbours and the weights of their votes, (n, k') each; 0 for those that do not vote."""
    near, distance, votes_cast = usable_neighbors(graph, given, k)
    tenth = distance[:, min(9, max(distance.shape[1] - 1, 0))] if distance.shape[1] else np.zeros(0, np.float32)
    tenth = tenth[np.isfinite(tenth)]
    yardstick = float(np.mean(tenth, dtype=np.float64)) if len(tenth) else 1.0
    weight = np.exp(-np.where(votes_cast, distance, 0.0) / max(yardstick, 1e-6)).astype(np.float32)
    return near, np.where(votes_cast, weight, np.float32(0))


def row_blocks(n: int, columns: int) -> Iterator[slice]:
    """Slices that cover n rows, so that a table of ``columns`` numbers for each holds at most 2²⁴ at a time."""
    step = max(1, (1 << 24) // max(columns, 1))
    return (slice(start, min(n, start + step)) for start in range(0, n, step))


def class_sums(vectors: Float32, labels: Int32, where: Bool, classes: int) -> tuple[Float32, Float32]:
    """Sums (C, d) and counts (C,) of the rows of every class."""
    sums = np.zeros((classes, vectors.shape[1]), np.float64)
    np.add.at(sums, labels[where], vectors[where])
    return sums.astype(np.float32), np.bincount(labels[where], minlength=classes).astype(np.float32)


def own_class_cosine(vectors: Float32, labels: Int32, sums: Float32) -> Float32:
    """(n,) cosine of each unit row with the mean of its class without the row; ``sums`` of :func:`class_sums`."""
    others = sums[np.maximum(labels, 0)] - vectors
    return np.asarray((others * vectors).sum(1) / np.maximum(np.linalg.norm(others, axis=1), 1e-9), np.float32)


def percentile_rank(values: NDArray[Any], where: Bool) -> Float32:
    """Share of scored rows that are lower (ties share the middle), in [0, 1]; NaN outside ``where``."""
    out = np.full(len(values), np.nan, np.float32)
    v = values[where]
    if len(v):
        ordered = np.sort(v)
        low, high = np.searchsorted(ordered, v, "left"), np.searchsorted(ordered, v, "right")
        out[where] = (low + high) / (2 * len(v))
    return out


def tukey_fence(values: NDArray[Any], least: float) -> tuple[Any, float]:
    """The median of (m,) values, and how far from it they are odd: three interquartile ranges, ``least`` at least.

    References
    ----------
    Tukey (1977), "Exploratory Data Analysis": the outer fences.
    """
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return middle, max(3.0 * float(high - low), least)
