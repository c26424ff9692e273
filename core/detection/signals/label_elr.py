"""Early-learning target: what the model believed over the whole of its training."""

from __future__ import annotations

from ...types import Float32, SignalInputs
from ._labels import NO_HISTORY, DisbeliefSignal
from .base import SIGNALS


class LabelElr(DisbeliefSignal):
    """Disbelief of the temporal ensemble.

    Notes
    -----
    Formula: 1 − t_y with t ← βt + (1 − β)p after every epoch, p out of fold. Suggestion: argmax_{k≠y} t_k.

    References
    ----------
    Liu et al., "Early-Learning Regularization" (NeurIPS 2020).
    """

    name = "label_elr"
    title = "Early-learning regularization (ELR)"
    explain = "Averaged over the epochs of training, another label is more probable."
    absent = NO_HISTORY

    def probabilities(self, inputs: SignalInputs) -> Float32 | None:
        """The early-learning target."""
        assert inputs.beliefs is not None
        return inputs.beliefs.targets


SIGNALS.register(LabelElr.name)(LabelElr())
