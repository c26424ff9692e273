"""Two-tailed loss history: whether the mean loss is unusual for the class, and on which side."""

from __future__ import annotations

import numpy as np

from ...types import Bool, Float32, Kind, SignalInputs, SignalResult
from ._labels import TrainingSignal, clipped
from .base import SIGNALS


def _median_and_spread(values: Float32) -> tuple[float, float]:
    """Median and 1.4826 · median absolute deviation (at least 1e-3)."""
    middle = float(np.median(values))
    return middle, max(1.4826 * float(np.median(np.abs(values - middle))), 1e-3)


class LabelLoss(TrainingSignal):
    """One-sided p-value of the sample's mean loss within its class; the lower tail is counted in ``info``.

    Notes
    -----
    Formula: z = (ℓ̄ᵢ − m_y) / s_y with m, s the median and 1.4826·MAD of the class's mean out-of-fold losses (the
    whole dataset's for classes under 5); score = Φ(z). Upper tail: label noise; lower tail: too easy.

    References
    ----------
    Arazo et al., "Unsupervised Label Noise Modeling and Loss Correction" (ICML 2019), for telling wrong labels by
    their loss.
    """

    name = "label_loss"
    kind = Kind.NOISY_LABEL
    title = "Loss outlier within its class"
    explain = "The mean loss over training is far above the median of its class."
    summary = "loss_history"

    def result(self, inputs: SignalInputs, value: Float32, keep: Bool) -> SignalResult:
        """The p-value within the class."""
        from scipy.stats import norm

        middle, spread = _median_and_spread(value[keep])
        z = np.zeros(inputs.n)
        z[keep] = (value[keep] - middle) / spread
        for k in range(inputs.n_classes):
            rows = keep & (inputs.labels == k)
            if rows.sum() >= 5:
                middle, spread = _median_and_spread(value[rows])
                z[rows] = (value[rows] - middle) / spread
        tails = {"lower_tail": int((z[keep] < -1.96).sum()), "upper_tail": int((z[keep] > 1.96).sum())}
        return SignalResult(clipped(inputs, norm.cdf(z), keep), info=tails)


SIGNALS.register(LabelLoss.name)(LabelLoss())
