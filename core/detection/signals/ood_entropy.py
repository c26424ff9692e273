"""Beliefs that cannot decide."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ...types import Input, SignalInputs
from ._ood import OutlierSignal, entropy
from .base import SIGNALS


class OodEntropy(OutlierSignal):
    """Entropy of the out-of-sample belief.

    Notes
    -----
    Formula: v = −Σ_k p_k ln p_k / ln C. The score is :func:`._ood.robust_scale` of v.

    References
    ----------
    Hendrycks and Gimpel (2017), "A baseline for detecting misclassified and out-of-distribution examples", ICLR.
    """

    name = "ood_entropy"
    title = "Predictive entropy"
    explain = "The probe spreads its probability over many classes."
    requires = frozenset({Input.BELIEFS})

    def value(self, inputs: SignalInputs) -> NDArray[Any]:
        """The entropy."""
        assert inputs.beliefs is not None
        return entropy(inputs.beliefs.probs)


SIGNALS.register(OodEntropy.name)(OodEntropy())
