"""Clusters at two levels, from the neighbour graph: a colour, a filter, a queue, a target for bulk actions."""

from __future__ import annotations

from typing import Any

import graspologic_native
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..types import Bool, Clusters, Int32, Neighbors

CLUSTERS_VERSION = 1
"""Raised when the same input gives other clusters."""

_NEIGHBORS = 15
_COARSE, _FINE = 1.0, 8.0
"""Resolutions of modularity. 1 is modularity itself; 8 gave about a hundred clusters on ten thousand samples."""


def cluster(neighbors: Neighbors, ok: Bool, seed: int = 0) -> Clusters:
    """Find Leiden communities of the neighbour graph at two resolutions.

    Parameters
    ----------
    neighbors
        The graph; the nearest 15 are used.
    ok
        (n,) bool, which samples are embedded.
    seed
        The same seed and graph give the same clusters.

    Returns
    -------
    Clusters
        Two levels, each (n,) int32, from the largest cluster to the smallest; −1 where not ok. Isolated samples are
        clusters of one.

    Notes
    -----
    Maximises modularity Q = Σ_c [ w_c/W − γ·(d_c/2W)² ] (w_c the weight within, d_c the degrees of community c) on the
    symmetric graph, where a mutual neighbour weighs twice. Each fine community (γ = 8) belongs to the coarse one
    (γ = 1) that most of its samples are in.

    References
    ----------
    Traag, Waltman and van Eck (2019), "From Louvain to Leiden: guaranteeing well-connected communities", Scientific
    Reports 9:5233 (graspologic-native).
    """
    n = len(ok)
    empty = np.full(n, -1, np.int32)
    good = np.flatnonzero(ok)
    if len(good) == 0:
        return Clusters(empty, empty.copy())
    graph = _graph(neighbors, good)
    fine = _communities(graph, _FINE, seed)
    coarse = _majority(fine, _communities(graph, _COARSE, seed))
    return Clusters(_to_all_rows(_by_size(coarse), good, empty), _to_all_rows(_by_size(fine), good, empty))


def _graph(neighbors: Neighbors, good: NDArray[np.int64]) -> Any:
    """(m, m) symmetric CSR: 1 where one is the other's neighbour, 2 where both are."""
    m = len(good)
    place = np.full(len(neighbors.indices) + 1, -1, np.int64)
    place[good] = np.arange(m)
    columns = place[neighbors.indices[good, :_NEIGHBORS]]
    rows = np.repeat(np.arange(m), columns.shape[1])
    valid = columns.ravel() >= 0
    one_way = sparse.csr_matrix((np.ones(int(valid.sum())), (rows[valid], columns.ravel()[valid])), shape=(m, m))
    graph = (one_way + one_way.T).tocsr()
    graph.sort_indices()
    return graph


def _communities(graph: Any, resolution: float, seed: int) -> NDArray[np.int64]:
    m = graph.shape[0]
    if graph.nnz == 0:
        return np.arange(m)
    _, community = graspologic_native.leiden_csr(
        graph.indptr.astype(np.int64),
        graph.indices.astype(np.int32),
        graph.data.astype(np.float64),
        m,
        resolution=resolution,
        iterations=2,
        seed=seed,
    )
    label = np.full(m, -1, np.int64)
    label[np.fromiter(community.keys(), np.int64)] = np.fromiter(community.values(), np.int64)
    alone = label < 0  # vertices without an edge are left out of the result
    label[alone] = label.max() + 1 + np.arange(int(alone.sum()))
    return label


def _majority(fine: NDArray[np.int64], coarse: NDArray[np.int64]) -> NDArray[np.int64]:
    """The coarse label that most members of each row's fine cluster have; ties to the smaller label."""
    counts = sparse.coo_matrix((np.ones(len(fine)), (fine, coarse))).tocsr()
    return np.asarray(counts.argmax(axis=1)).ravel()[fine].astype(np.int64)


def _by_size(label: NDArray[np.int64]) -> Int32:
    """Number clusters from the largest; equal sizes by their first row."""
    _, first, inverse, size = np.unique(label, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -size))
    number = np.empty(len(order), np.int32)
    number[order] = np.arange(len(order), dtype=np.int32)
    return number[inverse]


def _to_all_rows(label: Int32, good: NDArray[np.int64], empty: Int32) -> Int32:
    out = empty.copy()
    out[good] = label
    return out
