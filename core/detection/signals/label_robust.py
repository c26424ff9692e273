"""Noise-robust losses: probes trained with generalised and symmetric cross-entropy."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._label_math import disbelief, nothing
from .base import SIGNALS


class LabelRobust:
    """Mean disbelief of the probes that wrong labels mislead least.

    Formula: 1 − (p_y^GCE + p_y^SCE)/2, out of fold. Suggestion: the likeliest other label of their mean.

    Source: Zhang & Sabuncu, generalized cross entropy (NeurIPS 2018); Wang et al., symmetric cross entropy (ICCV 2019).
    """

    name: ClassVar[str] = "label_robust"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.NOISY_LABEL
    title: ClassVar[str] = "Noise-robust probes"
    explain: ClassVar[str] = "Models that are trained to shrug off wrong labels disagree with this one."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.BELIEFS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        beliefs = inputs.beliefs
        assert beliefs is not None
        both = [beliefs.extra_probs[k] for k in ("gce", "sce") if k in beliefs.extra_probs]
        if not both:
            return nothing(inputs, "no noise-robust probe was trained")
        return disbelief(inputs, np.mean(both, axis=0).astype(np.float32))


SIGNALS.register(LabelRobust.name)(LabelRobust())
