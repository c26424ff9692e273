"""GraNd: the size of the gradient early in training."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._label_math import nothing, percentile_rank, scored
from .base import SIGNALS


class HardGrand:
    """Gradient norm in the first third of the epochs, as a percentile.

    Formula: mean of ‖p − onehot(y)‖₂ · ‖[z; 1]‖₂, out of fold; score = its rank among the labelled samples.

    Source: Paul, Ganguli & Dziugaite, "Deep Learning on a Data Diet" (NeurIPS 2021).
    """

    name: ClassVar[str] = "hard_grand"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.HARD
    title: ClassVar[str] = "Early gradient"
    explain: ClassVar[str] = "This sample pulls hard on the model early in training."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.BELIEFS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        beliefs = inputs.beliefs
        assert beliefs is not None
        value = beliefs.dynamics.get("grand")
        if value is None or not np.isfinite(value[inputs.labelled]).any():
            return nothing(inputs, "the beliefs were brought: there is no training history")
        keep = inputs.labelled & np.isfinite(value)
        return SignalResult(scored(inputs, percentile_rank(value, keep), keep))


SIGNALS.register(HardGrand.name)(HardGrand())
