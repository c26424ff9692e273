"""Facility location: every sample is close to a selected one, on average rather than in the worst case."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ...types import Int64
from .base import SELECTORS, Need, SelectionInputs, SelectorResult, free_rows

if TYPE_CHECKING:
    from scipy import sparse


class FacilityLocation:
    """Lazy greedy maximisation of facility location on the neighbour graph.

    Notes
    -----
    Formula: f(S) = λ·Σ_i max_{j∈S} s_ij + (1 − λ)·Σ_{j∈S} q_j with s_ij = max(cos(z_i, z_j), 0) where i or j has the
    other among its 30 nearest neighbours, s_ii = 1, else 0; q = quality^(4·slider), λ = the diversity slider; i runs
    over the pool. f is monotone and submodular, so the greedy set reaches at least 1 − 1/e of the maximum, and an
    earlier gain is an upper bound of the current one: only the top of a heap is computed again.

    As published: objective and lazy greedy search. Not published: similarities only along the neighbour graph, and the
    modular term of quality.

    Implemented on the shared graph, since the libraries that offer it (apricot-select, submodlib) are unmaintained and
    build an n × n matrix or a graph of their own.

    References
    ----------
    Nemhauser, Wolsey and Fisher (1978), "An analysis of approximations for maximizing submodular set functions".
    Minoux (1978), "Accelerated greedy algorithms for maximizing submodular set functions".
    Wei, Iyer and Bilmes (2015), "Submodularity in data subset selection and active learning", ICML.
    """

    name: ClassVar[str] = "facility_location"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Represent everything (facility location)"
    explain: ClassVar[str] = "Takes the sample that stands for the most others that nobody stands for yet."
    requires: ClassVar[frozenset[Need]] = frozenset({Need.NEIGHBORS})
    uses: ClassVar[frozenset[str]] = frozenset({"quality", "diversity"})
    sizes_itself: ClassVar[bool] = False

    _K = 30

    def __call__(self, inputs: SelectionInputs, budget: int, taken: Int64) -> SelectorResult:
        """Pick greedily with a lazy heap."""
        assert inputs.neighbors is not None
        similar = _similarity(inputs, self._K)
        start, column, value_of = similar.indptr, similar.indices, similar.data
        lam = min(max(inputs.diversity, 0.01), 1.0)
        trust = (1.0 - lam) * inputs.trust()
        counts = inputs.pool.copy()
        counts[taken] = True
        best = np.where(counts, 0.0, np.inf)  # samples outside of the pool need not be represented
        for j in taken:
            entries = slice(start[j], start[j + 1])
            np.maximum.at(best, column[entries], value_of[entries])

        rows = free_rows(inputs, taken)
        gain = np.zeros(inputs.n)
        np.add.at(gain, np.repeat(np.arange(inputs.n), np.diff(start)), np.maximum(value_of - best[column], 0.0))
        heap = [(-(lam * float(gain[i]) + float(trust[i])), int(i)) for i in rows]
        heapq.heapify(heap)
        picked: list[int] = []
        while heap and len(picked) < budget:
            value, i = heapq.heappop(heap)
            similar_to = column[start[i] : start[i + 1]]
            over = value_of[start[i] : start[i + 1]] - best[similar_to]
            current = -(lam * float(over[over > 0].sum()) + float(trust[i]))
            if current > value + 1e-12 and heap and current > heap[0][0]:
                heapq.heappush(heap, (current, i))
                continue
            picked.append(i)
            best[similar_to] += np.maximum(over, 0.0)
        return SelectorResult(np.array(picked, np.int64))


def _similarity(inputs: SelectionInputs, k: int) -> sparse.csr_matrix:
    """(n, n) sparse similarity in [0, 1], symmetric by maximum, with ones on the diagonal."""
    from scipy import sparse

    assert inputs.neighbors is not None
    index, distance = inputs.neighbors.indices[:, :k], inputs.neighbors.distances[:, :k]
    valid = index >= 0
    row = np.repeat(np.arange(inputs.n), valid.sum(1))
    value = np.clip(1.0 - distance[valid].astype(np.float64), 0.0, 1.0)
    graph = sparse.csr_matrix((value, (row, index[valid])), shape=(inputs.n, inputs.n))
    return (graph.maximum(graph.T) + sparse.identity(inputs.n)).tocsr()


SELECTORS.register(FacilityLocation.name)(FacilityLocation())
