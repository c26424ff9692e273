"""Trust weight: how much a label deserves to weigh in training."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._label_math import nothing, own_and_rest, scored
from .base import SIGNALS


class LabelTrust:
    """One minus the learned trust weight of the label.

    Formula: w = p_y / (p_y + max_{k≠y} p_k), from the consensus p of all probes; score = 1 − w. A label that leads has
    w > ½, an even contest ½; export writes w as ``sample_weight``.

    Source: importance reweighting, Liu & Tao (TPAMI 2016); the two-way contest is Bradley & Terry (1952).
    """

    name: ClassVar[str] = "label_trust"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.NOISY_LABEL
    title: ClassVar[str] = "Trust weight"
    explain: ClassVar[str] = "How much weight this label deserves in training (exported as sample_weight = 1 − score)."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.BELIEFS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        beliefs = inputs.beliefs
        assert beliefs is not None
        if beliefs.probs.shape[1] < 2:
            return nothing(inputs, "only one class")
        own, rest, other = own_and_rest(beliefs.probs, inputs.labels)
        score = rest / np.maximum(own + rest, 1e-12)
        return SignalResult(scored(inputs, score), suggestion=np.where(inputs.labelled, other, -1).astype(np.int32))


SIGNALS.register(LabelTrust.name)(LabelTrust())
