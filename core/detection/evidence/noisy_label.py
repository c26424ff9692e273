"""Evidence that a label is wrong: one calibrated probability from the consensus of all label views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...types import Bool, Float32, Input, Int32, Kind, KindEvidence, Modality, SignalInputs, SignalResult, Strings
from ..arithmetic import own_and_rest
from ._calibrate import (
    best_f1_threshold,
    blocks,
    clean_belief,
    expected_transition,
    monotone,
    noise_model,
    recalibrate,
    wrong_label_posterior,
)
from ._guard import NEAREST, locally_supported
from ._match import with_captions
from ._outvoted import contested, outvoted

_FLOOR, _CEILING = 1 / 3, 1 / 2
"""Bounds of the threshold: never flag what is twice as likely right, always flag what is likelier wrong."""
_EPSILON, _LEAD = (0.001, 0.03), 0.75
"""ε for beliefs about the true class and about the given label."""
_TIES = 0.1
"""Weight of the given label's beliefs beside those about the true class, many of which are nearly sure and alike."""
_TOLERANCE = 0.002
"""Share of the largest expected F1 that the threshold may lose to flag more: the curve is flat there."""
_NEAR = 10
"""Neighbours that a reason mentions."""


def noisy_label(inputs: SignalInputs, results: Mapping[str, SignalResult]) -> KindEvidence:
    """Probability that the given label is wrong, from the beliefs in ``inputs`` (see :mod:`._consensus`).

    Notes
    -----
    Order: s = r(q, .001) + .1·r(p, .03) with r(b, ε) = ¾·log(max_{k≠y} b_k + ε) − log(b_y + ε), q the beliefs about the
    true class (``beliefs.clean``), p those about the given label; r(p, .03) where there are no others. Surprise about
    the label (−log b_y) finds noise best, the lead of a rival (log-odds) tells noise from difficulty best; this keeps
    both. A sample that no class fits (difficult, or of no class at all) has little of the second, and stays below an
    equally surprising one that clearly fits another class. Beliefs below ε are treated alike: the views are not that
    exact.

    Level: beliefs about given labels are recalibrated by isotonic regression (Zadrozny & Elkan 2002). The noise
    transition is the confident joint's (Northcutt et al. 2021) after one step of EM. Bayes' rule with it gives the
    probability that this label is wrong; isotonic regression lays these on s. So the probabilities average to the
    estimated noise rate, and their order is that of s.
    A label is never called likelier wrong than in an even contest with its rival, p_k / (p_y + p_k): a guard for
    classes so rare that their transition cannot be known.

    Flag: p above the lowest threshold within .2% of the largest expected F1 (Lipton et al. 2014), kept within
    [1/3, 1/2]. A sample
    whose nearest neighbours support its label (:mod:`._guard`) stays at the threshold: rare is not noisy.
    """
    n = inputs.n
    reasons: Strings = np.full(n, "", object)
    if inputs.beliefs is None and contested(inputs):
        return with_captions(outvoted(inputs), inputs, results)
    if not two_classes_believed(inputs):
        info: dict[str, Any] = {"skipped": "no beliefs about two classes"}
        none = KindEvidence(Kind.NOISY_LABEL, np.zeros(n, np.float32), np.zeros(n, bool), reasons, info=info)
        return with_captions(none, inputs, results)
    posterior = noisy_label_posterior(inputs)
    rows, level = posterior.rows, posterior.probability[posterior.rows]
    near = _agreement(inputs, rows, posterior.other)
    for i, row in enumerate(rows):
        if level[i] > 0.5 * posterior.threshold:
            own, rest = float(posterior.own[i]), float(posterior.rest[i])
            reasons[row] = _reason(inputs, results, int(row), int(posterior.other[i]), own, rest, near[i])
            if posterior.guarded[row]:
                reasons[row] += (
                    f" But {posterior.support[row]} of its {NEAREST} nearest neighbours are "
                    f"*{inputs.class_names[inputs.labels[row]]}* too: a small coherent group, so it is not flagged."
                )
    info = {
        "threshold": posterior.threshold,
        "estimated_noise_rate": float(level.mean()),
        "confident_joint_rate": posterior.joint_rate,
        "guarded": int(posterior.guarded.sum()),
    }
    evidence = KindEvidence(Kind.NOISY_LABEL, posterior.probability, posterior.flag, reasons, info=info)
    return with_captions(evidence, inputs, results)


@dataclass(frozen=True)
class NoisyLabelPosterior:
    """The probability that each label is wrong, and what it was computed from.

    Attributes
    ----------
    probability, flag
        (n,) float32 and bool; 0 and False where there is no label.
    guarded
        (n,) bool, kept at the threshold because near neighbours support the label.
    support
        (n,) int64, how many of the five nearest samples carry the label.
    rows
        (m,) int64, the labelled rows.
    own, rest, other
        (m,) belief about the given label, belief about its best rival, and the rival's code.
    threshold
        Probability above which a label is flagged, in [1/3, 1/2].
    joint_rate
        Share of wrong labels by the confident joint, in [0, 1].
    """

    probability: Float32
    flag: Bool
    guarded: Bool
    support: NDArray[np.int64]
    rows: NDArray[np.int64]
    own: Float32
    rest: Float32
    other: Int32
    threshold: float
    joint_rate: float


