"""Evidence that a sample is hard, with a label that is probably right."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...types import Float32, Input, Kind, KindEvidence, SignalInputs, SignalResult, Strings
from ..arithmetic import own_and_rest, votes
from .noisy_label import noisy_label_posterior, two_classes_believed

_ROBUST = frozenset({"gce", "sce"})


def hard(inputs: SignalInputs, results: Mapping[str, SignalResult]) -> KindEvidence:
    """Difficulty: how little the views believe the label, or the likelier label where the given one is probably wrong.

    Notes
    -----
    h = (1 − π²)·(1 − b_y) + π²·(1 − b_r) with b the mean of the consensus and of the views' mean probability, π the
    probability that the label is wrong and r its rival, so that label noise does not read as difficulty. Unlike noise,
    difficulty is partly an average: one view that cannot see the class makes a sample harder. Flag: h > ½ where the
    views' best guess b is another label and yet the given one is not called wrong.

    References
    ----------
    C-score by held-out models, Jiang et al. (ICML 2021).
    """
    n = inputs.n
    probability, flag = np.zeros(n, np.float32), np.zeros(n, bool)
    reasons: Strings = np.full(n, "", object)
    belief = mean_belief(inputs)
    if belief is None or not two_classes_believed(inputs):
        return KindEvidence(Kind.HARD, probability, flag, reasons, info={"skipped": "no beliefs about two classes"})
    keep = inputs.labelled
    noise = noisy_label_posterior(inputs)
    wrong = noise.probability**2
    own, rest, _ = own_and_rest(belief, inputs.labels)
    probability[keep] = ((1 - wrong) * (1 - own) + wrong * (1 - np.maximum(rest, own)))[keep]
    mistaken = belief.argmax(1) != inputs.labels
    flag[keep] = (probability[keep] > 0.5) & mistaken[keep] & ~noise.flag[keep]
    top = np.argsort(-belief, axis=1, kind="stable")[:, :2]
    for i in np.flatnonzero(flag):
        first, second = (inputs.class_names[k] for k in top[i])
        given = inputs.class_names[inputs.labels[i]]
        reasons[i] = (
            f"The models are uncertain: p(*{first}*) = {belief[i, top[i, 0]]:.2f}, "
            f"p(*{second}*) = {belief[i, top[i, 1]]:.2f}; the given label has p(*{given}*) = {own[i]:.2f}, which is "
            "not enough to flag it as noisy."
        )
    return KindEvidence(Kind.HARD, np.clip(probability, 0, 1), flag, reasons)


def mean_belief(inputs: SignalInputs) -> Float32 | None:
    """(n, C) half the consensus, half the mean of all views' probabilities; None without labels."""
    if inputs.beliefs is None or not inputs.has(Input.LABELS):
        return None
    beliefs = inputs.beliefs
    total = np.zeros_like(beliefs.probs, np.float32)
    count = 0
    for name, p in sorted(beliefs.extra_probs.items()):
        if name not in _ROBUST and p.shape == total.shape:
            total += np.nan_to_num(p)
            count += 1
    if inputs.label_neighbors is not None and inputs.label_neighbors.k > 0:
        total += votes(inputs.label_neighbors, inputs.labels, inputs.ok, inputs.n_classes)
        count += 1
    mean: Float32 = ((beliefs.probs + total / np.float32(count)) / 2 if count else beliefs.probs).astype(np.float32)
    return mean
