"""Area under the margin: the lead of the given label, averaged over training."""

from __future__ import annotations

import numpy as np

from ...types import Bool, Float32, Kind, SignalInputs, SignalResult
from ._labels import TrainingSignal, clipped
from .base import SIGNALS


class LabelAum(TrainingSignal):
    """Area under the margin, scaled so that 0.5 is a tie.

    Notes
    -----
    Formula: AUM = mean over epochs of z_y − max_{k≠y} z_k (in fold); score = 1 / (1 + exp(AUM / s)), s = mean |AUM|.

    References
    ----------
    Pleiss et al., "Identifying Mislabeled Data using the Area Under the Margin Ranking" (NeurIPS 2020).
    """

    name = "label_aum"
    kind = Kind.NOISY_LABEL
    title = "Area under the margin (AUM)"
    explain = "During training the logit of the given label rarely led the others."
    summary = "aum"

    def result(self, inputs: SignalInputs, value: Float32, keep: Bool) -> SignalResult:
        """The logistic function of the margin."""
        scale = max(float(np.abs(value[keep]).mean(dtype=np.float64)), 1e-6)
        score = 1.0 / (1.0 + np.exp(np.clip(np.where(keep, value, 0.0) / scale, -30, 30)))
        return SignalResult(clipped(inputs, score, keep), info={"scale": scale})


SIGNALS.register(LabelAum.name)(LabelAum())
