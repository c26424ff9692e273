"""What the signals about labels share: one base class for each kind of evidence that they read."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...types import Bool, Float32, Input, Int32, Kind, SignalInputs, SignalResult
from ..arithmetic import own_and_rest
from .base import BaseSignal, skipped

NO_HISTORY = "the probabilities were precomputed: there is no training history"


def clipped(inputs: SignalInputs, score: NDArray[Any], where: Bool | None = None) -> Float32:
    """The score clipped to [0, 1], float32, NaN outside ``where`` (default: readable and labelled)."""
    keep = inputs.labelled if where is None else where
    return np.where(keep, np.clip(score, 0.0, 1.0), np.nan).astype(np.float32)


def suggestion(other: Int32, where: Bool) -> Int32:
    """(n,) the other label; −1 outside ``where``."""
    return np.where(where, other, -1).astype(np.int32)


class DisbeliefSignal(BaseSignal):
    """1 − p_y of one probability matrix, with the likeliest other label as the suggestion."""

    kind = Kind.NOISY_LABEL
    requires = frozenset({Input.LABELS, Input.BELIEFS})
    absent: ClassVar[str] = ""
    """Why nothing is scored where there are no probabilities."""

    def probabilities(self, inputs: SignalInputs) -> Float32 | None:
        """(n, C) probabilities of the labels, or None."""
        raise NotImplementedError

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the labelled samples."""
        probs = self.probabilities(inputs)
        if probs is None:
            return skipped(inputs, self.absent)
        if probs.shape[1] < 2:
            return skipped(inputs, "only one class")
        own, _, other = own_and_rest(probs, inputs.labels)
        return SignalResult(clipped(inputs, 1.0 - own), suggestion(other, inputs.labelled))


class ConsensusSignal(BaseSignal):
    """An expression of the consensus probabilities of at least two classes."""

    requires = frozenset({Input.LABELS, Input.BELIEFS})

    def result(self, inputs: SignalInputs, probs: Float32) -> SignalResult:
        """Scores from (n, C) probabilities."""
        raise NotImplementedError

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the samples."""
        assert inputs.beliefs is not None
        probs = inputs.beliefs.probs
        return self.result(inputs, probs) if probs.shape[1] >= 2 else skipped(inputs, "only one class")


class TrainingSignal(BaseSignal):
    """An expression of one summary of the training. Precomputed probabilities have none."""

    requires = frozenset({Input.LABELS, Input.BELIEFS})
    summary: ClassVar[str]
    """Its key in ``Beliefs.dynamics``."""

    def result(self, inputs: SignalInputs, value: Float32, keep: Bool) -> SignalResult:
        """Scores from the (n,) summary; ``keep`` (n,) bool marks the labelled samples that have one."""
        raise NotImplementedError

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the labelled samples."""
        assert inputs.beliefs is not None
        value = inputs.beliefs.dynamics.get(self.summary)
        if value is None or not np.isfinite(value[inputs.labelled]).any():
            return skipped(inputs, NO_HISTORY)
        return self.result(inputs, value, inputs.labelled & np.isfinite(value))
