"""The nearest neighbours of every sample, found once and shared by everything, and the space they are found in.

Two graphs are built for a dataset: one on raw cosine (duplicates, far outliers, leakage) and one on half-whitened
principal components (label disagreement, propagation, the map, clusters).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..types import Bool, Float32, Int64, Neighbors, Progress, ProgressFn, quiet
from . import _knn_search as _knn

NEIGHBORS_VERSION = 2
"""Raised when the same input gives another graph, another half-whitened space or another search index."""

_BLOCK = 8192
_FIT_ROWS = 50_000
_SLACK = 24
"""Candidates beyond k that are measured exactly: covers bfloat16's rounding and ties at the k-th place."""
_CELLS_FROM = 16_000
"""Rows from which partitioning pays. Below, every pair is looked at."""
_SAMPLE = 512
_PROMISE = 0.99
"""Least recall, measured on rows that the plan was not made on."""
_AIMS = (0.9975, 0.9995)
"""Share of true neighbours that the probed cells must hold (on the sample); the second where the first falls short."""
_WORTH = 0.5
"""Probing more than this share of all rows is slower than looking at every pair."""


@dataclass(frozen=True)
class Whitening:
    """z ← normalise(Uᵀ(x − μ) / λ^¼). projection (d, r) float32 : U/λ^¼, by falling variance. offset (r,) : Uᵀμ/λ^¼.

    With r = 0 (one sample, or identical rows: there is no direction) every row is the number one.
    """

    projection: Float32
    offset: Float32

    def __call__(self, vectors: NDArray[Any], ok: Bool) -> Float32:
        """(n, max(r, 1)) float32 unit rows of vectors (n, d), read by blocks; zeros where not ok."""
        n, rank = len(vectors), self.projection.shape[1]
        if rank == 0:
            return np.asarray(ok, np.float32)[:, None].copy()
        out = np.zeros((n, rank), np.float32)
        for start in range(0, n, _BLOCK):
            rows = slice(start, min(n, start + _BLOCK))
            z = np.asarray(vectors[rows], np.float32) @ self.projection - self.offset
            out[rows] = np.where(ok[rows, None], _unit(z), 0.0)
        return out

    def as_array(self) -> Float32:
        """(d + 1, r): the projection, its offset in the last row."""
        return np.vstack([self.projection, self.offset])

    @classmethod
    def of(cls, array: Float32) -> Whitening:
        """The inverse of :meth:`as_array`."""
        return cls(np.ascontiguousarray(array[:-1]), array[-1])


def whitening(vectors: NDArray[Any], ok: Bool, dim: int = 256, seed: int = 0) -> Whitening:
    """Fit the half-whitened space; see :func:`half_whiten`."""
    if dim < 1:
        raise ValueError(f"dim is {dim}; it must be 1 or more")
    fit = np.flatnonzero(ok)
    d = vectors.shape[1]
    if len(fit) == 0:
        return Whitening(np.zeros((d, 0), np.float32), np.zeros(0, np.float32))
    if len(fit) > _FIT_ROWS:
        fit = np.sort(np.random.default_rng(seed).choice(fit, _FIT_ROWS, replace=False))
    mean, components, variance = _principal(vectors, fit)
    rank = int(min(dim, (variance > 1e-7 * max(float(variance[0]), 1e-12)).sum()))
    projection = (components[:, :rank] / variance[:rank] ** 0.25).astype(np.float32)
    return Whitening(projection, (mean @ projection).astype(np.float32))


def half_whiten(vectors: NDArray[Any], ok: Bool, dim: int = 256, seed: int = 0) -> Float32:
    """Unit rows in half-whitened principal components: z ← normalise(Uᵀ(x − μ) / λ^¼).

    Full whitening (λ^½) drowns the signal in small directions and none lets a few large ones rule; the square
    root in between gave the best label agreement of neighbours on real encoders.

    Parameters
    ----------
    vectors
        (n, d) float16 or float32, may be memory-mapped (read by blocks).
    ok
        (n,) bool; other rows are left out of the fit and come back as zeros.
    dim
        Components kept at most, >= 1. Fewer are kept where the data has a lower rank.
    seed
        Draws the rows of the fit where there are more than 50,000.

    Returns
    -------
    (n, r) float32, r <= dim, unit rows where ``ok``. Components are in order of variance, so a lower rank is a
    prefix.

    Source: principal components with fractional whitening, compare Jégou and Chum (2012), "Negative evidences and
    co-occurrences in image retrieval: the benefit of PCA and whitening", ECCV.
    """
    return whitening(vectors, ok, dim, seed)(vectors, ok)


