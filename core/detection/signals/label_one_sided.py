"""One-sided noise: samples of a background class that belong to a real one."""

from __future__ import annotations

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ..arithmetic import own_and_rest
from ._labels import clipped, suggestion
from .base import SIGNALS, BaseSignal, skipped

_BACKGROUND = frozenset(
    "background bg none no_finding other others negative oos out_of_scope unknown nothing".split()  # noqa: SIM905
)
"""Names of background classes, in lower case with underscores."""


class LabelOneSided(BaseSignal):
    """For datasets with a background class: annotators overlook objects, but seldom invent them.

    Notes
    -----
    Formula: for samples labelled background b, score = max_{k≠b} p_k / (max_{k≠b} p_k + p_b); others are not scored.
    Background classes are recognised by name.

    References
    ----------
    One-sided (positive–unlabelled) noise, Elkan & Noto (KDD 2008).
    """

    name = "label_one_sided"
    kind = Kind.NOISY_LABEL
    title = "One-sided noise (background)"
    explain = "Labelled as background, but another class is more probable."
    requires = frozenset({Input.LABELS, Input.BELIEFS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the samples of background classes."""
        assert inputs.beliefs is not None
        names = [c.strip().lower().replace("-", "_").replace(" ", "_") for c in inputs.class_names]
        background = [i for i, name in enumerate(names) if name in _BACKGROUND]
        where = inputs.labelled & np.isin(inputs.labels, background)
        if not where.any():
            return skipped(inputs, "no class is called background, none, other or the like")
        own, rest, other = own_and_rest(inputs.beliefs.probs, inputs.labels)
        score = rest / np.maximum(own + rest, 1e-12)
        return SignalResult(clipped(inputs, score, where), suggestion(other, where))


SIGNALS.register(LabelOneSided.name)(LabelOneSided())
