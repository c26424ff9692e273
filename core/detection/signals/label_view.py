"""Second views: probes on other descriptions of the sample than its embedding."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._label_math import disbelief, nothing
from .base import SIGNALS

_SAME_VIEW = frozenset({"linear", "kernel", "gce", "sce"})


class LabelView:
    """Disbelief of the kernel probes on further views: raw pixels, words, or another encoder.

    Formula: 1 − q_y with q ∝ ∏_v p_v^{1/V} over the views v beside the embedding. Suggestion: argmax_{k≠y} q_k.

    Source: co-training, Blum & Mitchell (COLT 1998): views that err independently; Genest & Zidek (1986) for the pool.
    """

    name: ClassVar[str] = "label_view"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.NOISY_LABEL
    title: ClassVar[str] = "Second view"
    explain: ClassVar[str] = "Another description of the sample (its pixels or its words) disagrees with the label."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.BELIEFS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        beliefs = inputs.beliefs
        assert beliefs is not None
        names = [k for k in sorted(beliefs.extra_probs) if k not in _SAME_VIEW and not k.startswith("joint_")]
        if not names:
            return nothing(inputs, "the samples have no second view")
        logs = sum(np.log(np.maximum(beliefs.extra_probs[k], 1e-6)) for k in names) / len(names)
        pooled = np.exp(logs)
        return disbelief(inputs, (pooled / pooled.sum(1, keepdims=True)).astype(np.float32))


SIGNALS.register(LabelView.name)(LabelView())
