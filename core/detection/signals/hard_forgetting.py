"""Forgetting events: right, then wrong again."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._label_math import nothing, scored
from .base import SIGNALS


class HardForgetting:
    """Forgetting events over training.

    Formula: f = transitions right → wrong between epochs, averaged over the models that trained on the sample; score =
    f / (f + 1). Samples never learnt count one event.

    Source: Toneva et al., "An Empirical Study of Example Forgetting" (ICLR 2019).
    """

    name: ClassVar[str] = "hard_forgetting"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.HARD
    title: ClassVar[str] = "Forgotten"
    explain: ClassVar[str] = "The model got it right, then wrong again, during training."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.BELIEFS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        beliefs = inputs.beliefs
        assert beliefs is not None
        value = beliefs.dynamics.get("forgetting")
        if value is None or not np.isfinite(value[inputs.labelled]).any():
            return nothing(inputs, "the beliefs were brought: there is no training history")
        keep = inputs.labelled & np.isfinite(value)
        never = beliefs.dynamics.get("correctness")
        events = value if never is None else np.maximum(value, (never <= 0).astype(np.float32))
        return SignalResult(scored(inputs, events / (events + 1.0), keep))


SIGNALS.register(HardForgetting.name)(HardForgetting())
