"""Cluster budgets: draw from every cluster, more from those whose samples are of high quality."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Int64
from ._kmeans import kmeans
from .base import SELECTORS, Need, SelectionInputs, SelectorResult, free_rows, shares, shuffled_by


class ClusterBudget:
    """Budgets per cluster, updated by the quality of the samples drawn.

    Notes
    -----
    Formula: k-means with k = clip(√(n/2), 8, 200); w_c = n_c^(1 − diversity slider), normalised; in five rounds a fifth
    of the budget is divided ∝ w, drawn within clusters ∝ quality^(4·slider), and w_c ← w_c · (q̄_c / q̄)^(2·quality
    slider) with the mean quality of the samples drawn. At diversity 1 all clusters start equal, at 0 by size.

    As published (Yu et al.): clusters, rounds and weights updated by the mean score of a cluster's samples. Not
    published: the score is Winnow's quality instead of a reward model's or of the loss of a model trained between
    rounds, and both exponents.

    References
    ----------
    Yu et al. (2024), "Diversify and conquer: diversity-centric data selection with iterative refinement",
    arXiv:2409.11378.
    He et al. (2025), "PASER: post-training data selection for efficient pruned large language model recovery"
    (budgets by need).
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
        """Draw from the clusters in rounds."""
        assert inputs.vectors is not None
        rows = free_rows(inputs, taken)
        if not len(rows) or budget <= 0:
            return SelectorResult(rows[:0])
        k = int(np.clip(np.sqrt(len(rows) / 2), 8, 200))
        cluster, centres = kmeans(inputs.vectors[rows], k, inputs.seed)
        k = len(centres)
        quality = inputs.known_quality()[rows]
        order = shuffled_by(inputs.trust()[rows], inputs.rng())
        queue = [order[cluster[order] == c] for c in range(k)]
        room = np.array([len(q) for q in queue], np.int64)
        weight = np.maximum(room, 1e-9) ** (1.0 - inputs.diversity)
        used = np.zeros(k, np.int64)
        picked: list[np.ndarray] = []
        for turn in range(self._ROUNDS):
            size = budget * (turn + 1) // self._ROUNDS - budget * turn // self._ROUNDS
            quota = shares(size, weight, room - used)
            drawn = [queue[c][used[c] : used[c] + quota[c]] for c in range(k)]
            used += quota
            picked.append(np.concatenate(drawn))
            sampled = quota > 0
            mean = np.array([quality[d].mean() if len(d) else 0.0 for d in drawn])
            if sampled.any():
                overall = max(float(quality[picked[-1]].mean()), 1e-6)
                weight[sampled] *= (np.maximum(mean[sampled], 1e-3) / overall) ** (2.0 * inputs.quality_weight)
        return SelectorResult(rows[np.concatenate(picked)], info={"clusters": k})


SELECTORS.register(ClusterBudget.name)(ClusterBudget())
