"""Two-tailed loss history: is the mean loss out of line for the class, and on which side?"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Float32, Input, Kind, SignalInputs, SignalResult
from ._label_math import nothing, scored
from .base import SIGNALS


def _robust(values: Float32) -> tuple[float, float]:
    """Median and 1.4826 · median absolute deviation (at least 1e-3)."""
    middle = float(np.median(values))
    return middle, max(1.4826 * float(np.median(np.abs(values - middle))), 1e-3)


class LabelLoss:
    """One-sided p-value of the sample's mean loss within its class; the lower tail is counted in ``info``.

    Formula: z = (ℓ̄ᵢ − m_y) / s_y with m, s the median and 1.4826·MAD of the class's mean out-of-fold losses (the whole
    dataset's for classes under 5); score = Φ(z). Upper tail: label noise; lower tail: too easy.

    Source: dynamics-based two-tailed test (DBPM) of ALGORITHMS.md; Arazo et al. (ICML 2019) for loss modelling.
    """

    name: ClassVar[str] = "label_loss"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.NOISY_LABEL
    title: ClassVar[str] = "Loss out of line"
    explain: ClassVar[str] = "Its loss over training is far above what is usual for its class."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.BELIEFS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        from scipy.stats import norm

        beliefs = inputs.beliefs
        assert beliefs is not None
        loss = beliefs.dynamics.get("loss_history")
        if loss is None or not np.isfinite(loss[inputs.labelled]).any():
            return nothing(inputs, "the beliefs were brought: there is no training history")
        keep = inputs.labelled & np.isfinite(loss)
        middle, spread = _robust(loss[keep])
        z = np.zeros(inputs.n)
        z[keep] = (loss[keep] - middle) / spread
        for k in range(inputs.n_classes):
            rows = keep & (inputs.labels == k)
            if rows.sum() >= 5:
                middle, spread = _robust(loss[rows])
                z[rows] = (loss[rows] - middle) / spread
        low = int((z[keep] < -1.96).sum())
        return SignalResult(
            scored(inputs, norm.cdf(z), keep), info={"lower_tail": low, "upper_tail": int((z[keep] > 1.96).sum())}
        )


SIGNALS.register(LabelLoss.name)(LabelLoss())
