"""Leave-one-out memorisation: rare samples with a right label."""

from __future__ import annotations

from ...types import Bool, Float32, Kind, SignalInputs, SignalResult
from ._labels import TrainingSignal, clipped
from .base import SIGNALS


class HardMemorised(TrainingSignal):
    """How much better the label is known by models that trained on the sample.

    Notes
    -----
    Formula: memᵢ = P(y | trained with i) − P(y | trained without i), both averaged over epochs and models, clipped
    at 0. A rare sample with the right label is memorised, which speaks against label noise. Shown, without a vote:
    what is rare is guarded by its neighbours (:mod:`...evidence._guard`), and the rank correlation of this score with
    human difficulty was .16.

    References
    ----------
    Feldman & Zhang, "What Neural Networks Memorize and Why" (NeurIPS 2020).
    """

    name = "hard_memorised"
    kind = Kind.HARD
    title = "Memorization"
    explain = "Only models trained on the sample predict its label: typical of rare samples with a right label."
    summary = "memorisation"

    def result(self, inputs: SignalInputs, value: Float32, keep: Bool) -> SignalResult:
        """The difference itself."""
        return SignalResult(clipped(inputs, value, keep))


SIGNALS.register(HardMemorised.name)(HardMemorised())
