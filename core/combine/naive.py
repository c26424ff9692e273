"""Is the sample so easy that it teaches nothing?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..types import Kind, KindEvidence, SignalInputs, SignalResult


def naive(inputs: SignalInputs, results: Mapping[str, SignalResult]) -> KindEvidence:
    """Easiness in [0, 1]."""
    n = inputs.n
    probability = np.zeros(n, np.float32)
    if inputs.beliefs is not None and inputs.n_classes >= 2:
        keep = inputs.labelled
        probability[keep] = inputs.beliefs.probs[np.flatnonzero(keep), inputs.labels[keep]]
    flag = probability > 0.99
    return KindEvidence(Kind.NAIVE, probability, flag, np.where(flag, "Every model is sure of the label.", ""))
