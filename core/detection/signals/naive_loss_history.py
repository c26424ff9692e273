"""Loss history under strong augmentation: the sample teaches nothing new."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...types import Bool, Float32, Kind, SignalInputs, SignalResult
from ._labels import TrainingSignal, clipped
from .base import SIGNALS


class NaiveLossHistory(TrainingSignal):
    """How far the augmented loss history lies below Otsu's threshold.

    Notes
    -----
    Formula: H ← (1 − α)·ℓ(strongly augmented) + α·H per epoch, out of fold; score = 1 / (1 + H/T) with T the Otsu
    threshold of log H, so that ½ is the threshold.

    References
    ----------
    Sample-adaptive augmentation (SAA, Gui et al. 2023); Otsu (1979).
    """

    name = "naive_loss_history"
    kind = Kind.NAIVE
    title = "Augmented loss history"
    explain = "The loss stays near zero under strong augmentation."
    summary = "loss_strong"

    def result(self, inputs: SignalInputs, value: Float32, keep: Bool) -> SignalResult:
        """The logistic function of the distance from the threshold."""
        log_h = np.log(np.maximum(np.where(keep, value, 1.0), 1e-6))
        threshold = otsu(log_h[keep])
        score = 1.0 / (1.0 + np.exp(np.clip(log_h - threshold, -30, 30)))
        return SignalResult(clipped(inputs, score, keep), info={"threshold": float(np.exp(threshold))})


def otsu(values: NDArray[Any], bins: int = 256) -> float:
    """The threshold that best separates values into two groups: the largest between-group variance (Otsu 1979)."""
    v = np.asarray(values, np.float64)
    if len(v) == 0 or float(v.max()) <= float(v.min()):
        return float(v[0]) if len(v) else 0.0
    count, edge = np.histogram(v, bins=bins)
    middle = (edge[1:] + edge[:-1]) / 2
    low = np.cumsum(count)
    high = low[-1] - low
    mass = np.cumsum(count * middle)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = low * high * (mass / low - (mass[-1] - mass) / high) ** 2
    return float(edge[1 + int(np.nanargmax(np.nan_to_num(between[:-1])))])


SIGNALS.register(NaiveLossHistory.name)(NaiveLossHistory())
