"""The nearest neighbours of every sample, found once and shared by all stages, and the space they are found in.

Two graphs are built for a dataset: one on raw cosine (duplicates, far outliers, leakage) and one on half-whitened
principal components (label disagreement, propagation, the map, clusters).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..types import Bool, Float32, Int64, Neighbors, Progress, ProgressFn, quiet
from ._knn_search import Queries, search

NEIGHBORS_VERSION = 2
"""Raised when the same input gives another graph, another half-whitened space or another search index."""

_BLOCK = 8192
_FIT_ROWS = 50_000


@dataclass(frozen=True)
class Whitening:
    """The projection into the half-whitened space, z ← normalise(Uᵀ(x − μ) / λ^¼).

    Attributes
    ----------
    projection
        (d, r) float32, U/λ^¼, by falling variance. With r = 0 (one sample, or identical rows: there is no direction)
        every row becomes the number one.
    offset
        (r,) float32, Uᵀμ/λ^¼.
    """

    projection: Float32
    offset: Float32

    def __call__(self, vectors: NDArray[Any], ok: Bool) -> Float32:
        """Project vectors (n, d), read by blocks: (n, max(r, 1)) float32 unit rows, zeros where not ok."""
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
    """Fit the half-whitened space.

    Parameters
    ----------
    vectors
        (n, d) float16 or float32, may be memory-mapped (read by blocks).
    ok
        (n,) bool; other rows are left out of the fit.
    dim
        Components kept at most, >= 1. Fewer are kept where the data has a lower rank. They are in order of variance,
        so a lower rank is a prefix.
    seed
        Draws the rows of the fit where there are more than 50,000.

    Raises
    ------
    ValueError
        ``dim`` is below 1.

    Notes
    -----
    z ← normalise(Uᵀ(x − μ) / λ^¼). Full whitening (λ^½) lets the noise of small directions dominate, and none lets a
    few large directions dominate; the square root between them gave the best label agreement of neighbours on real
    encoders.

    References
    ----------
    Fractional whitening of principal components; compare Jégou and Chum (2012), "Negative evidences and co-occurrences
    in image retrieval: the benefit of PCA and whitening", ECCV.
    """
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


def build(vectors: NDArray[Any], ok: Bool, k: int, device: str = "cpu", seed: int = 0) -> Neighbors:
    """Find the k nearest other samples of every sample by cosine distance 1 − cos.

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
    Neighbors
        indices (n, k) int32 without self, also among identical rows; distances (n, k) float32 in [0, 2], ascending,
        ties by row number; −1 and +inf where a row is not ok or has fewer than k others.

    Raises
    ------
    ValueError
        ``k`` is below 1.

    Notes
    -----
    Up to 16,000 rows or on a GPU, all pairs are compared (blocked matrix products, in bfloat16 where the processor has
    it). Beyond that, rows are partitioned by k-means, and each cell is compared with as many of its nearest cells as
    hold 99.75% of the true neighbours of 512 sampled rows; where that is most of the data, all pairs are compared after
    all. In both cases k + 24 candidates are measured again in float32. ``recall`` is measured on another 512 rows
    against exact search; where candidates by bfloat16 fall below .99, the search is repeated in float32.
    """
    return build_with_centres(vectors, ok, k, device, seed)[0]


def build_with_centres(
    vectors: NDArray[Any],
    ok: Bool,
    k: int,
    device: str = "cpu",
    seed: int = 0,
    progress: ProgressFn = quiet,
    message: str = "",
) -> tuple[Neighbors, Float32 | None]:
    """Do as :func:`build`, and return the centres of the partition too.

    Parameters
    ----------
    vectors, ok, k, device, seed
        As in :func:`build`.
    progress
        Called with the rows done, as the stage "graphs"; may raise ``Cancelled``.
    message
        Passed on with the progress.

    Returns
    -------
    tuple
        The graph, and the centres (cells, d) float32, None where all pairs were compared.
    """
    if k < 1:
        raise ValueError(f"k is {k}; it must be 1 or more")
    n = len(vectors)
    indices = np.full((n, k), -1, np.int32)
    distances = np.full((n, k), np.inf, np.float32)
    good = np.flatnonzero(ok).astype(np.int64)
    if len(good) < 2:
        return Neighbors(indices, distances), None
    graph, centres = search(
        _load(vectors, good),
        k,
        device,
        seed,
        report=lambda done: progress(Progress("graphs", done, len(good), "samples", message)),
    )
    indices[good], distances[good] = np.where(graph.indices >= 0, good[graph.indices], -1), graph.distances
    return replace(graph, indices=indices, distances=distances), centres


def without_own_group(graph: Neighbors, group: Int64) -> Neighbors:
    """The graph without edges inside a group: rows keep their other neighbours, nearest first.

    Parameters
    ----------
    graph
        Of n rows.
    group
        (n,) int64.
    """
    indices, distances = np.array(graph.indices), np.array(graph.distances)
    own = (indices >= 0) & (group[indices] == group[:, None])
    indices[own], distances[own] = -1, np.inf
    order = np.argsort(own, axis=1, kind="stable")
    return replace(
        graph, indices=np.take_along_axis(indices, order, 1), distances=np.take_along_axis(distances, order, 1)
    )


def extend(old: Neighbors, before: Int64, vectors: NDArray[Any], ok: Bool, device: str = "cpu") -> Neighbors:
    """Extend the graph of a dataset to a few new rows.

    Parameters
    ----------
    old
        The graph of the previous rows.
    before
        (n,) int64, the previous row of each row (whose vector must be the same), −1 = new.
    vectors, ok, device
        As in :func:`build`.

    Returns
    -------
    Neighbors
        What a new search would list (as exact as ``old`` was).

    Notes
    -----
    New rows, and rows that lost one of their neighbours, are compared with all rows; all others only with the new
    ones: (new + bereft) · n pairs.
    """
    n, k = len(vectors), old.k
    after = np.full(len(old.indices) + 1, -1, np.int32)  # the last place stands for "none"
    kept = np.flatnonzero((before >= 0) & ok)
    after[before[kept]] = kept
    indices, distances = np.full((n, k), -1, np.int32), np.full((n, k), np.inf, np.float32)
    listed = old.indices[before[kept]]
    indices[kept] = after[listed]
    distances[kept] = np.where(indices[kept] >= 0, old.distances[before[kept]], np.inf)
    bereft = kept[((listed >= 0) & (indices[kept] < 0)).any(axis=1)]
    new = np.flatnonzero((before < 0) & ok)
    good = np.flatnonzero(ok).astype(np.int64)
    searched = np.union1d(bereft, new)
    queries = Queries(_load(vectors, good), device)
    if len(searched):
        near, away = queries.nearest(np.searchsorted(good, searched), k)
        indices[searched], distances[searched] = np.where(near >= 0, good[near], -1), away
    others = np.setdiff1d(kept, bereft)
    if len(new) and len(others):
        among = np.searchsorted(good, new)
        for start in range(0, len(others), _BLOCK):
            rows = others[start : start + _BLOCK]
            near, away = queries.nearest(np.searchsorted(good, rows), k, among)
            both = np.hstack([indices[rows], np.where(near >= 0, good[near], -1).astype(np.int32)])
            apart = np.hstack([distances[rows], away])
            order = np.lexsort((np.where(both < 0, n, both), apart), axis=1)[:, :k]
            indices[rows] = np.take_along_axis(both, order, axis=1)
            distances[rows] = np.take_along_axis(apart, order, axis=1)
    return Neighbors(indices, distances, recall=old.recall, method=f"{old.method.split(', extended')[0]}, extended")


def _load(vectors: NDArray[Any], good: Int64) -> Float32:
    """The ok rows as contiguous float32 unit rows, read by blocks (float16 rounding is taken out of the norms)."""
    rows = np.empty((len(good), vectors.shape[1]), np.float32)
    for start in range(0, len(good), _BLOCK):
        part = good[start : start + _BLOCK]
        rows[start : start + len(part)] = _unit(np.asarray(vectors[part], np.float32))
    return rows


def _unit(rows: Float32) -> Float32:
    """Divide the rows by their norms, all in float32, which is faster than :func:`.encoders.unit_rows`."""
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
