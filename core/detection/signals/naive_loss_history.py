"""Loss history under strong augmentation: the sample teaches nothing new."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._label_math import nothing, otsu, scored
from .base import SIGNALS


class NaiveLossHistory:
    """How far the augmented loss history lies below Otsu's threshold.

    Formula: H ← (1 − α)·ℓ(strongly augmented) + α·H per epoch, out of fold; score = 1 / (1 + H/T) with T the Otsu threshold
    of log H, so that ½ is the threshold.

    Source: sample-adaptive augmentation (SAA, Gui et al. 2023); Otsu (1979).
    """

    name: ClassVar[str] = "naive_loss_history"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.NAIVE
    title: ClassVar[str] = "Easy even when distorted"
    explain: ClassVar[str] = "Its loss stays near zero under strong augmentation."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.BELIEFS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        beliefs = inputs.beliefs
        assert beliefs is not None
        value = beliefs.dynamics.get("loss_strong")
        if value is None or not np.isfinite(value[inputs.labelled]).any():
            return nothing(inputs, "the beliefs were brought: there is no training history")
        keep = inputs.labelled & np.isfinite(value)
        log_h = np.log(np.maximum(np.where(keep, value, 1.0), 1e-6))
        cut = otsu(log_h[keep])
        score = 1.0 / (1.0 + np.exp(np.clip(log_h - cut, -30, 30)))
        return SignalResult(scored(inputs, score, keep), info={"threshold": float(np.exp(cut))})


SIGNALS.register(NaiveLossHistory.name)(NaiveLossHistory())
