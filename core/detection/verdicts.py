"""From signals to one verdict per sample, with its confidence, reasons and suggested labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..types import (
    ISSUE_KINDS,
    Float32,
    Input,
    Int32,
    Kind,
    KindEvidence,
    SignalInputs,
    SignalResult,
    Strings,
    Verdicts,
)
from .arithmetic import neighbor_contest
from .evidence import COMBINERS, TagFindings, with_consensus, with_tag_conflicts, with_tags

VERDICTS_VERSION = 7
"""Raised when verdicts, reasons or suggestions change."""

SUGGESTIONS = 5


def decide(inputs: SignalInputs, results: Mapping[str, SignalResult], tags: TagFindings | None = None) -> Verdicts:
    """One verdict per sample.

    The primary verdict is the first kind in :class:`Kind`'s order whose flag is set, else ``clean``; every kind's own
    flag and probability are kept beside it. The confidence of an issue is its probability; that of ``clean`` is one
    minus the largest probability of a kind that would take a label or a sample away. A duplicate group's keeper is not
    flagged as a duplicate and so keeps its own verdict.

    Parameters
    ----------
    inputs
        What the signals saw.
    results
        What they returned, by name; any may be missing.
    tags
        What is wrong with the tags, where samples have several labels: a noisy tag makes a noisy label of its sample.

    Returns
    -------
    Verdicts
        ``suggested`` (n, min(5, C)) are the likeliest labels other than the given one, by descending probability; for
        a sample without a label the likeliest ones. Never empty on a readable row where there are beliefs.
    """
    inputs, weights = with_consensus(inputs)
    evidence = {kind: _evidence(kind, inputs, results) for kind in ISSUE_KINDS}
    noise = evidence[Kind.NOISY_LABEL]
    evidence[Kind.NOISY_LABEL] = replace(noise, info={**noise.info, "views": weights})
    if tags is not None:
        evidence[Kind.NOISY_LABEL] = with_tags(evidence[Kind.NOISY_LABEL], tags)
        evidence[Kind.DUPLICATE] = with_tag_conflicts(evidence[Kind.DUPLICATE], tags.tags)
    primary = np.full(inputs.n, Kind.CLEAN.value, object)
    harm = np.zeros(inputs.n, np.float32)
    for kind in ISSUE_KINDS:
        if kind not in (Kind.HARD, Kind.NAIVE):
            harm = np.maximum(harm, evidence[kind].probability)
    confidence = (1.0 - harm).astype(np.float32)
    reasons: Strings = np.full(inputs.n, "", object)
    undecided = np.ones(inputs.n, bool)
    for kind in ISSUE_KINDS:
        rows = undecided & evidence[kind].flag
        primary[rows] = kind.value
        confidence[rows] = evidence[kind].probability[rows]
        reasons[rows] = evidence[kind].reasons[rows]
        undecided &= ~rows
    for kind in (Kind.DUPLICATE, Kind.OOD, Kind.NOISY_LABEL, Kind.HARD):
        # a clean sample may have a reason too: it is a group's keeper, or nearly flagged
        rows = undecided & (reasons == "")
        reasons[rows] = evidence[kind].reasons[rows]
    suggested, probability = suggest(inputs, results)
    return Verdicts(primary, np.clip(confidence, 0, 1), reasons, evidence, suggested, probability)


def _evidence(kind: Kind, inputs: SignalInputs, results: Mapping[str, SignalResult]) -> KindEvidence:
    if kind not in COMBINERS:
        return KindEvidence(
            kind, np.zeros(inputs.n, np.float32), np.zeros(inputs.n, bool), np.full(inputs.n, "", object)
        )
    evidence = COMBINERS[kind](inputs, results)
    probability = np.clip(np.nan_to_num(evidence.probability, nan=0.0), 0, 1).astype(np.float32)
    return replace(evidence, kind=kind, probability=probability, flag=np.asarray(evidence.flag, bool))


def suggest(inputs: SignalInputs, results: Mapping[str, SignalResult]) -> tuple[Int32, Float32]:
    """Likeliest labels other than the given one: codes (n, m) and probabilities (n, m), m = min(5, C).

    The probabilities are those of the consensus belief, or where there are too many classes for beliefs one label, with
    its share of the neighbours' votes; where a sample's given label is left out they are not
    rescaled, so that they can be read beside it.
    """
    classes = inputs.n_classes
    m = min(SUGGESTIONS, classes)
    codes = np.full((inputs.n, m), -1, np.int32)
    values = np.zeros((inputs.n, m), np.float32)
    if inputs.beliefs is None or m == 0:
        if inputs.has(Input.LABELS) and inputs.has(Input.LABEL_NEIGHBORS):  # too many classes for beliefs
            _, rest, other = neighbor_contest(inputs)
            codes[inputs.ok, 0], values[inputs.ok, 0] = other[inputs.ok], rest[inputs.ok]
        return codes, values
    probs = np.array(inputs.beliefs.probs, np.float32)
    labelled = inputs.labels >= 0
    probs[np.flatnonzero(labelled), inputs.labels[labelled]] = -1.0
    top = np.argpartition(-probs, m - 1, axis=1)[:, :m]
    value = np.take_along_axis(probs, top, 1)
    order = np.argsort(-value, axis=1, kind="stable")
    top, value = np.take_along_axis(top, order, 1), np.take_along_axis(value, order, 1)
    known = (value >= 0) & inputs.ok[:, None]
    codes[known] = top[known]
    values[known] = value[known]
    return codes, values
