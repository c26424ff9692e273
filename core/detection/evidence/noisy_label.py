"""Is the label wrong? One calibrated probability from the consensus of all label views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...types import Bool, Float32, Input, Int32, Kind, KindEvidence, Modality, SignalInputs, SignalResult, Strings
from ..signals._label_math import own_and_rest
from ..signals._ood import memoize
from ._calibrate import (
    best_f1_threshold,
    blocks,
    clean_belief,
    monotone,
    noise_model,
    recalibrate,
    wrong_label_posterior,
)
from ._guard import NEAREST, holds_together
from ._match import with_match

_FLOOR, _CEILING = 1 / 3, 1 / 2
"""Between these the threshold adapts: never flag what is twice as likely right, always flag what is likelier wrong."""
_EPSILON, _LEAD = 0.03, 0.75
_NEAR = 10
"""Neighbours that a reason speaks of."""


def noisy_label(inputs: SignalInputs, results: Mapping[str, SignalResult]) -> KindEvidence:
    """Probability that the given label is wrong, from the beliefs in ``inputs`` (see :mod:`._consensus`).

    Order: s = ¾·log(max_{k≠y} p_k + ε) − log(p_y + ε), ε = 0.03. Surprise about the label (−log p_y) finds noise best,
    the lead of a rival (log-odds) tells noise from difficulty best; this keeps both. A sample that no class fits
    (difficult, or of no class at all) has little of the second, and stays below an equally surprising one that clearly
    fits another class. Below ε no belief is told from another: the views are not that exact.

    Level: beliefs are recalibrated by isotonic regression (Zadrozny & Elkan 2002). Bayes' rule with the confident joint (Northcutt et al. 2021) turns beliefs about given labels into the
    probability that this one is wrong; isotonic regression lays these on s. So the probabilities average to the
    estimated noise rate whatever it is, and the order is that of s. Whatever the transition says, a label is never
    likelier wrong than in an even contest with its rival, p_k / (p_y + p_k): a guard for classes so rare that their
    transition cannot be known.

    Flag: p above the threshold with the largest expected F1 (Lipton et al. 2014), kept within [1/3, 1/2]. A sample of a
    small group that holds together (:mod:`._guard`) stays at the threshold: rare is not noisy.
    """
    n = inputs.n
    reasons: Strings = np.full(n, "", object)
    if not judgeable(inputs):
        nothing = np.zeros(n, np.float32)
        found = KindEvidence(
            Kind.NOISY_LABEL, nothing, np.zeros(n, bool), reasons, info={"skipped": "no beliefs about two classes"}
        )
        return with_match(found, inputs, results)
    said = noisy_label_posterior(inputs)
    rows, level = said.rows, said.probability[said.rows]
    near = _agreement(inputs, rows, said.other)
    for i, row in enumerate(rows):
        if level[i] > 0.5 * said.threshold:
            reasons[row] = _reason(
                inputs, results, int(row), int(said.other[i]), float(said.own[i]), float(said.rest[i]), near[i]
            )
            if said.guarded[row]:
                reasons[row] += (
                    f" But {said.support[row]} of its {NEAREST} nearest samples are "
                    f"*{inputs.class_names[inputs.labels[row]]}* too: a small group that holds together."
                )
    info = {
        "threshold": said.threshold,
        "estimated_noise_rate": float(level.mean()),
        "confident_joint_rate": said.joint_rate,
        "guarded": int(said.guarded.sum()),
    }
    found = KindEvidence(Kind.NOISY_LABEL, said.probability, said.flag, reasons, info=info)
    return with_match(found, inputs, results)


@dataclass(frozen=True)
class NoisyLabelPosterior:
    """probability, flag, guarded : (n,). support : (n,) of the five nearest, how many carry the label. rows : (m,) the labelled
    rows, with their beliefs about the given label (own), its best rival (rest) and the rival's code (other), each (m,).
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


def judgeable(inputs: SignalInputs) -> bool:
    """Whether there are beliefs and labels of at least two classes."""
    given = inputs.labels[inputs.labelled]
    return inputs.beliefs is not None and inputs.has(Input.LABELS) and bool((given != given[:1]).any())


def noisy_label_posterior(inputs: SignalInputs) -> NoisyLabelPosterior:
    """Level and flag of :func:`noisy_label`, without words; computed once for these very inputs."""
    return memoize(inputs, "noisy label", lambda: _judge(inputs))


def _judge(inputs: SignalInputs) -> NoisyLabelPosterior:
    n, rows = inputs.n, np.flatnonzero(inputs.labelled)
    probability, flag = np.zeros(n, np.float32), np.zeros(n, bool)
    assert inputs.beliefs is not None
    probs, labels = inputs.beliefs.probs[rows], inputs.labels[rows]
    own, rest, other = own_and_rest(probs, labels)
    exact = recalibrate(probs, labels)
    model = noise_model(exact, labels, np.ones(len(rows), bool))
    target = np.empty(len(rows))
    for part in blocks(len(rows)):
        target[part] = wrong_label_posterior(clean_belief(exact[part], model), labels[part], model.transition)
    target = np.minimum(target, rest / np.maximum(own + rest, 1e-9))
    score = _LEAD * np.log(rest + _EPSILON) - np.log(own + _EPSILON)
    level = monotone(score, target)
    cut = float(np.clip(best_f1_threshold(level), _FLOOR, _CEILING))
    probability[rows] = level
    guarded, support = holds_together(inputs.labels, inputs.labelled, inputs.label_neighbors)
    guarded &= probability > cut
    probability[guarded] = cut
    flag[rows] = probability[rows] > np.float32(cut)
    return NoisyLabelPosterior(probability, flag, guarded, support, rows, own, rest, other, cut, model.rate)


def _agreement(inputs: SignalInputs, rows: NDArray[np.int64], other: Int32) -> NDArray[np.int64]:
    """(len(rows), 3) of the nearest labelled neighbours: how many carry the other label, the given one, and their number."""
    out = np.zeros((len(rows), 3), np.int64)
    graph = inputs.label_neighbors
    if graph is None:
        return out
    index = graph.indices[rows, :_NEAR]
    there = index >= 0
    safe = np.where(there, index, 0)
    there &= inputs.labelled[safe]
    codes = np.where(there, inputs.labels[safe], -1)
    out[:, 0] = (codes == other[:, None]).sum(1)
    out[:, 1] = (codes == inputs.labels[rows][:, None]).sum(1)
    out[:, 2] = there.sum(1)
    return out


_VOICES: tuple[tuple[str, str], ...] = (
    ("label_view", "its {view} alone"),
    ("label_zero_shot", "the class names"),
    ("label_mean", "the class centres"),
    ("label_robust", "the noise-robust models"),
)
"""Signals that a reason may cite beside the consensus and the neighbours: name, and how it is said."""


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
        parts.append(f"{near[0]} of {near[2]} neighbours are *{rival}*")
    elif near[2]:
        parts.append(f"only {near[1]} of {near[2]} neighbours are *{given}*")
    believed = "the models never believed" if own < 0.05 else "the models doubt"
    parts.append(f"{believed} *{given}* ({own:.2f}) and find *{rival}* likelier ({rest:.2f})")
    for name, voice in _VOICES:
        said = results.get(name)
        if said is not None and said.suggestion is not None and said.suggestion[row] == other and said.score[row] > 0.5:
            voice = voice.format(view="words" if inputs.modality is Modality.TEXT else "pixels")
            parts.append(f"{voice} point to *{rival}* too ({float(said.score[row]):.2f})")
            break
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "."
