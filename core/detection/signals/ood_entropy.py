"""Beliefs that cannot decide."""

from __future__ import annotations

from typing import ClassVar

from ...types import Input, Kind, SignalInputs, SignalResult
from ._ood import entropy, robust_scale
from .base import SIGNALS


class OodEntropy:
    """Entropy of the out-of-sample belief.

    Formula: v = −Σ_k p_k ln p_k / ln C. The score is ``_ood.squash`` of that: ½ where it lies twice as far above the median as the ninth decile does.

    Source: Hendrycks and Gimpel (2017), "A baseline for detecting misclassified and out-of-distribution examples", ICLR.
    """

    name: ClassVar[str] = "ood_entropy"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.OOD
    title: ClassVar[str] = "Undecided"
    explain: ClassVar[str] = "The probe cannot tell which class it is."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.BELIEFS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        assert inputs.beliefs is not None
        return SignalResult(robust_scale(entropy(inputs.beliefs.probs), inputs.ok))


SIGNALS.register(OodEntropy.name)(OodEntropy())
