"""Confident learning: self-confidence measured against what is usual for the class (cleanlab)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ..types import Input, Kind, SignalInputs, SignalResult
from . import SIGNALS
from ._label_math import disbelief, nothing


class LabelConfident:
    """Class-adjusted self-confidence of confident learning, as cleanlab computes it.

    Formula: with thresholds t_j = mean of p_j over samples labelled j, q = normalise(p_k − t_k + max_j t_j) and
    score = 1 − q_y. Suggestion: argmax_{k≠y} q_k.

    Source: Northcutt, Jiang & Chuang, "Confident Learning" (JAIR 2021); cleanlab `adjust_pred_probs`.
    """

    name: ClassVar[str] = "label_confident"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.NOISY_LABEL
    title: ClassVar[str] = "Confident learning"
    explain: ClassVar[str] = "The model is less sure of the given label than it usually is of that class."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.BELIEFS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        beliefs = inputs.beliefs
        assert beliefs is not None
        keep = inputs.labelled
        probs = np.asarray(beliefs.probs, np.float64)
        present = np.bincount(inputs.labels[keep], minlength=probs.shape[1]) > 0
        if probs.shape[1] < 2 or present.sum() < 2:
            return nothing(inputs, "fewer than two classes in use")
        from cleanlab.internal.label_quality_utils import _subtract_confident_thresholds

        # cleanlab wants every class to occur: columns of unused classes are left out for it and count as impossible
        used = np.flatnonzero(present)
        code = np.full(len(present), -1)
        code[used] = np.arange(len(used))
        some = probs[np.ix_(keep, used)]
        some = some / np.maximum(some.sum(1, keepdims=True), 1e-12)
        adjusted = np.zeros_like(probs)
        adjusted[np.ix_(keep, used)] = _subtract_confident_thresholds(code[inputs.labels[keep]], some)
        return disbelief(inputs, adjusted.astype(np.float32))


SIGNALS.register(LabelConfident.name)(LabelConfident())
