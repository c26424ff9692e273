"""EL2N: the size of the error early in training."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._label_math import nothing, scored
from .base import SIGNALS


class HardEl2n:
    """Error norm in the first third of the epochs, out of fold.

    Formula: mean of ‖p − onehot(y)‖₂ / √2, so that 1 is being surely wrong.

    Source: Paul, Ganguli & Dziugaite, "Deep Learning on a Data Diet" (NeurIPS 2021).
    """

    name: ClassVar[str] = "hard_el2n"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.HARD
    title: ClassVar[str] = "Early error"
    explain: ClassVar[str] = "The model is far off this sample early in training."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.BELIEFS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        beliefs = inputs.beliefs
        assert beliefs is not None
        value = beliefs.dynamics.get("el2n")
        if value is None or not np.isfinite(value[inputs.labelled]).any():
            return nothing(inputs, "the beliefs were brought: there is no training history")
        keep = inputs.labelled & np.isfinite(value)
        return SignalResult(scored(inputs, value / np.float32(np.sqrt(2)), keep))


SIGNALS.register(HardEl2n.name)(HardEl2n())
