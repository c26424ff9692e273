"""k-center: no sample is far from a selected one."""

from __future__ import annotations

from typing import ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from ...types import Float32, Int64
from .base import SELECTORS, Need, SelectionInputs, SelectorResult, free_rows

_WORK, _DIM = 3e11, 128


class KCenter:
    """Greedy farthest-first traversal.

    Notes
    -----
    Formula: repeatedly argmax_i q_i · min_{j∈S} (1 − cos(z_i, z_j)), q = quality^slider; the first is the sample
    nearest to the mean. With q = 1 the covering radius (of the metric) is at most twice the smallest possible.
    Distances are computed for blocks of the farthest candidates at once; a block ends as soon as a sample outside of it
    is the farthest, so the result is the exact greedy order. Where that would take more than 3·10¹¹ multiplications,
    distances are those on the 128 leading directions of the embeddings, and the subset's info says so.

    As published: the greedy rule. Not published: the factor of quality, the start at the mean, and the projection of
    large problems. Sener and Savarese add a mixed-integer refinement, which is left out.

    References
    ----------
    Gonzalez (1985), "Clustering to minimize the maximum intercluster distance", Theoretical Computer Science.
    Sener and Savarese (2018), "Active learning for convolutional neural networks: a core-set approach", ICLR.
    """

    name: ClassVar[str] = "k_center"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Cover everything (k-center)"
    explain: ClassVar[str] = "Takes the sample farthest from all chosen so far. Covers the space; likes outliers."
    requires: ClassVar[frozenset[Need]] = frozenset({Need.VECTORS})
    uses: ClassVar[frozenset[str]] = frozenset({"quality"})
    sizes_itself: ClassVar[bool] = False

    def __call__(self, inputs: SelectionInputs, budget: int, taken: Int64) -> SelectorResult:
        """Pick farthest first."""
        assert inputs.vectors is not None
        rows = free_rows(inputs, taken)
        if budget <= 0 or not len(rows):
            return SelectorResult(rows[:0])
        space = inputs.vectors
        info: dict[str, int] = {}
        if float(len(rows)) * budget * space.shape[1] > _WORK and space.shape[1] > _DIM:
            space, info = _leading(space, rows), {"dimensions": _DIM}
        x = np.ascontiguousarray(space[rows], np.float32)
        trust = (inputs.trust()[rows] ** 0.25).astype(np.float32)
        distance = np.full(len(rows), np.inf, np.float32)
        for start in range(0, len(taken), 256):
            cosine = (x @ space[taken[start : start + 256]].T).max(1)
            distance = np.minimum(distance, np.maximum(1.0 - cosine, 0.0))
        picked: list[int] = []
        if not len(taken):
            first = int(np.argmax((x @ x.mean(0)) * trust))
            picked.append(first)
            distance = np.maximum(1.0 - x @ x[first], 0.0)
            distance[first] = -1.0
        picked += _farthest(x, distance, trust, min(budget, len(rows)) - len(picked))
        return SelectorResult(rows[np.array(picked, np.int64)], info=info)


def _leading(vectors: Float32, rows: Int64) -> Float32:
    """(n, 128) unit rows: the vectors on the leading directions of ``rows``, uncentred."""
    part = np.asarray(vectors[rows], np.float32)
    basis = np.linalg.eigh((part.T @ part).astype(np.float64))[1][:, ::-1][:, :_DIM].astype(np.float32)
    x = vectors @ basis
    return cast("Float32", (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)).astype(np.float32))


def _farthest(x: Float32, distance: NDArray[np.float32], trust: NDArray[np.float32], budget: int) -> list[int]:
    """Greedy picks given the distances so far; −1 in ``distance`` marks picked rows. Changes ``distance``."""
    picked: list[int] = []
    block = 64
    priority = distance * trust
    while len(picked) < budget:
        size = min(block, budget - len(picked), len(x))
        top = np.argpartition(-priority, size - 1)[:size]
        if (first := int(np.argmax(priority))) not in top:  # one of several that are equally far
            top[0] = first
        to_all = np.maximum(1.0 - x[top] @ x.T, 0.0)
        place = {int(row): i for i, row in enumerate(top)}
        used = 0
        while len(picked) < budget:
            best = int(np.argmax(priority))
            i = place.get(best)
            if i is None or priority[best] < 0:
                break
            picked.append(best)
            used += 1
            np.minimum(distance, to_all[i], out=distance)
            distance[best] = -1.0
            np.multiply(distance, trust, out=priority)  # below zero for picked rows
        if used == 0:
            break
        block = int(np.clip(2 * used, 16, 512))
    return picked


SELECTORS.register(KCenter.name)(KCenter())
