"""Search for a target's likes by cluster, then prune (SnP)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Int64
from ._kmeans import parts
from .base import SELECTORS, Need, SelectionInputs, SelectorResult, free_rows, shares, shuffled_by


class SearchTarget:
    """Whole clusters that bring the set nearest to the target, then a budgeted draw from them.

    Formula: k-means of the pool, k = clip(√(n/2), 8, 100). Search: clusters in order of their Fréchet distance to the target
    (diagonal Gaussians: ‖μ − μ_t‖² + Σ (σ − σ_t)²) are added while the distance of the union falls. Prune: the budget is divided
    over the clusters found ∝ n_c · softmax(−distance), drawn within each ∝ quality^(4·slider). Clusters beyond are used
    only where the budget asks for more than was found, unless it is the whole pool: then it stops by itself.

    Source: Yao et al. (2023), "Large-scale training data search for object re-identification" (search and pruning), CVPR.
    """

    name: ClassVar[str] = "search_target"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Clusters like a target (SnP)"
    explain: ClassVar[str] = "Adds whole clusters while the set gets more like the target, then draws from them."
    requires: ClassVar[frozenset[Need]] = frozenset({Need.VECTORS, Need.TARGET})
    uses: ClassVar[frozenset[str]] = frozenset({"quality"})
    sizes_itself: ClassVar[bool] = True

    def __call__(self, inputs: SelectionInputs, budget: int, taken: Int64) -> SelectorResult:
        assert inputs.vectors is not None
        assert inputs.target is not None
        rows = free_rows(inputs, taken)
        if not len(rows) or budget <= 0:
            return SelectorResult(rows[:0])
        x = inputs.vectors[rows].astype(np.float64)
        goal = inputs.vectors[np.flatnonzero(inputs.target)].astype(np.float64)
        goal_mean, goal_sd = goal.mean(0), goal.std(0)
        part, centres = parts(inputs.vectors[rows], int(np.clip(np.sqrt(len(rows) / 2), 8, 100)), inputs.seed)
        k = len(centres)
        size = np.bincount(part, minlength=k).astype(np.int64)
        total, square = np.zeros((k, x.shape[1])), np.zeros((k, x.shape[1]))
        for c in range(k):
            total[c], square[c] = x[part == c].sum(0), (x[part == c] ** 2).sum(0)

        def distance(n: float, s: np.ndarray, q: np.ndarray) -> float:
            mean = s / max(n, 1)
            sd = np.sqrt(np.maximum(q / max(n, 1) - mean**2, 0.0))
            return float(((mean - goal_mean) ** 2).sum() + ((sd - goal_sd) ** 2).sum())

        alone = np.array([distance(size[c], total[c], square[c]) if size[c] else np.inf for c in range(k)])
        order = np.argsort(alone, kind="stable")
        found: list[int] = []
        n, s, q, best = 0, np.zeros(x.shape[1]), np.zeros(x.shape[1]), np.inf
        for c in order:
            with_it = distance(n + size[c], s + total[c], q + square[c])
            if not size[c] or with_it >= best:
                continue
            n, s, q, best = n + int(size[c]), s + total[c], q + square[c], with_it
            found.append(int(c))
        near = np.zeros(k, bool)
        near[found] = True
        heat = np.exp(-(alone - alone.min()) / max(float(np.std(alone[size > 0])), 1e-9)) * size
        by_itself = budget >= len(rows)
        quota = shares(n if by_itself else budget, np.where(near, heat, 0.0), size)
        if not by_itself and (left := budget - int(quota.sum())) > 0:
            quota += shares(left, np.where(near, 0.0, np.maximum(heat, 1e-12)), size - quota)
        shuffle = shuffled_by(inputs.trust()[rows], inputs.rng())
        drawn = [shuffle[part[shuffle] == c][: quota[c]] for c in order]
        return SelectorResult(
            rows[np.concatenate(drawn)], info={"clusters_found": len(found), "frechet": round(best, 6)}
        )


SELECTORS.register(SearchTarget.name)(SearchTarget())
