"""The linear probe, out of fold: how little probability it leaves to the given label."""

from __future__ import annotations

from typing import ClassVar

from ...types import Input, Kind, SignalInputs, SignalResult
from ._label_math import disbelief
from .base import SIGNALS


class LabelProbe:
    """Out-of-fold disbelief of the linear probe (or of the probabilities that were brought).

    Formula: 1 − p_y with p the mean out-of-fold softmax over folds × repeats. Suggestion: argmax_{k≠y} p_k.

    Source: self-confidence of Northcutt, Jiang & Chuang (JAIR 2021); Alain & Bengio (2017) for linear probes.
    """

    name: ClassVar[str] = "label_probe"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.NOISY_LABEL
    title: ClassVar[str] = "Linear probe"
    explain: ClassVar[str] = "A linear model that never saw this label gives it little probability."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.BELIEFS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        beliefs = inputs.beliefs
        assert beliefs is not None
        return disbelief(inputs, beliefs.extra_probs.get("linear", beliefs.probs))


SIGNALS.register(LabelProbe.name)(LabelProbe())
