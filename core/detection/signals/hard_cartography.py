"""Dataset cartography: low mean and wide swing of the confidence in the label."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._label_math import nothing, scored
from .base import SIGNALS


class HardCartography:
    """Position on the data map.

    Formula: with mean μ and standard deviation σ of p_y over epochs, score = √((1 − μ)² + (σ/½)²·μ²) clipped to 1:
    far from the easy corner (μ = 1, σ = 0), by low confidence or by swinging.

    Source: Swayamdipta et al., "Dataset Cartography" (EMNLP 2020).
    """

    name: ClassVar[str] = "hard_cartography"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.HARD
    title: ClassVar[str] = "Ambiguous in training"
    explain: ClassVar[str] = "The model's confidence in the label swung while it learnt, or stayed low."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.BELIEFS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        beliefs = inputs.beliefs
        assert beliefs is not None
        value = beliefs.dynamics.get("mean_true")
        if value is None or not np.isfinite(value[inputs.labelled]).any():
            return nothing(inputs, "the beliefs were brought: there is no training history")
        keep = inputs.labelled & np.isfinite(value)
        swing = np.nan_to_num(beliefs.dynamics.get("spread_true", np.zeros_like(value)))
        return SignalResult(scored(inputs, np.hypot(1.0 - value, 2.0 * swing * value), keep))


SIGNALS.register(HardCartography.name)(HardCartography())
