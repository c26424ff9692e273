"""Free energy of the beliefs."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._ood import robust_scale
from .base import SIGNALS


class OodEnergy:
    """Free energy of the calibrated logits: high where no class has any pull.

    Formula: v = −log Σ_k exp(l_k) with l the mean-free calibrated logits log p_k − mean_j log p_j; for probabilities that sum to
    one this is the mean log-probability. The score is ``_ood.squash`` of that: ½ where it lies twice as far above the median as the ninth decile does.

    Source: Liu et al. (2020), "Energy-based out-of-distribution detection", NeurIPS; temperature from the probe's calibration.
    """

    name: ClassVar[str] = "ood_energy"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.OOD
    title: ClassVar[str] = "No class pulls"
    explain: ClassVar[str] = "The probe finds little evidence for any class."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.BELIEFS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        assert inputs.beliefs is not None
        energy = np.log(np.maximum(inputs.beliefs.probs, 1e-6)).mean(axis=1)
        return SignalResult(robust_scale(energy, inputs.ok))


SIGNALS.register(OodEnergy.name)(OodEnergy())
