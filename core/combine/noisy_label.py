"""Is the label wrong? One calibrated probability from the consensus of all label views."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..types import Input, Kind, KindEvidence, SignalInputs, SignalResult
from ._calibrate import monotone, noise_model, wrong_label_posterior


def noisy_label(inputs: SignalInputs, results: Mapping[str, SignalResult]) -> KindEvidence:
    """Probability that the given label is wrong."""
    n = inputs.n
    none = KindEvidence(Kind.NOISY_LABEL, np.zeros(n, np.float32), np.zeros(n, bool), np.full(n, "", object))
    if inputs.beliefs is None or not inputs.has(Input.LABELS):
        return none
    keep = inputs.labelled
    probs = inputs.beliefs.probs
    model = noise_model(probs, inputs.labels, keep)
    rows = np.flatnonzero(keep)
    own = probs[rows, inputs.labels[rows]]
    target = wrong_label_posterior(probs[rows], inputs.labels[rows], model.transition)
    probability = np.zeros(n, np.float32)
    probability[rows] = monotone(1.0 - own, target)
    flag = probability > 0.5
    reasons = np.full(n, "", object)
    for i in np.flatnonzero(flag):
        given = inputs.class_names[inputs.labels[i]]
        other = int(np.argsort(-probs[i])[0])
        reasons[i] = (
            f"The models find *{inputs.class_names[other]}* likelier ({probs[i, other]:.2f}) than the given "
            f"*{given}* ({probs[i, inputs.labels[i]]:.2f})."
        )
    return KindEvidence(Kind.NOISY_LABEL, probability, flag, reasons, info={"rate": model.rate})
