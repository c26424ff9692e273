"""Is the sample hard, with a label that is probably right?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..types import Kind, KindEvidence, SignalInputs, SignalResult


def hard(inputs: SignalInputs, results: Mapping[str, SignalResult]) -> KindEvidence:
    """Difficulty in [0, 1]."""
    n = inputs.n
    probability = np.zeros(n, np.float32)
    if inputs.beliefs is not None and inputs.n_classes >= 2:
        keep = inputs.labelled
        probability[keep] = 1 - inputs.beliefs.probs[np.flatnonzero(keep), inputs.labels[keep]]
    flag = probability > 0.5
    return KindEvidence(Kind.HARD, probability, flag, np.where(flag, "No model is sure of the label.", ""))
