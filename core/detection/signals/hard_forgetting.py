"""Forgetting events: right, then wrong again."""

from __future__ import annotations

import numpy as np

from ...types import Bool, Float32, Kind, SignalInputs, SignalResult
from ._labels import TrainingSignal, clipped
from .base import SIGNALS


class HardForgetting(TrainingSignal):
    """Forgetting events over training.

    Notes
    -----
    Formula: f = transitions right → wrong between epochs, averaged over the models that trained on the sample; score =
    f / (f + 1). A sample that was never learnt counts one event.

    References
    ----------
    Toneva et al., "An Empirical Study of Example Forgetting" (ICLR 2019).
    """

    name = "hard_forgetting"
    kind = Kind.HARD
    title = "Forgetting events"
    explain = "The sample was classified correctly, then wrongly again, during training."
    summary = "forgetting"

    def result(self, inputs: SignalInputs, value: Float32, keep: Bool) -> SignalResult:
        """The number of events, scaled to [0, 1)."""
        assert inputs.beliefs is not None
        correct = inputs.beliefs.dynamics.get("correctness")
        events = value if correct is None else np.maximum(value, (correct <= 0).astype(np.float32))
        return SignalResult(clipped(inputs, events / (events + 1.0), keep))


SIGNALS.register(HardForgetting.name)(HardForgetting())
