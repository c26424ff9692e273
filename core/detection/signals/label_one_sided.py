"""One-sided noise: samples of a background class that belong to a real one."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._label_math import nothing, own_and_rest, scored
from .base import SIGNALS

_NAMES = frozenset(
    {
        "background",
        "bg",
        "none",
        "no_finding",
        "other",
        "others",
        "negative",
        "oos",
        "out_of_scope",
        "unknown",
        "nothing",
    }
)


class LabelOneSided:
    """For datasets with a background class: annotators overlook objects, but seldom invent them.

    Formula: for samples labelled background b, score = max_{k≠b} p_k / (max_{k≠b} p_k + p_b); others are not scored.

    Source: one-sided (positive–unlabelled) noise, Elkan & Noto (KDD 2008). Background classes are recognised by name.
    """

    name: ClassVar[str] = "label_one_sided"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.NOISY_LABEL
    title: ClassVar[str] = "Not background after all"
    explain: ClassVar[str] = "Labelled as background, but the model sees one of the other classes."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.BELIEFS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        beliefs = inputs.beliefs
        assert beliefs is not None
        found = [
            i
            for i, c in enumerate(inputs.class_names)
            if c.strip().lower().replace("-", "_").replace(" ", "_") in _NAMES
        ]
        where = inputs.labelled & np.isin(inputs.labels, found)
        if not where.any():
            return nothing(inputs, "no class is called background, none, other or the like")
        own, rest, other = own_and_rest(beliefs.probs, inputs.labels)
        score = rest / np.maximum(own + rest, 1e-12)
        return SignalResult(scored(inputs, score, where), suggestion=np.where(where, other, -1).astype(np.int32))


SIGNALS.register(LabelOneSided.name)(LabelOneSided())
