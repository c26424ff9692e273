"""Evidence that a sample is so easy that it teaches nothing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...types import Kind, KindEvidence, SignalInputs, SignalResult, Strings
from .hard import mean_belief

_SURE = 0.95
"""Least belief of all views together in the label of a naive sample."""


def naive(inputs: SignalInputs, results: Mapping[str, SignalResult]) -> KindEvidence:
    """Easiness: how much all views believe the label, less their doubt about everything else.

    Notes
    -----
    e = b_y − H(b) / (5·log C), clipped to [0, 1], with b half the consensus and half the mean of the views'
    probabilities and H its entropy. Flag: b_y ≥ 0.95, and the loss history under strong augmentation lies below its
    Otsu threshold (score of ``naive_loss_history`` > ½; not required where there is no history).

    References
    ----------
    Sample-adaptive augmentation for the history; C-score (Jiang et al. 2021) for the held-out belief.
    """
    n = inputs.n
    probability, flag = np.zeros(n, np.float32), np.zeros(n, bool)
    reasons: Strings = np.full(n, "", object)
    belief = mean_belief(inputs)
    if belief is None:
        return KindEvidence(Kind.NAIVE, probability, flag, reasons, info={"skipped": "no beliefs about two classes"})
    rows = np.flatnonzero(inputs.labelled)
    own = belief[rows, inputs.labels[rows]]
    history = results.get("naive_loss_history")
    easy = history.score[rows] if history is not None else np.full(len(rows), np.nan, np.float32)
    known = np.isfinite(easy)
    entropy = -(belief[rows] * np.log(np.maximum(belief[rows], 1e-9))).sum(1) / np.log(inputs.n_classes)
    probability[rows] = np.clip(own - 0.2 * entropy, 0, 1)
    flag[rows] = (own >= _SURE) & (~known | (easy > 0.5))
    for row in np.flatnonzero(flag):
        reasons[row] = (
            f"Every label view predicts *{inputs.class_names[inputs.labels[row]]}* "
            f"({belief[row, inputs.labels[row]]:.2f}), even under strong augmentation."
        )
    return KindEvidence(Kind.NAIVE, probability, flag, reasons)
