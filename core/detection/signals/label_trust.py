"""Trust weight: how much a label deserves to weigh in training."""

from __future__ import annotations

import numpy as np

from ...types import Float32, Kind, SignalInputs, SignalResult
from ..arithmetic import own_and_rest
from ._labels import ConsensusSignal, clipped, suggestion
from .base import SIGNALS


class LabelTrust(ConsensusSignal):
    """One minus the learned trust weight of the label.

    Notes
    -----
    Formula: w = p_y / (p_y + max_{k≠y} p_k), from the consensus p of all probes; score = 1 − w. A label that leads has
    w > ½, an even contest ½; export writes w as ``sample_weight``.

    References
    ----------
    Importance reweighting, Liu & Tao (TPAMI 2016); the two-way contest is Bradley & Terry (1952).
    """

    name = "label_trust"
    kind = Kind.NOISY_LABEL
    title = "Label weight"
    explain = "How little weight the label deserves in training (exported as sample_weight = 1 − score)."

    def result(self, inputs: SignalInputs, probs: Float32) -> SignalResult:
        """Score the labelled samples."""
        own, rest, other = own_and_rest(probs, inputs.labels)
        score = rest / np.maximum(own + rest, 1e-12)
        return SignalResult(clipped(inputs, score), suggestion(other, inputs.labelled))


SIGNALS.register(LabelTrust.name)(LabelTrust())
