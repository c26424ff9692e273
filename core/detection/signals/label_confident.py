"""Confident learning: self-confidence measured against what is usual for the class (cleanlab)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...types import Float32, SignalInputs
from ._labels import DisbeliefSignal
from .base import SIGNALS

_BLOCK = 65_536
"""Rows that are held in double precision at once."""


class LabelConfident(DisbeliefSignal):
    """Class-adjusted self-confidence of confident learning, as cleanlab computes it.

    Notes
    -----
    Formula: with thresholds t_j = mean of p_j over samples labelled j, q = normalise(p_k − t_k + max_j t_j) and
    score = 1 − q_y. Suggestion: argmax_{k≠y} q_k.

    References
    ----------
    Northcutt, Jiang & Chuang, "Confident Learning" (JAIR 2021); cleanlab `adjust_pred_probs`.
    """

    name = "label_confident"
    title = "Confident learning"
    explain = "The probability of the given label is below the mean of its class, and another class's is above."
    absent = "fewer than two classes in use"

    def probabilities(self, inputs: SignalInputs) -> Float32 | None:
        """The consensus, adjusted by the class thresholds."""
        assert inputs.beliefs is not None
        probs, classes = inputs.beliefs.probs, inputs.beliefs.probs.shape[1]
        rows = np.flatnonzero(inputs.labelled)
        count = np.bincount(inputs.labels[rows], minlength=classes)
        used = np.flatnonzero(count)
        if classes < 2 or len(used) < 2:
            return None
        from cleanlab.internal.constants import CONFIDENT_THRESHOLDS_LOWER_BOUND
        from cleanlab.internal.label_quality_utils import _subtract_confident_thresholds

        # columns of unused classes are left out and count as impossible
        def scaled(part: NDArray[np.int64]) -> NDArray[np.float64]:
            kept = probs[part] if len(used) == classes else probs[np.ix_(part, used)]
            double = kept.astype(np.float64)
            return np.asarray(double / np.maximum(double.sum(1, keepdims=True), 1e-12))

        parts = np.split(rows, range(_BLOCK, len(rows), _BLOCK))
        code = np.cumsum(count > 0) - 1
        own = np.zeros(len(used))
        for part in parts:
            given = code[inputs.labels[part]]
            own += np.bincount(given, weights=scaled(part)[np.arange(len(part)), given], minlength=len(used))
        threshold = np.maximum(own / count[used], CONFIDENT_THRESHOLDS_LOWER_BOUND)
        adjusted = np.zeros(probs.shape, np.float32)
        for part in parts:
            adjusted[np.ix_(part, used)] = _subtract_confident_thresholds(
                None, scaled(part), confident_thresholds=threshold
            )
        return adjusted


SIGNALS.register(LabelConfident.name)(LabelConfident())
