"""Zero-shot agreement: whether the given class's name fits the sample."""

from __future__ import annotations

from ...types import Float32, Input, SignalInputs
from ._labels import DisbeliefSignal
from .base import SIGNALS


class LabelZeroShot(DisbeliefSignal):
    """Disbelief of zero-shot classification by the class names.

    Notes
    -----
    Formula: 1 − p_y with p = softmax over cos(sample, text of class name) / τ, as the encoder was trained. Suggestion:
    argmax_{k≠y} p_k.

    References
    ----------
    Radford et al., CLIP (ICML 2021); Zhu et al. 2023 for label checks with CLIP.
    """

    name = "label_zero_shot"
    title = "Zero-shot class names"
    explain = "By its text encoder, another class name is more similar to the sample."
    requires = frozenset({Input.LABELS, Input.TEXT_TOWER})

    def probabilities(self, inputs: SignalInputs) -> Float32 | None:
        """The zero-shot probabilities."""
        return inputs.class_text_probs


SIGNALS.register(LabelZeroShot.name)(LabelZeroShot())
