"""Dataset cartography: low mean and wide swing of the confidence in the label."""

from __future__ import annotations

import numpy as np

from ...types import Bool, Float32, Kind, SignalInputs, SignalResult
from ._labels import TrainingSignal, clipped
from .base import SIGNALS


class HardCartography(TrainingSignal):
    """Position on the data map.

    Notes
    -----
    Formula: with mean μ and standard deviation σ of p_y over epochs, score = √((1 − μ)² + (σ/½)²·μ²) clipped to 1:
    far from the easy corner (μ = 1, σ = 0), by low confidence or by swinging.

    References
    ----------
    Swayamdipta et al., "Dataset Cartography" (EMNLP 2020).
    """

    name = "hard_cartography"
    kind = Kind.HARD
    title = "Dataset cartography"
    explain = "Confidence in the label varied over training, or stayed low."
    summary = "mean_true"

    def result(self, inputs: SignalInputs, value: Float32, keep: Bool) -> SignalResult:
        """Distance from the easy corner."""
        assert inputs.beliefs is not None
        swing = np.nan_to_num(inputs.beliefs.dynamics.get("spread_true", np.zeros_like(value)))
        return SignalResult(clipped(inputs, np.hypot(1.0 - value, 2.0 * swing * value), keep))


SIGNALS.register(HardCartography.name)(HardCartography())
