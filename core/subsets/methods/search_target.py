"""Search for clusters that resemble a target, then prune them (SnP)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Int64
from ._kmeans import kmeans
from .base import SELECTORS, Need, SelectionInputs, SelectorResult, free_rows, shares, shuffled_by


class SearchTarget:
    """Whole clusters whose union is nearest to the target, then a budgeted draw from them.

    Notes
    -----
    Formula: k-means of the pool, k = clip(√(n/2), 8, 100). Search: clusters in order of their Fréchet distance to the
    target (diagonal Gaussians: ‖μ − μ_t‖² + Σ (σ − σ_t)²) are added if they lower the distance of the union. Prune: the
    budget is divided over those clusters ∝ n_c · exp(−distance/std), and drawn within each ∝ quality^(4·slider). The
    other clusters are used only where the budget exceeds those found, unless it is the whole pool: then it stops by
    itself.

    As published: greedy search of clusters by Fréchet distance to the target, then pruning to a budget. Not published:
    diagonal instead of full covariances, and pruning by distance and quality instead of by farthest-point sampling.

    References
    ----------
    Yao et al. (2023), "Large-scale training data search for object re-identification", CVPR (SnP).
    """

    name: ClassVar[str] = "search_target"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Clusters like a target (SnP)"
    explain: ClassVar[str] = "Adds whole clusters while the set gets more like the target, then draws from them."
    requires: ClassVar[frozenset[Need]] = frozenset({Need.VECTORS, Need.TARGET})
    uses: ClassVar[frozenset[str]] = frozenset({"quality"})
    sizes_itself: ClassVar[bool] = True

    def __call__(self, inputs: SelectionInputs, budget: int, taken: Int64) -> SelectorResult:
        """Search clusters, then draw from them."""
        assert inputs.vectors is not None
        assert inputs.target is not None
        rows = free_rows(inputs, taken)
        if not len(rows) or budget <= 0:
            return SelectorResult(rows[:0])
        x = inputs.vectors[rows].astype(np.float64)
        target = inputs.vectors[np.flatnonzero(inputs.target)].astype(np.float64)
        target_mean, target_sd = target.mean(0), target.std(0)
        cluster, centres = kmeans(inputs.vectors[rows], int(np.clip(np.sqrt(len(rows) / 2), 8, 100)), inputs.seed)
        k = len(centres)
        size = np.bincount(cluster, minlength=k).astype(np.int64)
        total, square = np.zeros((k, x.shape[1])), np.zeros((k, x.shape[1]))
        for c in range(k):
            total[c], square[c] = x[cluster == c].sum(0), (x[cluster == c] ** 2).sum(0)

        def distance(n: float, s: np.ndarray, q: np.ndarray) -> float:
            mean = s / max(n, 1)
            sd = np.sqrt(np.maximum(q / max(n, 1) - mean**2, 0.0))
            return float(((mean - target_mean) ** 2).sum() + ((sd - target_sd) ** 2).sum())

        alone = np.array([distance(size[c], total[c], square[c]) if size[c] else np.inf for c in range(k)])
        order = np.argsort(alone, kind="stable")
        near = np.zeros(k, bool)
        n, s, q, best = 0, np.zeros(x.shape[1]), np.zeros(x.shape[1]), np.inf
        for c in order:
            joined = distance(n + size[c], s + total[c], q + square[c])
            if not size[c] or joined >= best:
                continue
            n, s, q, best = n + int(size[c]), s + total[c], q + square[c], joined
            near[c] = True
        weight = np.exp(-(alone - alone.min()) / max(float(np.std(alone[size > 0])), 1e-9)) * size
        stops_by_itself = budget >= len(rows)
        quota = shares(n if stops_by_itself else budget, np.where(near, weight, 0.0), size)
        if not stops_by_itself and (left := budget - int(quota.sum())) > 0:
            quota += shares(left, np.where(near, 0.0, np.maximum(weight, 1e-12)), size - quota)
        shuffle = shuffled_by(inputs.trust()[rows], inputs.rng())
        drawn = [shuffle[cluster[shuffle] == c][: quota[c]] for c in order]
        info = {"clusters_found": int(near.sum()), "frechet": round(best, 6)}
        return SelectorResult(rows[np.concatenate(drawn)], info=info)


SELECTORS.register(SearchTarget.name)(SearchTarget())
