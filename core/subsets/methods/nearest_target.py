"""Nearest to a target set, until the next candidates are no longer near (SimCore)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Int64
from ._kmeans import kmeans
from .base import SELECTORS, Need, SelectionInputs, SelectorResult, free_rows


class NearestTarget:
    """Centroids of the target take turns in taking their nearest candidates.

    Notes
    -----
    Formula: k-means of the target, k = min(100, √m); in each round every centroid takes its nearest free candidate; the
    ratio is the mean cosine of a round over that of the first. It stops when the ratio falls below τ (option ``tau``,
    default 0.95), or when the budget is used up.

    As published: k = 100 centroids, rounds and stopping rule. Not published: fewer centroids for small targets, and
    candidates ordered by cosine · quality^(4·slider).

    References
    ----------
    Kim, Bae and Yun (2023), "Coreset sampling from open-set for fine-grained self-supervised learning", CVPR (SimCore).
    """

    name: ClassVar[str] = "nearest_target"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Nearest to a target (SimCore)"
    explain: ClassVar[str] = "Takes what resembles the target most; stops by itself when the similarity falls."
    requires: ClassVar[frozenset[Need]] = frozenset({Need.VECTORS, Need.TARGET})
    uses: ClassVar[frozenset[str]] = frozenset({"quality"})
    sizes_itself: ClassVar[bool] = True

    def __call__(self, inputs: SelectionInputs, budget: int, taken: Int64) -> SelectorResult:
        """Take candidates in rounds."""
        assert inputs.vectors is not None
        assert inputs.target is not None
        rows = free_rows(inputs, taken)
        target = inputs.vectors[np.flatnonzero(inputs.target)]
        if not len(rows):
            return SelectorResult(rows)
        _, centres = kmeans(target, int(min(100, max(1, np.sqrt(len(target))))), inputs.seed)
        tau = float(inputs.options.get("tau", 0.95))
        cosine = np.asarray(inputs.vectors[rows] @ centres.T, np.float64)
        order = np.argsort(-cosine * inputs.trust()[rows][:, None], axis=0, kind="stable")
        place = np.zeros(len(centres), np.int64)
        free = np.ones(len(rows), bool)
        picked: list[int] = []
        first = 0.0
        stopped = False
        while len(picked) < min(budget, len(rows)) and not stopped:
            round_: list[tuple[int, float]] = []
            for c in range(len(centres)):
                while place[c] < len(rows) and not free[order[place[c], c]]:
                    place[c] += 1
                if place[c] >= len(rows):
                    break
                i = int(order[place[c], c])
                free[i] = False
                round_.append((i, float(cosine[i, c])))
            mean = float(np.mean([v for _, v in round_]))
            first = first or mean
            stopped = bool(picked) and mean < tau * first
            if not stopped:
                picked += [i for i, _ in round_]
        chosen = np.array(picked[:budget], np.int64)
        return SelectorResult(rows[chosen], info={"stopped_by_itself": stopped, "centres": len(centres)})


SELECTORS.register(NearestTarget.name)(NearestTarget())
