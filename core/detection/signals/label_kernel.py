"""The kernel probe, leave-one-out: how little probability it leaves to the given label."""

from __future__ import annotations

from typing import ClassVar

from ...types import Input, Kind, SignalInputs, SignalResult
from ._label_math import disbelief, nothing
from .base import SIGNALS


class LabelKernel:
    """Leave-one-out disbelief of kernel ridge regression on Nyström features.

    Formula: 1 − p_y with p = softmax(s · f₋ᵢ), f₋ᵢ = (fᵢ − hᵢyᵢ)/(1 − hᵢ). Suggestion: argmax_{k≠y} p_k.

    Source: Williams & Seeger (NIPS 2001) for the features, Allen (1974) for the leave-one-out form.
    """

    name: ClassVar[str] = "label_kernel"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.NOISY_LABEL
    title: ClassVar[str] = "Kernel probe"
    explain: ClassVar[str] = "A curved model, refitted without this sample, disagrees with its label."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.BELIEFS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        beliefs = inputs.beliefs
        assert beliefs is not None
        if "kernel" not in beliefs.extra_probs:
            return nothing(inputs, "no kernel probe was trained")
        return disbelief(inputs, beliefs.extra_probs["kernel"])


SIGNALS.register(LabelKernel.name)(LabelKernel())
