"""Optimal-transport gain: the samples that move the pool towards a target (GOT-D)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Int64
from ._kmeans import kmeans
from .base import SELECTORS, Need, SelectionInputs, SelectorResult, free_rows


class TransportGain:
    """Samples by the gradient of the optimal-transport distance to the target.

    Notes
    -----
    Formula: entropic optimal transport between the pool (uniform mass) and at most 256 centres of the target (mass =
    their share), cost 1 − cos, ε = 0.05; dual potential f of each pool sample by 60 Sinkhorn iterations; calibrated
    gradient g_i = f_i − Σ_{j≠i} f_j / (n − 1). Samples are taken in order of g + 4·slider·(1 − quality)·std(g), the
    smallest first: more mass on samples of negative g lowers the distance.

    As published: the calibrated gradient of entropic optimal transport as the criterion. Not published: the target is
    summarised by k-means, and the penalty of low quality.

    References
    ----------
    Kang et al. (2024), "Get more for less: principled data selection for warming up fine-tuning in LLMs", ICLR (GOT-D).
    Just et al. (2023), "LAVA: data valuation without pre-specified learning algorithms", ICLR (calibrated gradients).
    Cuturi (2013), "Sinkhorn distances: lightspeed computation of optimal transport", NeurIPS.
    """

    name: ClassVar[str] = "ot_gain"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Pull towards a target (GOT-D)"
    explain: ClassVar[str] = "Takes the samples that move the whole pool towards the target the most."
    requires: ClassVar[frozenset[Need]] = frozenset({Need.VECTORS, Need.TARGET})
    uses: ClassVar[frozenset[str]] = frozenset({"quality"})
    sizes_itself: ClassVar[bool] = False

    _EPSILON = 0.05
    _ROUNDS = 60

    def __call__(self, inputs: SelectionInputs, budget: int, taken: Int64) -> SelectorResult:
        """Take the samples of the smallest gradient."""
        assert inputs.vectors is not None
        assert inputs.target is not None
        rows = free_rows(inputs, taken)
        if not len(rows):
            return SelectorResult(rows)
        target = inputs.vectors[np.flatnonzero(inputs.target)]
        cluster, centres = kmeans(target, 256, inputs.seed)
        mass = np.bincount(cluster, minlength=len(centres)).astype(np.float32)
        centres, mass = centres[mass > 0], mass[mass > 0] / mass.sum()
        kernel = np.exp((inputs.vectors[rows] @ centres.T - 1.0) / self._EPSILON).astype(np.float32)
        uniform = np.float32(1.0 / len(rows))
        v = np.ones(len(centres), np.float32)
        u = v[:0]
        for _ in range(self._ROUNDS):
            u = uniform / np.maximum(kernel @ v, 1e-30)
            v = mass / np.maximum(kernel.T @ u, 1e-30)
        f = self._EPSILON * np.log(np.maximum(u.astype(np.float64), 1e-300))
        n = len(rows)
        gradient = f - (f.sum() - f) / max(n - 1, 1)
        if inputs.quality is not None:
            doubt = 1.0 - np.nan_to_num(inputs.quality[rows].astype(np.float64), nan=0.5)
            gradient += 4.0 * inputs.quality_weight * doubt * float(gradient.std())
        order = np.argsort(gradient, kind="stable")[:budget]
        return SelectorResult(rows[order], info={"pulling": int((gradient < 0).sum())})


SELECTORS.register(TransportGain.name)(TransportGain())
