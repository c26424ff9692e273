"""GraNd: the size of the gradient early in training."""

from __future__ import annotations

from ...types import Bool, Float32, Kind, SignalInputs, SignalResult
from ..arithmetic import percentile_rank
from ._labels import TrainingSignal, clipped
from .base import SIGNALS


class HardGrand(TrainingSignal):
    """Gradient norm in the first third of the epochs, as a percentile.

    Notes
    -----
    Formula: mean of ‖p − onehot(y)‖₂ · ‖[z; 1]‖₂, out of fold; score = its rank among the labelled samples.

    References
    ----------
    Paul, Ganguli & Dziugaite, "Deep Learning on a Data Diet" (NeurIPS 2021).
    """

    name = "hard_grand"
    kind = Kind.HARD
    title = "GraNd"
    explain = "The norm of this sample's gradient early in training is large."
    summary = "grand"

    def result(self, inputs: SignalInputs, value: Float32, keep: Bool) -> SignalResult:
        """The rank of the norm."""
        return SignalResult(clipped(inputs, percentile_rank(value, keep), keep))


SIGNALS.register(HardGrand.name)(HardGrand())
