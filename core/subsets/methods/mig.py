"""MIG: maximal information gain on a graph of tags."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Int64
from .base import SELECTORS, Need, SelectionInputs, SelectorResult, free_rows


class InformationGain:
    """Greedy information gain over tags, part of which spreads to related tags.

    Notes
    -----
    Formula: tags are the classes and the clusters; a sample's v has a one at its class and at its cluster. A = T + I
    with rows normalised to sum one, T_ab = max(cos(m_a, m_b), 0) between the mean vectors of tags a and b where it
    exceeds the median, else 0, scaled by (1 − diversity slider). x = Aᵀ Σ_{i∈S} v_i q_i, so that every sample
    contributes the same amount; Φ(x) = Σ x^0.8; the next sample is argmax_i q_i · (Aᵀ v_i)ᵀ Φ′(x), the first-order
    gain. q = quality^(4·slider). Samples with the same tags differ in q only, so only the best of them is evaluated.

    As published: the objective on a label graph and the greedy first-order gain. Not published: tags are classes and
    clusters instead of tags by a language model, the threshold is the median, and q is Winnow's quality.

    References
    ----------
    Chen et al. (2025), "MIG: automatic data selection for instruction tuning by maximizing information gain in semantic
    space", Findings of ACL.
    """

    name: ClassVar[str] = "mig"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Most information (MIG)"
    explain: ClassVar[str] = "Spreads over classes and clusters; trusted samples count more, repeated tags ever less."
    requires: ClassVar[frozenset[Need]] = frozenset({Need.VECTORS, Need.CLUSTERS})
    uses: ClassVar[frozenset[str]] = frozenset({"quality", "diversity"})
    sizes_itself: ClassVar[bool] = False

    _POWER = 0.8

    def __call__(self, inputs: SelectionInputs, budget: int, taken: Int64) -> SelectorResult:
        """Pick greedily, one queue per combination of tags."""
        assert inputs.vectors is not None
        assert inputs.clusters is not None
        rows = free_rows(inputs, taken)
        if not len(rows):
            return SelectorResult(rows)
        label, cluster = inputs.labels + 1, inputs.clusters + 1
        n_labels, n_clusters = inputs.n_classes + 1, int(cluster.max()) + 1
        cell_of = label.astype(np.int64) * n_clusters + cluster
        cells, cell = np.unique(cell_of[np.concatenate([rows, taken])], return_inverse=True)
        tags = np.zeros((len(cells), n_labels + n_clusters))
        tags[np.arange(len(cells)), cells // n_clusters] = 1.0
        tags[np.arange(len(cells)), n_labels + cells % n_clusters] = 1.0
        spread = tags @ _related(inputs, rows, label, n_labels, cluster, n_clusters)

        trust = inputs.trust()
        free = cell[: len(rows)]
        order = np.lexsort((inputs.rng().permutation(len(rows)), -trust[rows], free))
        sizes = np.bincount(free, minlength=len(cells))
        start = np.cumsum(sizes) - sizes
        queue, quality = rows[order], trust[rows][order]
        used = np.zeros(len(cells), np.int64)
        head = np.where(sizes > 0, quality[np.minimum(start, len(queue) - 1)], 0.0)
        x = np.zeros(spread.shape[1])
        x += (spread[cell[len(rows) :]] * trust[taken][:, None]).sum(0)
        picked = np.zeros(min(budget, len(rows)), np.int64)
        for m in range(len(picked)):
            slope = self._POWER * (x + 1e-3) ** (self._POWER - 1.0)
            c = int(np.argmax(head * (spread @ slope)))
            picked[m] = queue[start[c] + used[c]]
            x += head[c] * spread[c]
            used[c] += 1
            head[c] = quality[start[c] + used[c]] if used[c] < sizes[c] else 0.0
        return SelectorResult(picked, info={"tags": int(spread.shape[1])})


def _related(
    inputs: SelectionInputs, rows: Int64, label: np.ndarray, n_labels: int, cluster: np.ndarray, n_clusters: int
) -> np.ndarray:
    """(t, t) share of a tag's information that spreads to each tag; rows sum to one."""
    assert inputs.vectors is not None
    x = inputs.vectors[rows].astype(np.float64)
    means = np.zeros((n_labels + n_clusters, x.shape[1]))
    np.add.at(means, label[rows], x)
    np.add.at(means, n_labels + cluster[rows], x)
    means -= means.sum(0) / max(2 * len(rows), 1) * (np.linalg.norm(means, axis=1) > 0)[:, None]
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)
    near = np.maximum(means @ means.T, 0.0)
    np.fill_diagonal(near, 0.0)
    positive = near[near > 0]
    near[near < (np.median(positive) if len(positive) else 0.0)] = 0.0
    a = (1.0 - inputs.diversity) * near + np.eye(len(near))
    return np.asarray(a / a.sum(1, keepdims=True))


SELECTORS.register(InformationGain.name)(InformationGain())
