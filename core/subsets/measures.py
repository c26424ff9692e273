"""What a subset costs and gains, in numbers that need no training."""

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
    """Cosine distances from every sample of the pool to the nearest chosen one. radius : the largest; p95 : the 95th
    percentile; mean : over all, the chosen themselves at 0.
    """

    radius: float
    p95: float
    mean: float


def coverage(vectors: NDArray[Any], pool: Bool, rows: Int64, graph: Neighbors | None = None) -> Coverage:
    """How far the pool is from the subset.

    Formula: max, 95th percentile and mean over i in the pool of min_{j∈S} (1 − cos(z_i, z_j)). Exact: the nearest chosen
    neighbour in ``graph`` (where it holds exact neighbours) is the nearest chosen sample; who has none there is compared
    with all. Source: the covering radius of k-center, Sener and Savarese (2018).

    Parameters
    ----------
    vectors
        (n, d) unit rows, any float (may be memory-mapped).
    pool
        (n,) bool.
    rows
        (m,) the subset; none = NaN.
    """
    if not len(rows) or not pool.any():
        return Coverage(float("nan"), float("nan"), float("nan"))
    inside = np.zeros(len(pool), bool)
    inside[rows] = True
    away = np.full(len(pool), np.inf, np.float32)
    if graph is not None:
        index = graph.indices
        there = (index >= 0) & inside[np.maximum(index, 0)]
        first = np.argmax(there, axis=1)
        found = there[np.arange(len(first)), first]
        away[found] = graph.distances[np.arange(len(first)), first][found]
    away[inside] = 0.0
    lost = np.flatnonzero(pool & ~np.isfinite(away))
    chosen = np.ascontiguousarray(vectors[rows], np.float32)
    for start in range(0, len(lost), 512):
        mine = lost[start : start + 512]
        away[mine] = np.maximum(1.0 - (np.asarray(vectors[mine], np.float32) @ chosen.T).max(1), 0.0)
    d = away[pool]
    return Coverage(float(d.max()), float(np.quantile(d, 0.95)), float(d.mean()))


def vendi(vectors: Float32, rows: Int64, limit: int = 20_000, seed: int = 0) -> float:
    """The effective number of different samples.

    Formula: exp(−Σ λ_i ln λ_i) with λ the eigenvalues of K/m, K = cosine similarities; they are those of ZᵀZ/m. Above
    ``limit`` rows a random part is looked at (the score has long levelled off by then).
    Source: Friedman and Dieng (2023), "The Vendi score: a diversity evaluation metric for machine learning", TMLR.
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
    """The effective number of different things that training on the subset would teach.

    Formula: Vendi score over the gradients of the probe's loss, g_i = (p_i − onehot(y_i)) ⊗ z_i at unit length, whose kernel is
    the product of two cosine kernels. A random part of at most ``limit`` labelled rows: compare subsets at the same limit.
    Source: Jung et al. (2025), "Prismatic synthesis: gradient-based data diversification boosts generalization" (G-Vendi).
    """
    rows = rows[labels[rows] >= 0]
    if not len(rows):
        return 0.0
    if len(rows) > limit:
        rows = np.random.default_rng(seed).choice(rows, limit, replace=False)
    e = probs[rows].astype(np.float64)
    there = labels[rows] < e.shape[1]
    e[np.flatnonzero(there), labels[rows][there]] -= 1.0
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
    """One class's or group's part of the pool and of the subset. before, after : in [0, 1]; count : in the subset. shifted : the
    share changed by more than a tenth of itself and by more than chance (Wilson, 95%, over all of them).
    """

    name: str
    size: int
    count: int
    before: float
    after: float
    shifted: bool


def share_table(codes: Int32, names: Sequence[str], pool: Bool, rows: Int64) -> list[Share]:
    """Shares before and after, in the order of ``names``; codes of −1 are left out."""
    inside = codes[np.flatnonzero(pool)]
    chosen = codes[rows]
    whole = np.bincount(inside[inside >= 0], minlength=len(names))
    part = np.bincount(chosen[chosen >= 0], minlength=len(names))
    before = whole / max(int(whole.sum()), 1)
    after = part / max(int(part.sum()), 1)
    low, high = wilson(part, np.full(len(names), int(part.sum())), max(len(names), 1))
    moved = ((before < low) | (before > high)) & (np.abs(after - before) > 0.1 * before)
    return [
        Share(name, int(whole[i]), int(part[i]), float(before[i]), float(after[i]), bool(moved[i]))
        for i, name in enumerate(names)
        if whole[i] or part[i]
    ]
