"""Second views: probes on other descriptions of the sample than its embedding."""

from __future__ import annotations

import numpy as np

from ...types import Float32, SignalInputs
from ._labels import DisbeliefSignal
from .base import SIGNALS

_SAME_VIEW = frozenset({"linear", "kernel", "gce", "sce"})


class LabelView(DisbeliefSignal):
    """Disbelief of the kernel probes on further views: raw pixels, words, or another encoder.

    Notes
    -----
    Formula: 1 − q_y with q ∝ ∏_v p_v^{1/V} over the views v beside the embedding. Suggestion: argmax_{k≠y} q_k.

    References
    ----------
    Co-training, Blum & Mitchell (COLT 1998): views that err independently; Genest & Zidek (1986) for the pool.
    """

    name = "label_view"
    title = "Second label view"
    explain = "A model of the pixels or of the words alone disagrees with the label."
    absent = "the samples have no second view"

    def probabilities(self, inputs: SignalInputs) -> Float32 | None:
        """The pool of all further views."""
        assert inputs.beliefs is not None
        extra = inputs.beliefs.extra_probs
        views = [k for k in sorted(extra) if k not in _SAME_VIEW and not k.startswith("joint_")]
        if not views:
            return None
        pooled = np.exp(sum(np.log(np.maximum(extra[k], 1e-6)) for k in views) / len(views))
        return np.asarray(pooled / pooled.sum(1, keepdims=True), np.float32)


SIGNALS.register(LabelView.name)(LabelView())
