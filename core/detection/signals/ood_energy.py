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
    Formula: v = −log Σ_k exp(l_k) with l the mean-free logits of the pooled belief, l_k = log p_k − mean_j log p_j. As
    p sums to one, v is the mean log-probability: a probe trained by cross-entropy from zero has mean-free logits, so
    nothing of its energy is lost. The score is :func:`._ood.robust_scale` of v.

    It votes, in place of the entropy, because it ranks outliers higher on every dataset measured. The largest logit
    alone did not; nor did the energy under a temperature that is learned for each sample (AbeT, which raised average
    precision by .012 on photographs and lost .008 in a world with scattered outliers).

    References
    ----------
    Liu et al. (2020), "Energy-based out-of-distribution detection", NeurIPS; temperature from the pool's calibration.
    Hendrycks et al. (2022), "Scaling out-of-distribution detection for real-world settings", ICML (largest logit).
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
