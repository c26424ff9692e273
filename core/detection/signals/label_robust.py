"""Noise-robust losses: probes trained with generalised and symmetric cross-entropy."""

from __future__ import annotations

import numpy as np

from ...types import Float32, SignalInputs
from ._labels import DisbeliefSignal
from .base import SIGNALS


class LabelRobust(DisbeliefSignal):
    """Mean disbelief of the probes that wrong labels mislead least.

    Notes
    -----
    Formula: 1 − (p_y^GCE + p_y^SCE)/2, out of fold. Suggestion: the likeliest other label of their mean.

    References
    ----------
    Zhang & Sabuncu, generalized cross entropy (NeurIPS 2018); Wang et al., symmetric cross entropy (ICCV 2019).
    """

    name = "label_robust"
    title = "Noise-robust losses (GCE, SCE)"
    explain = "Probes trained with losses that tolerate wrong labels disagree with this one."
    absent = "no noise-robust probe was trained"

    def probabilities(self, inputs: SignalInputs) -> Float32 | None:
        """The mean of both probes."""
        assert inputs.beliefs is not None
        both = [inputs.beliefs.extra_probs[k] for k in ("gce", "sce") if k in inputs.beliefs.extra_probs]
        return np.mean(both, axis=0).astype(np.float32) if both else None


SIGNALS.register(LabelRobust.name)(LabelRobust())
