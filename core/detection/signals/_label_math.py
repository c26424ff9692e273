"""Small pieces of arithmetic that label signals share. Arrays in, arrays out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...types import Bool, Float32, Int32, Neighbors, SignalInputs, SignalResult


def own_and_rest(probs: Float32, labels: Int32) -> tuple[Float32, Float32, Int32]:
    """p_y, max_{k≠y} p_k and that k, each (n,), for probabilities (n, C); labels −1 are read as 0."""
    rows = np.arange(len(labels))
    given = np.maximum(labels, 0)
    rest = probs.copy()
    rest[rows, given] = -1.0
    other = rest.argmax(1).astype(np.int32)
    return probs[rows, given], np.maximum(rest[rows, other], 0.0), other


def nothing(inputs: SignalInputs, why: str) -> SignalResult:
    """A result that scores no sample, and says why."""
    return SignalResult(np.full(inputs.n, np.nan, np.float32), info={"skipped": why})


def scored(inputs: SignalInputs, score: NDArray[Any], where: Bool | None = None) -> Float32:
    """Clip to [0, 1], float32, NaN outside ``where`` (default: readable and labelled)."""
    keep = inputs.labelled if where is None else where
    out = np.where(keep, np.clip(score, 0.0, 1.0), np.nan).astype(np.float32)
    return out


def disbelief(inputs: SignalInputs, probs: Float32) -> SignalResult:
    """1 − p_y, and the likeliest other label as the suggestion."""
    if probs.shape[1] < 2:
        return nothing(inputs, "only one class")
    own, _, other = own_and_rest(probs, inputs.labels)
    keep = inputs.labelled
    return SignalResult(scored(inputs, 1.0 - own), suggestion=np.where(keep, other, -1).astype(np.int32))


def neighbor_weights(graph: Neighbors, labels: Int32, ok: Bool, k: int) -> tuple[Int32, Float32]:
    """Labels (n, k') of the first k neighbours, −1 where there is none, and weights exp(−d / d̄), 0 there.

    d̄ is the mean distance to the tenth (or last) neighbour: a yardstick of the whole graph, so that a weight does
    not depend on the row order.
    """
    index, distance = graph.indices[:, :k], graph.distances[:, :k]
    there = (index >= 0) & np.isfinite(distance)
    safe = np.where(there, index, 0)
    there &= ok[safe] & (labels[safe] >= 0)
    tenth = distance[:, min(9, max(distance.shape[1] - 1, 0))] if distance.shape[1] else np.zeros(0, np.float32)
    tenth = tenth[np.isfinite(tenth)]
    yardstick = float(np.mean(tenth, dtype=np.float64)) if len(tenth) else 1.0
    weight = np.exp(-np.where(there, distance, 0.0) / max(yardstick, 1e-6)) * there
    return np.where(there, labels[safe], -1).astype(np.int32), weight.astype(np.float32)


def votes(graph: Neighbors, labels: Int32, ok: Bool, classes: int, k: int = 50, prior: float = 1.0) -> Float32:
    """(n, C) weighted share of every label among the neighbours, with ``prior`` votes spread by label frequency."""
    codes, weight = neighbor_weights(graph, labels, ok, k)
    n = len(labels)
    have = np.bincount(labels[ok & (labels >= 0)], minlength=classes).astype(np.float64) + 1e-3
    share = np.empty((n, classes), np.float32)
    share[:] = prior * have / have.sum()
    row = np.repeat(np.arange(n), codes.shape[1])
    flat = codes.ravel()
    seen = flat >= 0
    np.add.at(share, (row[seen], flat[seen]), weight.ravel()[seen])
    share /= share.sum(1, keepdims=True)
    return share


def class_means(vectors: Float32, labels: Int32, where: Bool, classes: int) -> tuple[Float32, Float32]:
    """Sums (C, d) and counts (C,) of the rows of every class."""
    sums = np.zeros((classes, vectors.shape[1]), np.float64)
    np.add.at(sums, labels[where], vectors[where])
    return sums.astype(np.float32), np.bincount(labels[where], minlength=classes).astype(np.float32)


def percentile_rank(values: NDArray[Any], where: Bool) -> Float32:
    """Share of scored rows that are lower (ties share the middle), in [0, 1]; NaN outside ``where``."""
    out = np.full(len(values), np.nan, np.float32)
    v = values[where]
    if len(v):
        ordered = np.sort(v)
        low, high = np.searchsorted(ordered, v, "left"), np.searchsorted(ordered, v, "right")
        out[where] = (low + high) / (2 * len(v))
    return out


def otsu(values: NDArray[Any], bins: int = 256) -> float:
    """The cut that best separates values into two groups: the largest between-group variance (Otsu 1979)."""
    v = np.asarray(values, np.float64)
    if len(v) == 0 or float(v.max()) <= float(v.min()):
        return float(v[0]) if len(v) else 0.0
    count, edge = np.histogram(v, bins=bins)
    middle = (edge[1:] + edge[:-1]) / 2
    low = np.cumsum(count)
    high = low[-1] - low
    mass = np.cumsum(count * middle)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = low * high * (mass / low - (mass[-1] - mass) / high) ** 2
    return float(edge[1 + int(np.nanargmax(np.nan_to_num(between[:-1])))])
