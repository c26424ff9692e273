"""Free energy of the beliefs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...types import Input, SignalInputs
from ._ood import OutlierSignal
from .base import SIGNALS


class OodEnergy(OutlierSignal):
    """Free energy of the calibrated logits: high where no class has any pull.

    Notes
    -----
    Formula: v = −log Σ_k exp(l_k) with l the mean-free calibrated logits log p_k − mean_j log p_j; for probabilities
    that sum to one this is the mean log-probability. The score is :func:`._ood.robust_scale` of v.

    References
    ----------
    Liu et al. (2020), "Energy-based out-of-distribution detection", NeurIPS; temperature from the probe's calibration.
    """

    name = "ood_energy"
    title = "Energy"
    explain = "The probe's logits are low for all classes (free energy)."
    requires = frozenset({Input.BELIEFS})

    def value(self, inputs: SignalInputs) -> NDArray[Any]:
        """The mean log-probability."""
        assert inputs.beliefs is not None
        return np.asarray(np.log(np.maximum(inputs.beliefs.probs, 1e-6)).mean(axis=1))


SIGNALS.register(OodEnergy.name)(OodEnergy())
