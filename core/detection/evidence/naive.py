"""Evidence that a sample is so easy that it teaches nothing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...types import Kind, KindEvidence, SignalInputs, SignalResult, Strings
from .hard import mean_belief

_MASS = 0.01
"""Share of all that the models still have to learn that the naive samples carry together."""


def naive(inputs: SignalInputs, results: Mapping[str, SignalResult]) -> KindEvidence:
    """Easiness: how much all views believe the label, less their doubt about everything else.

    Notes
    -----
    e = b_y − H(b) / (5·log C), clipped to [0, 1], with b half the consensus and half the mean of the views'
    probabilities and H its entropy. Flag: the longest list by descending e, of samples whose label is the views' best
    guess, over which 1 − b_y sums to at most 1% of its sum over all labelled samples. 1 − b_y is the length of the
    gradient with respect to the own logit, so the list says what dropping it costs: a hundredth of the signal that is
    left to learn from. Being relative to the whole, its size changes little with the sample, the noise or the models.

    References
    ----------
    Paul et al. (2021), "Deep learning on a data diet", NeurIPS: the norm of the error bounds a sample's influence.
    C-score (Jiang et al. 2021) for the held-out belief.
    """
    n = inputs.n
    probability, flag = np.zeros(n, np.float32), np.zeros(n, bool)
    reasons: Strings = np.full(n, "", object)
    belief = mean_belief(inputs)
    if belief is None:
        return KindEvidence(Kind.NAIVE, probability, flag, reasons, info={"skipped": "no beliefs about two classes"})
    rows = np.flatnonzero(inputs.labelled)
    own = belief[rows, inputs.labels[rows]]
    entropy = -(belief[rows] * np.log(np.maximum(belief[rows], 1e-9))).sum(1) / np.log(inputs.n_classes)
    probability[rows] = np.clip(own - 0.2 * entropy, 0, 1)
    easy = np.flatnonzero(belief[rows].argmax(1) == inputs.labels[rows])
    easy = easy[np.argsort(-probability[rows[easy]], kind="stable")]
    left = np.cumsum(1.0 - own[easy], dtype=np.float64)
    listed = easy[left <= _MASS * float((1.0 - own).sum(dtype=np.float64))]
    flag[rows[listed]] = True
    for row in np.flatnonzero(flag):
        reasons[row] = (
            f"Every view is sure of *{inputs.class_names[inputs.labels[row]]}* "
            f"({belief[row, inputs.labels[row]]:.2f}): it is among the easiest {len(listed) / len(rows):.0%}, which "
            f"together carry {_MASS:.0%} of what is left to learn."
        )
    info = {"share": len(listed) / max(len(rows), 1), "mass": _MASS}
    return KindEvidence(Kind.NAIVE, probability, flag, reasons, info=info)
