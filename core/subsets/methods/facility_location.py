"""Facility location: every sample close to a chosen one, on the whole rather than at worst."""

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

    Formula: f(S) = λ·Σ_i max_{j∈S} s_ij + (1 − λ)·Σ_{j∈S} q_j, s_ij = max(cos(z_i, z_j), 0) for neighbours in the graph (either
    way), s_ii = 1, else 0; q = quality^(4·slider), λ = the diversity slider. The sum over i runs over the pool. f is monotone
    and submodular, so the greedy set reaches at least 1 − 1/e of the best, and a gain that was computed earlier bounds the
    one now: only the top of a heap is computed again.

    Source: Nemhauser, Wolsey and Fisher (1978); Minoux (1978), "Accelerated greedy algorithms"; Wei, Iyer and Bilmes (2015),
    "Submodularity in data subset selection and active learning", ICML. Written here on the shared graph: the libraries that
    offer it (apricot-select, submodlib) have had no release for years and build an n × n matrix or a graph of their own.
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
        assert inputs.neighbors is not None
        stands = _similar(inputs, self._K)
        start, who, how = stands.indptr, stands.indices, stands.data
        lam = min(max(inputs.diversity, 0.01), 1.0)
        trust = (1.0 - lam) * inputs.trust()
        counts = inputs.pool.astype(np.float64)
        counts[taken] = 1.0
        best = np.where(counts > 0, 0.0, np.inf)  # a sample outside of the pool is not to be stood for
        for j in taken:
            mine = slice(start[j], start[j + 1])
            np.maximum.at(best, who[mine], how[mine])

        rows = free_rows(inputs, taken)
        gain = np.zeros(inputs.n)
        np.add.at(gain, np.repeat(np.arange(inputs.n), np.diff(start)), np.maximum(how - best[who], 0.0))
        heap = [(-(lam * float(gain[i]) + float(trust[i])), int(i)) for i in rows]
        heapq.heapify(heap)
        picked: list[int] = []
        while heap and len(picked) < budget:
            value, i = heapq.heappop(heap)
            mine = who[start[i] : start[i + 1]]
            over = how[start[i] : start[i + 1]] - best[mine]
            now = -(lam * float(over[over > 0].sum()) + float(trust[i]))
            if now > value + 1e-12 and heap and now > heap[0][0]:
                heapq.heappush(heap, (now, i))
                continue
            picked.append(i)
            best[mine] += np.maximum(over, 0.0)
        return SelectorResult(np.array(picked, np.int64))


def _similar(inputs: SelectionInputs, k: int) -> sparse.csr_matrix:
    """(n, n) sparse similarity in [0, 1], symmetric by maximum, with ones on the diagonal."""
    from scipy import sparse

    assert inputs.neighbors is not None
    index, away = inputs.neighbors.indices[:, :k], inputs.neighbors.distances[:, :k]
    there = index >= 0
    row = np.repeat(np.arange(inputs.n), there.sum(1))
    value = np.clip(1.0 - away[there].astype(np.float64), 0.0, 1.0)
    graph = sparse.csr_matrix((value, (row, index[there])), shape=(inputs.n, inputs.n))
    return (graph.maximum(graph.T) + sparse.identity(inputs.n)).tocsr()


SELECTORS.register(FacilityLocation.name)(FacilityLocation())
