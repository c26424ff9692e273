"""The linear probe, out of fold: how little probability it leaves to the given label."""

from __future__ import annotations

from ...types import Float32, SignalInputs
from ._labels import DisbeliefSignal
from .base import SIGNALS


class LabelProbe(DisbeliefSignal):
    """Out-of-fold disbelief of the linear probe (or of precomputed probabilities).

    Notes
    -----
    Formula: 1 − p_y with p the mean out-of-fold softmax over folds × repeats. Suggestion: argmax_{k≠y} p_k.

    References
    ----------
    Self-confidence of Northcutt, Jiang & Chuang (JAIR 2021); Alain & Bengio (2017) for linear probes.
    """

    name = "label_probe"
    title = "Out-of-sample linear probe"
    explain = "A linear model that was not trained on this sample gives its label little probability."

    def probabilities(self, inputs: SignalInputs) -> Float32 | None:
        """Those of the linear probe."""
        assert inputs.beliefs is not None
        return inputs.beliefs.extra_probs.get("linear", inputs.beliefs.probs)


SIGNALS.register(LabelProbe.name)(LabelProbe())