def build(
    vectors: NDArray[Any],
    ok: Bool,
    k: int,
    device: str = "cpu",
    seed: int = 0,
    progress: ProgressFn = quiet,
    stage: str = "neighbors",
) -> Neighbors:
    """The k nearest other samples of every sample by cosine distance 1 − cos.

    Every pair is looked at (blocked matrix products, in bfloat16 where the processor has it) up to 16,000 rows or
    on a GPU. Beyond that, rows are partitioned by k-means and each cell is compared with as many of its nearest
    cells as hold 99.6% of the true neighbours of 256 sampled rows; where that is most of the data, every pair is
    looked at after all. k + 24 candidates are measured again in float32 either way. ``recall`` is measured on another
    256 rows against exact search; where candidates by bfloat16 fall under .99, the search is repeated in float32.

    Parameters
    ----------
    vectors
        (n, d) float16 or float32, unit rows where ``ok``, may be memory-mapped.
    ok
        (n,) bool.
    k
        Neighbours wanted, >= 1.
    device
        "cpu" or a CUDA device.
    seed
        Draws sampled rows and starts k-means.

    Returns
    -------
    Neighbors : indices (n, k) int32 without self, also among identical rows; distances (n, k) float32
    ascending, ties by row number; −1 and +inf where a row is not ok or has fewer than k others.
    """
    return build_with_centres(vectors, ok, k, device, seed, progress, stage)[0]


def build_with_centres(
    vectors: NDArray[Any],
    ok: Bool,
    k: int,
    device: str = "cpu",
    seed: int = 0,
    progress: ProgressFn = quiet,
    stage: str = "neighbors",
) -> tuple[Neighbors, Float32 | None]:
    """:func:`build`, and the centres (cells, d) float32 of the partition it made, None where every pair was looked at."""
    if k < 1:
        raise ValueError(f"k is {k}; it must be 1 or more")
    n = len(vectors)
    indices = np.full((n, k), -1, np.int32)
    distances = np.full((n, k), np.inf, np.float32)
    good = np.flatnonzero(ok).astype(np.int64)
    if len(good) < 2:
        return Neighbors(indices, distances), None
    rows = _load(vectors, good)
    found, away, recall, method, centres = _search(rows, k, device, seed, progress, stage)
    indices[good] = np.where(found >= 0, good[found], -1)
    distances[good] = away
    return Neighbors(indices, distances, recall=recall, method=method), centres


def extend(old: Neighbors, before: Int64, vectors: NDArray[Any], ok: Bool, device: str = "cpu") -> Neighbors:
    """The graph of a dataset that grew a little, from the graph of its rows of before.

    New rows, and rows that lost one of their neighbours, are compared with all rows; every other row only with the new
    ones. The lists are those of a new search (as exact as ``old`` was), at a cost of (new + bereft) · n pairs.

    Parameters
    ----------
    old
        The earlier graph, in the rows of before.
    before
        (n,) int64, each row's earlier row (whose vector must be the same), −1 = new.
    vectors, ok
        As in :func:`build`.
    """
    n, k = len(vectors), old.k
    after = np.full(len(old.indices) + 1, -1, np.int32)  # the last place answers for "none"
    kept = np.flatnonzero((before >= 0) & ok)
    after[before[kept]] = kept
    indices, distances = np.full((n, k), -1, np.int32), np.full((n, k), np.inf, np.float32)
    listed = old.indices[before[kept]]
    indices[kept] = after[listed]
    distances[kept] = np.where(indices[kept] >= 0, old.distances[before[kept]], np.inf)
    bereft = kept[((listed >= 0) & (indices[kept] < 0)).any(axis=1)]
    new = np.flatnonzero((before < 0) & ok)
    good = np.flatnonzero(ok).astype(np.int64)
    asking = np.union1d(bereft, new)
    rows = _load(vectors, good)
    place = np.searchsorted(good, asking)
    keys = _knn.as_keys(rows, _knn.fast_dtype(device), device)

    def silent(_: int) -> None: ...

    if len(asking):
        m = min(len(good), k + 1 + _SLACK)
        found = _knn.search_all(_knn.as_queries(keys[torch.from_numpy(place)]), keys, m, silent)
        near, away = _knn.rerank(rows, place, found, k, silent)
        indices[asking], distances[asking] = np.where(near >= 0, good[near], -1), away
    others = np.setdiff1d(kept, bereft)
    if len(new) and len(others):
        mine, theirs = np.searchsorted(good, others), np.searchsorted(good, new)
        m = min(len(new), k + _SLACK)
        for start in range(0, len(others), _BLOCK):
            part = mine[start : start + _BLOCK]
            found = _knn.search_all(
                _knn.as_queries(keys[torch.from_numpy(part)]), keys[torch.from_numpy(theirs)], m, silent
            )
            near, away = _knn.rerank(rows, part, theirs[found], min(k, m), silent)
            who = others[start : start + _BLOCK]
            both = np.hstack([indices[who], np.where(near >= 0, good[near], -1).astype(np.int32)])
            apart = np.hstack([distances[who], away])
            order = np.lexsort((np.where(both < 0, n, both), apart), axis=1)[:, :k]
            indices[who] = np.take_along_axis(both, order, axis=1)
            distances[who] = np.take_along_axis(apart, order, axis=1)
    return Neighbors(indices, distances, recall=old.recall, method=f"{old.method.split(', extended')[0]}, extended")


