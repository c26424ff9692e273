"""Evidence that a label is wrong where there are too many classes for models: the nearest neighbours alone."""

from __future__ import annotations

import numpy as np
from sklearn.isotonic import IsotonicRegression

from ...types import Bool, Input, Kind, KindEvidence, SignalInputs, Strings
from ..arithmetic import neighbor_contest

_NOISE = 0.01, 0.1
"""Least and largest share of wrong labels that is assumed: neighbours that are often wrong say little about it."""


def contested(inputs: SignalInputs) -> bool:
    """Whether there are neighbours, and labels of at least two classes."""
    given = inputs.labels[inputs.labelled]
    return inputs.has(Input.LABEL_NEIGHBORS) and inputs.has(Input.LABELS) and bool((given != given[:1]).any())


def outvoted(inputs: SignalInputs) -> KindEvidence:
    """Probability that a label is wrong because the neighbours vote for another one.

    Notes
    -----
    v are the neighbours' shares of votes (:func:`..arithmetic.vote_contest`), t the class with the most of them. How
    often t is the given label at a share s is a(s), by isotonic regression over all samples. The noise rate ε is how
    often t is not the given label among the quarter with the largest shares, within [0.01, 0.1], and the neighbours are
    right in r = a/(1 − ε). Where t differs from the label, it is wrong with p = rε / (rε + 1 − r); flagged from one
    half. Where t is the label, p = 0. A label that no other sample carries cannot be outvoted: p = 0, and it counts
    nowhere.
    """
    own, rest, other = neighbor_contest(inputs)
    size = np.bincount(inputs.labels[inputs.labelled], minlength=inputs.n_classes)
    judged: Bool = inputs.labelled & (size[np.maximum(inputs.labels, 0)] >= 2)
    probability = np.zeros(inputs.n, np.float32)
    reasons: Strings = np.full(inputs.n, "", object)
    rate = 0.0
    if judged.any():
        agrees, share = (own >= rest)[judged], np.maximum(own, rest)[judged].astype(np.float64)
        fit = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(share, agrees)
        sure = agrees[share >= np.quantile(share, 0.75)]
        rate = float(np.clip(1.0 - sure.mean(), *_NOISE))
        right = np.minimum(fit.predict(share) / (1.0 - rate), 1.0 - 1e-6)
        wrong = right * rate / (right * rate + 1.0 - right)
        probability[judged] = np.where(agrees, 0.0, wrong)
    flag = probability >= 0.5
    for row in np.flatnonzero(probability >= 0.25):
        given, rival = (inputs.class_names[k] for k in (int(inputs.labels[row]), int(other[row])))
        reasons[row] = (
            f"Its nearest neighbours vote for *{rival}* ({rest[row]:.2f}) rather than for *{given}* ({own[row]:.2f}); "
            "there are too many classes for models of the labels."
        )
    info = {"threshold": 0.5, "estimated_noise_rate": rate, "judged": int(judged.sum())}
    return KindEvidence(Kind.NOISY_LABEL, probability, flag, reasons, info=info)
