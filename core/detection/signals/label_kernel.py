"""The kernel probe, leave-one-out: how little probability it leaves to the given label."""

from __future__ import annotations

from ...types import Float32, SignalInputs
from ._labels import DisbeliefSignal
from .base import SIGNALS


class LabelKernel(DisbeliefSignal):
    """Leave-one-out disbelief of kernel ridge regression on Nyström features.

    Notes
    -----
    Formula: 1 − p_y with p = softmax(s · f₋ᵢ), f₋ᵢ = (fᵢ − hᵢyᵢ)/(1 − hᵢ). Suggestion: argmax_{k≠y} p_k.

    References
    ----------
    Williams & Seeger (NIPS 2001) for the features, Allen (1974) for the leave-one-out form.
    """

    name = "label_kernel"
    title = "Leave-one-out kernel ridge"
    explain = "A kernel model refitted without this sample disagrees with its label."
    absent = "no kernel probe was trained"

    def probabilities(self, inputs: SignalInputs) -> Float32 | None:
        """Those of the kernel probe."""
        assert inputs.beliefs is not None
        return inputs.beliefs.extra_probs.get("kernel")


SIGNALS.register(LabelKernel.name)(LabelKernel())
