"""Measures of a subset that need no training: coverage, diversity, shares of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..detection.dataset_checks.base import wilson
from ..types import Bool, Float32, Int32, Int64, Neighbors


@dataclass(frozen=True)
class Coverage:
    """Cosine distances from every sample of the pool to the nearest selected one.

    Attributes
    ----------
    radius
        The largest.
    p95
        The 95th percentile.
    mean
        The mean; selected samples have distance 0.
    """

    radius: float
    p95: float
    mean: float


def coverage(vectors: NDArray[Any], pool: Bool, rows: Int64, graph: Neighbors | None = None) -> Coverage:
    """Distances from the pool to the subset.

    Parameters
    ----------
    vectors
        (n, d) unit rows, any float (may be memory-mapped).
    pool
        (n,) bool.
    rows
        (m,) the subset; an empty one gives NaN.
    graph
        Neighbours on cosine distance, to save comparisons.

    Notes
    -----
    Maximum, 95th percentile and mean over i in the pool of min_{j∈S} (1 − cos(z_i, z_j)). Exact where ``graph`` is: the
    nearest selected neighbour is the nearest selected sample; a sample without one is compared with the whole subset.

    References
    ----------
    Sener and Savarese (2018), "Active learning for convolutional neural networks: a core-set approach", ICLR (covering
    radius).
    """
    if not len(rows) or not pool.any():
        return Coverage(float("nan"), float("nan"), float("nan"))
    inside = np.zeros(len(pool), bool)
    inside[rows] = True
    distance = np.full(len(pool), np.inf, np.float32)
    if graph is not None:
        index = graph.indices
        selected = (index >= 0) & inside[np.maximum(index, 0)]
        first = np.argmax(selected, axis=1)
        known = selected[np.arange(len(first)), first]
        distance[known] = graph.distances[np.arange(len(first)), first][known]
    distance[inside] = 0.0
    unknown = np.flatnonzero(pool & ~np.isfinite(distance))
    subset = np.ascontiguousarray(vectors[rows], np.float32)
    for start in range(0, len(unknown), 512):
        block = unknown[start : start + 512]
        distance[block] = np.maximum(1.0 - (np.asarray(vectors[block], np.float32) @ subset.T).max(1), 0.0)
    d = distance[pool]
    return Coverage(float(d.max()), float(np.quantile(d, 0.95)), float(d.mean()))


def vendi(vectors: Float32, rows: Int64, limit: int = 20_000, seed: int = 0) -> float:
    """Vendi score: the effective number of different samples, in [1, m]; 0 for none.

    Notes
    -----
    exp(−Σ λ_i ln λ_i) with λ the eigenvalues of K/m, K = cosine similarities; they are those of ZᵀZ/m. Above ``limit``
    rows it is computed on a random part (the score has levelled off by then).

    References
    ----------
    Friedman and Dieng (2023), "The Vendi score: a diversity evaluation metric for machine learning", TMLR.
    """
    if not len(rows):
        return 0.0
    if len(rows) > limit:
        rows = np.random.default_rng(seed).choice(rows, limit, replace=False)
    z = np.ascontiguousarray(vectors[rows], np.float32)
    return _exp_entropy((z.T @ z).astype(np.float64) if len(z) > z.shape[1] else (z @ z.T).astype(np.float64))


def gradient_vendi(
    vectors: Float32, probs: Float32, labels: Int32, rows: Int64, limit: int = 1000, seed: int = 0
) -> float:
    """G-Vendi: the effective number of different loss gradients of the subset.

    Notes
    -----
    Vendi score over the gradients of the probe's loss, g_i = (p_i − onehot(y_i)) ⊗ z_i at unit length, whose kernel is
    the product of two cosine kernels. Computed on a random part of at most ``limit`` labelled rows: compare subsets at
    the same limit.

    References
    ----------
    Jung et al. (2025), "Prismatic synthesis: gradient-based data diversification boosts generalization in LLM
    reasoning".
    """
    rows = rows[labels[rows] >= 0]
    if not len(rows):
        return 0.0
    if len(rows) > limit:
        rows = np.random.default_rng(seed).choice(rows, limit, replace=False)
    e = probs[rows].astype(np.float64)
    known = labels[rows] < e.shape[1]
    e[np.flatnonzero(known), labels[rows][known]] -= 1.0
    e /= np.maximum(np.linalg.norm(e, axis=1, keepdims=True), 1e-12)
    z = vectors[rows].astype(np.float64)
    return _exp_entropy((e @ e.T) * (z @ z.T))


def _exp_entropy(gram: NDArray[np.float64]) -> float:
    values = np.linalg.eigvalsh(gram)
    values = np.maximum(values, 0.0)
    total = values.sum()
    if total <= 0:
        return 0.0
    values = values[values > 1e-12 * total] / total
    return float(np.exp(-(values * np.log(values)).sum()))


@dataclass(frozen=True)
class Share:
    """Share of one class or group in the pool and in the subset.

    Attributes
    ----------
    name
        Of the class or group.
    size, count
        Number of samples in the pool and in the subset.
    before, after
        Shares of the pool and of the subset, in [0, 1].
    shifted
        Whether the share changed by more than a tenth of itself and by more than chance (Wilson interval at 95%,
        corrected for the number of classes).
    """

    name: str
    size: int
    count: int
    before: float
    after: float
    shifted: bool


def share_table(codes: Int32, names: Sequence[str], pool: Bool, rows: Int64) -> list[Share]:
    """Shares before and after, in the order of ``names``; codes of −1 are left out."""
    in_pool, in_subset = codes[pool], codes[rows]
    size = np.bincount(in_pool[in_pool >= 0], minlength=len(names))
    count = np.bincount(in_subset[in_subset >= 0], minlength=len(names))
    before = size / max(int(size.sum()), 1)
    after = count / max(int(count.sum()), 1)
    low, high = wilson(count, np.full(len(names), int(count.sum())), max(len(names), 1))
    shifted = ((before < low) | (before > high)) & (np.abs(after - before) > 0.1 * before)
    return [
        Share(name, int(size[i]), int(count[i]), float(before[i]), float(after[i]), bool(shifted[i]))
        for i, name in enumerate(names)
        if size[i] or count[i]
    ]
