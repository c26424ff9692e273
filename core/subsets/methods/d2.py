"""D2: difficulty, diversity, and message passing on the neighbour graph."""

from __future__ import annotations

import heapq
from typing import ClassVar

import numpy as np

from ...types import Int64
from .base import SELECTORS, Need, SelectionInputs, SelectorResult, free_rows


class MessagePassing:
    """D2 pruning: pick the sample with the largest score, then lower those of its neighbours.

    Notes
    -----
    Formula: forward, u_i = s_i + Σ_{j∈N(i)} e^{−γ_f d_ij} s_j with s = hardness × quality^(4·slider) and the ten
    nearest neighbours; then repeatedly the largest u is taken and u_j ← u_j − e^{−γ_r d_kj} u_k for its neighbours.
    Distances are divided by their median. γ_f = 1; γ_r falls from 4 (diversity slider at 0: neighbours hardly lowered)
    to 0 (at 1: fully).

    As published: forward and reverse message passing. Not published: quality as a factor of s, distances divided by
    their median, cosine instead of Euclidean distance, and γ_r set by a slider instead of tuned.

    References
    ----------
    Maharana, Yadav and Bansal (2024), "D2 pruning: message passing for balancing diversity and difficulty in data
    pruning", ICLR.
    """

    name: ClassVar[str] = "d2"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Difficulty and diversity (D2)"
    explain: ClassVar[str] = "Hard samples in crowded places first; each one taken makes its neighbours less urgent."
    requires: ClassVar[frozenset[Need]] = frozenset({Need.HARDNESS, Need.NEIGHBORS})
    uses: ClassVar[frozenset[str]] = frozenset({"quality", "diversity"})
    sizes_itself: ClassVar[bool] = False

    _K = 10

    def __call__(self, inputs: SelectionInputs, budget: int, taken: Int64) -> SelectorResult:
        """Pick greedily with a lazy heap."""
        assert inputs.hardness is not None
        assert inputs.neighbors is not None
        index = inputs.neighbors.indices[:, : self._K]
        valid = (index >= 0) & inputs.pool[np.maximum(index, 0)]
        distance = np.where(valid, inputs.neighbors.distances[:, : self._K], np.inf).astype(np.float64)
        distance /= max(float(np.median(distance[valid])), 1e-6) if valid.any() else 1.0
        score = np.nan_to_num(inputs.hardness.astype(np.float64), nan=0.0) * inputs.trust()
        index = np.maximum(index, 0)
        u = score + (np.exp(-distance) * score[index] * valid).sum(1)
        damp = np.exp(-4.0 * (1.0 - inputs.diversity) * np.where(valid, distance, 0.0)) * valid
        for row in taken:
            u[index[row]] -= damp[row] * max(u[row], 0.0)
        # scores only fall, so an entry whose value is still current when it is popped is the largest
        heap = [(-float(u[i]), int(i)) for i in free_rows(inputs, taken)]
        heapq.heapify(heap)
        picked: list[int] = []
        while heap and len(picked) < budget:
            value, i = heapq.heappop(heap)
            current = -float(u[i])
            if current > value + 1e-12:
                heapq.heappush(heap, (current, i))
                continue
            picked.append(i)
            if current < 0:
                u[index[i]] += damp[i] * current
        return SelectorResult(np.array(picked, np.int64))


SELECTORS.register(MessagePassing.name)(MessagePassing())