def _search(
    rows: Float32, k: int, device: str, seed: int, progress: ProgressFn, stage: str
) -> tuple[NDArray[np.int32], Float32, float, str, Float32 | None]:
    n = len(rows)
    every = np.arange(n, dtype=np.int64)
    m = min(n, k + 1 + _SLACK)
    done = 0

    def tick(count: int) -> None:
        nonlocal done
        done += count
        progress(Progress(stage, min(done, n), n))

    def silent(_: int) -> None: ...

    dtype = _knn.fast_dtype(device)
    sample, truth = every[:0], every[:0]
    if dtype != torch.float32 or (device == "cpu" and n >= _CELLS_FROM):
        sample = np.sort(np.random.default_rng(seed).choice(n, min(n, 2 * _SAMPLE), replace=False)).astype(np.int64)
        full = _knn.search_all(torch.from_numpy(rows[sample]), torch.from_numpy(rows), m, silent)
        truth = _knn.rerank(rows, sample, full, min(k, n - 1), silent)[0].astype(np.int64)
    if device == "cpu" and n >= _CELLS_FROM:
        cells = _knn.partition(rows, seed)
        for aim in _AIMS:
            plan = _knn.plan(cells, sample[::2], truth[::2], aim)
            if plan.work > _WORTH:
                break
            done = 0
            candidates = _in_cells(rows, cells, plan, dtype, m, tick)
            indices, distances = _knn.rerank(rows, every, candidates, k, silent)
            recall = _recall(indices[sample[1::2]], truth[1::2])
            if recall >= _PROMISE:
                method = (
                    f"cells {plan.probes}/{len(cells.centres)}, {100 * plan.lost.mean():.1f}% of the rows everywhere"
                )
                return indices, distances, recall, method, cells.centres
    for kind in dict.fromkeys((dtype, torch.float32)):
        done = 0
        indices, distances = _knn.rerank(rows, every, _everywhere(rows, kind, device, m, tick), k, silent)
        recall = _recall(indices[sample[1::2]], truth[1::2]) if kind != torch.float32 else 1.0
        if recall >= _PROMISE:
            break
    return indices, distances, recall, "exact", None


def _everywhere(rows: Float32, dtype: torch.dtype, device: str, m: int, tick: _knn.Tick) -> Int64:
    keys = _knn.as_keys(rows, dtype, device)
    return _knn.search_all(_knn.as_queries(keys), keys, m, tick)


def _in_cells(
    rows: Float32, cells: _knn.Cells, plan: _knn.SearchPlan, dtype: torch.dtype, m: int, tick: _knn.Tick
) -> Int64:
    keys = _knn.as_keys(rows, dtype, "cpu", cells.order)
    candidates = _knn.search_cells(keys, cells, plan.probes, m, tick)
    lost = np.flatnonzero(plan.lost[cells.order])  # positions in the order of the cells
    found = _knn.search_all(_knn.as_queries(keys[torch.from_numpy(lost)]), keys, m, lambda _: None)
    candidates[cells.order[lost]] = cells.order[found]
    return candidates


def _recall(found: NDArray[np.int32], truth: Int64) -> float:
    """Share of the true neighbours (s, t) that were found (s, k >= t)."""
    if truth.size == 0:
        return 1.0
    return float((truth[:, :, None] == found[:, None, :]).any(axis=2).mean())


def _load(vectors: NDArray[Any], good: Int64) -> Float32:
    """The ok rows as contiguous float32 unit rows, read by blocks (float16 rounding is taken out of the norms)."""
    rows = np.empty((len(good), vectors.shape[1]), np.float32)
    for start in range(0, len(good), _BLOCK):
        part = good[start : start + _BLOCK]
        rows[start : start + len(part)] = _unit(np.asarray(vectors[part], np.float32))
    return rows


def _unit(rows: Float32) -> Float32:
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(norm > 1e-12, norm, 1.0), np.float32)


def _principal(
    vectors: NDArray[Any], rows: Int64
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean (d,), components (d, d) by falling variance with a fixed sign, variances (d,) of the given rows."""
    d = vectors.shape[1]
    total = np.zeros(d)
    for start in range(0, len(rows), _BLOCK):
        total += np.asarray(vectors[rows[start : start + _BLOCK]], np.float32).sum(axis=0, dtype=np.float64)
    mean = total / len(rows)
    scatter = np.zeros((d, d))
    for start in range(0, len(rows), _BLOCK):
        x = np.asarray(vectors[rows[start : start + _BLOCK]], np.float32) - mean.astype(np.float32)
        scatter += x.T @ x
    variance, components = np.linalg.eigh(scatter / len(rows))
    variance, components = np.maximum(variance[::-1], 0.0), components[:, ::-1]
    peak = np.abs(components).argmax(axis=0)
    return mean, components * np.sign(components[peak, np.arange(d)]), variance
