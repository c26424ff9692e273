"""Early-learning target: what the model believed over the whole of its training."""

from __future__ import annotations

from typing import ClassVar

from ...types import Input, Kind, SignalInputs, SignalResult
from ._label_math import disbelief, nothing
from .base import SIGNALS


class LabelElr:
    """Disbelief of the temporal ensemble.

    Formula: 1 − t_y with t ← βt + (1 − β)p after every epoch, p out of fold. Suggestion: argmax_{k≠y} t_k.

    Source: Liu et al., "Early-Learning Regularization" (NeurIPS 2020).
    """

    name: ClassVar[str] = "label_elr"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.NOISY_LABEL
    title: ClassVar[str] = "Early learning"
    explain: ClassVar[str] = "Averaged over training, the model kept believing another label."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.BELIEFS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        beliefs = inputs.beliefs
        assert beliefs is not None
        if beliefs.targets is None:
            return nothing(inputs, "the beliefs were brought: there is no training history")
        return disbelief(inputs, beliefs.targets)


SIGNALS.register(LabelElr.name)(LabelElr())
