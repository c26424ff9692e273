"""Optimal-transport gain: the samples that pull the pool towards a target (GOT-D)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Int64
from ._kmeans import parts
from .base import SELECTORS, Need, SelectionInputs, SelectorResult, free_rows


class TransportGain:
    """Samples by the gradient of the optimal-transport distance to the target.

    Formula: entropic optimal transport between the pool (uniform mass) and at most 256 centres of the target (mass = their
    share), cost 1 − cos, ε = 0.05; dual potential f of each pool sample by Sinkhorn iterations; calibrated gradient
    g_i = f_i − Σ_{j≠i} f_j / (n − 1). More mass on the samples of most negative g brings the pool nearest to the target: they
    are taken first, g being raised by (1 − quality)·slider·spread of g for samples that are not trusted.

    Source: Kang et al. (2024), "Get more for less: principled data selection for warming up fine-tuning in LLMs" (GOT-D),
    ICLR; calibrated gradients: Just et al. (2023), "LAVA", ICLR; Cuturi (2013), "Sinkhorn distances", NeurIPS.
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
        assert inputs.vectors is not None
        assert inputs.target is not None
        rows = free_rows(inputs, taken)
        if not len(rows):
            return SelectorResult(rows)
        goal = inputs.vectors[np.flatnonzero(inputs.target)]
        part, centres = parts(goal, 256, inputs.seed)
        mass = np.bincount(part, minlength=len(centres)).astype(np.float32)
        centres, mass = centres[mass > 0], mass[mass > 0] / mass.sum()
        kernel = np.exp((inputs.vectors[rows] @ centres.T - 1.0) / self._EPSILON).astype(np.float32)
        even = np.float32(1.0 / len(rows))
        v = np.ones(len(centres), np.float32)
        u = v[:0]
        for _ in range(self._ROUNDS):
            u = even / np.maximum(kernel @ v, 1e-30)
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