def two_classes_believed(inputs: SignalInputs) -> bool:
    """Whether there are beliefs and labels of at least two classes."""
    given = inputs.labels[inputs.labelled]
    return inputs.beliefs is not None and inputs.has(Input.LABELS) and bool((given != given[:1]).any())


def noisy_label_posterior(inputs: SignalInputs) -> NoisyLabelPosterior:
    """Level and flag of :func:`noisy_label`, without reasons; computed once per inputs."""
    return inputs.cache.get("noisy label", lambda: _posterior(inputs))


def _posterior(inputs: SignalInputs) -> NoisyLabelPosterior:
    n, rows = inputs.n, np.flatnonzero(inputs.labelled)
    probability, flag = np.zeros(n, np.float32), np.zeros(n, bool)
    assert inputs.beliefs is not None
    probs, labels = inputs.beliefs.probs[rows], inputs.labels[rows]
    own, rest, other = own_and_rest(probs, labels)
    exact = recalibrate(probs, labels)
    model = noise_model(exact, labels, np.ones(len(rows), bool))
    transition = expected_transition(exact, labels, model)
    target = np.empty(len(rows))
    for part in blocks(len(rows)):
        target[part] = wrong_label_posterior(clean_belief(exact[part], model), labels[part], transition)
    target = np.minimum(target, rest / np.maximum(own + rest, 1e-9))
    clean = inputs.beliefs.clean
    score = _suspicion(own, rest, _EPSILON[1])
    if clean is not None:
        own_true, rest_true, _ = own_and_rest(clean[rows], labels)
        score = _suspicion(own_true, rest_true, _EPSILON[0]) + _TIES * score
    level = monotone(score, target)
    threshold = float(np.clip(best_f1_threshold(level, _TOLERANCE), _FLOOR, _CEILING))
    probability[rows] = level
    guarded, support = locally_supported(inputs.labels, inputs.labelled, inputs.label_neighbors)
    guarded &= probability > threshold
    probability[guarded] = threshold
    flag[rows] = probability[rows] > np.float32(threshold)
    return NoisyLabelPosterior(probability, flag, guarded, support, rows, own, rest, other, threshold, model.rate)


def _suspicion(own: Float32, rest: Float32, epsilon: float) -> NDArray[np.float64]:
    """(m,) ¾·log(rest + ε) − log(own + ε): high where the label is unlikely and a rival likely."""
    return np.asarray(_LEAD * np.log(rest + epsilon) - np.log(own + epsilon), np.float64)


def _agreement(inputs: SignalInputs, rows: NDArray[np.int64], other: Int32) -> NDArray[np.int64]:
    """(m, 3) of the nearest labelled neighbours: how many carry the other label, the given one, and their number."""
    out = np.zeros((len(rows), 3), np.int64)
    graph = inputs.label_neighbors
    if graph is None:
        return out
    near = np.maximum(graph.indices[rows, :_NEAR], 0)
    counted = (graph.indices[rows, :_NEAR] >= 0) & inputs.labelled[near]
    codes = np.where(counted, inputs.labels[near], -1)
    out[:, 0] = (codes == other[:, None]).sum(1)
    out[:, 1] = (codes == inputs.labels[rows][:, None]).sum(1)
    out[:, 2] = counted.sum(1)
    return out


_CITED: tuple[tuple[str, str], ...] = (
    ("label_view", "the {view} alone"),
    ("label_zero_shot", "the zero-shot class names"),
    ("label_mean", "the class means"),
    ("label_robust", "the noise-robust losses"),
)
"""Signals that a reason may cite beside the consensus and the neighbours: name, and the words for it."""


def _reason(
    inputs: SignalInputs,
    results: Mapping[str, SignalResult],
    row: int,
    other: int,
    own: float,
    rest: float,
    near: NDArray[np.int64],
) -> str:
    given, rival = (inputs.class_names[k] for k in (int(inputs.labels[row]), other))
    parts: list[str] = []
    if near[2] and near[0] >= near[1]:
        parts.append(f"{near[0]} of the {near[2]} nearest neighbours are *{rival}*")
    elif near[2]:
        parts.append(f"only {near[1]} of the {near[2]} nearest neighbours are *{given}*")
    parts.append(f"out-of-sample p(*{given}*) = {own:.2f}, p(*{rival}*) = {rest:.2f}")
    for name, source in _CITED:
        result = results.get(name)
        if result is None or result.suggestion is None:
            continue
        if result.suggestion[row] == other and result.score[row] > 0.5:
            source = source.format(view="words" if inputs.modality is Modality.TEXT else "pixels")
            parts.append(f"{source} predict *{rival}* too ({float(result.score[row]):.2f})")
            break
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "."
