"""Nearest to a target set, until what comes is no longer near (SimCore)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Int64
from ._kmeans import parts
from .base import SELECTORS, Need, SelectionInputs, SelectorResult, free_rows


class NearestTarget:
    """Centroids of the target take turns with their nearest candidates.

    Formula: k-means of the target, k = min(100, √m); in each round every centroid takes its nearest candidate that is not
    taken; the mean cosine of a round, over that of the first, is the yield. It stops when the yield falls below τ, or when
    the budget is used up. Option ``tau`` (default 0.95); a budget of the whole pool means: stop by itself.

    Source: Kim, Bae and Yun (2023), "Coreset sampling from open-set for fine-grained self-supervised learning" (SimCore),
    CVPR.
    """

    name: ClassVar[str] = "nearest_target"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Nearest to a target (SimCore)"
    explain: ClassVar[str] = "Takes what resembles the target most; stops by itself when the likeness falls."
    requires: ClassVar[frozenset[Need]] = frozenset({Need.VECTORS, Need.TARGET})
    uses: ClassVar[frozenset[str]] = frozenset({"quality"})
    sizes_itself: ClassVar[bool] = True

    def __call__(self, inputs: SelectionInputs, budget: int, taken: Int64) -> SelectorResult:
        assert inputs.vectors is not None
        assert inputs.target is not None
        rows = free_rows(inputs, taken)
        target = inputs.vectors[np.flatnonzero(inputs.target)]
        if not len(rows):
            return SelectorResult(rows)
        _, centres = parts(target, int(min(100, max(1, np.sqrt(len(target))))), inputs.seed)
        tau = float(inputs.options.get("tau", 0.95))
        cosine = np.asarray(inputs.vectors[rows] @ centres.T, np.float64)
        order = np.argsort(-cosine * inputs.trust()[rows][:, None], axis=0, kind="stable")
        place = np.zeros(len(centres), np.int64)
        free = np.ones(len(rows), bool)
        picked: list[int] = []
        first = 0.0
        stopped = False
        while len(picked) < min(budget, len(rows)) and not stopped:
            turn: list[tuple[int, float]] = []
            for c in range(len(centres)):
                while place[c] < len(rows) and not free[order[place[c], c]]:
                    place[c] += 1
                if place[c] >= len(rows):
                    break
                i = int(order[place[c], c])
                free[i] = False
                turn.append((i, float(cosine[i, c])))
            mean = float(np.mean([v for _, v in turn]))
            first = first or mean
            stopped = bool(picked) and mean < tau * first
            if not stopped:
                picked += [i for i, _ in turn]
        chosen = np.array(picked[:budget], np.int64)
        return SelectorResult(rows[chosen], info={"stopped_by_itself": stopped, "centres": len(centres)})


SELECTORS.register(NearestTarget.name)(NearestTarget())
