"""Cluster budgets: draw from every part of the data, more from where the samples turn out good."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Int64
from ._kmeans import parts
from .base import SELECTORS, Need, SelectionInputs, SelectorResult, free_rows, shares, shuffled_by


class ClusterBudget:
    """Budgets per cluster, updated by the quality of what was drawn.

    Formula: k-means with k = clip(√(n/2), 8, 200); w_c = n_c^(1 − diversity slider), normalised; in five rounds a fifth of
    the budget is divided ∝ w, drawn within clusters ∝ quality, and w_c ← w_c · (q̄_c / q̄)^(2·quality slider) by the mean
    quality of what was drawn. At diversity 1 all clusters start equal, at 0 by size.

    Source: Yu, Fu et al. (2024), "Diversify and conquer: diversity-centric data selection with iterative refinement"; He et
    al. (2025), "PASER: post-training data selection for efficient pruned large language model recovery" (budgets by need).
    """

    name: ClassVar[str] = "cluster_budget"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Budgets per cluster (Diversify and Conquer)"
    explain: ClassVar[str] = "Draws from every cluster, in rounds; clusters whose samples are good get more."
    requires: ClassVar[frozenset[Need]] = frozenset({Need.VECTORS})
    uses: ClassVar[frozenset[str]] = frozenset({"quality", "diversity"})
    sizes_itself: ClassVar[bool] = False

    _ROUNDS = 5

    def __call__(self, inputs: SelectionInputs, budget: int, taken: Int64) -> SelectorResult:
        assert inputs.vectors is not None
        rows = free_rows(inputs, taken)
        if not len(rows) or budget <= 0:
            return SelectorResult(rows[:0])
        k = int(np.clip(np.sqrt(len(rows) / 2), 8, 200))
        part, centres = parts(inputs.vectors[rows], k, inputs.seed)
        k = len(centres)
        quality = np.ones(len(rows)) if inputs.quality is None else np.nan_to_num(inputs.quality[rows], nan=0.5)
        order = shuffled_by(inputs.trust()[rows], inputs.rng())
        queue = [order[part[order] == c] for c in range(k)]
        room = np.array([len(q) for q in queue], np.int64)
        weight = np.maximum(room, 1e-9) ** (1.0 - inputs.diversity)
        used = np.zeros(k, np.int64)
        picked: list[np.ndarray] = []
        for turn in range(self._ROUNDS):
            now = budget * (turn + 1) // self._ROUNDS - budget * turn // self._ROUNDS
            part_of = shares(now, weight, room - used)
            drawn = [queue[c][used[c] : used[c] + part_of[c]] for c in range(k)]
            used += part_of
            picked.append(np.concatenate(drawn))
            there = part_of > 0
            mean = np.array([quality[d].mean() if len(d) else 0.0 for d in drawn])
            if there.any():
                typical = max(float(quality[picked[-1]].mean()), 1e-6)
                weight[there] *= (np.maximum(mean[there], 1e-3) / typical) ** (2.0 * inputs.quality_weight)
        return SelectorResult(rows[np.concatenate(picked)], info={"clusters": k})


SELECTORS.register(ClusterBudget.name)(ClusterBudget())
