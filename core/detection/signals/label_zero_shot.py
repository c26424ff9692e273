"""Zero-shot agreement: does the given class's name fit the sample?"""

from __future__ import annotations

from typing import ClassVar

from ...types import Input, Kind, SignalInputs, SignalResult
from ._label_math import disbelief
from .base import SIGNALS


class LabelZeroShot:
    """Disbelief of zero-shot classification by the class names.

    Formula: 1 − p_y with p = softmax over cos(sample, text of class name) / τ, as the encoder was trained. Suggestion:
    argmax_{k≠y} p_k.

    Source: Radford et al., CLIP (ICML 2021); Zhu et al. 2023 for label checks with CLIP.
    """

    name: ClassVar[str] = "label_zero_shot"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.NOISY_LABEL
    title: ClassVar[str] = "Class names disagree"
    explain: ClassVar[str] = "The text encoder finds another class name more fitting."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.TEXT_TOWER})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        probs = inputs.class_text_probs
        assert probs is not None
        return disbelief(inputs, probs)


SIGNALS.register(LabelZeroShot.name)(LabelZeroShot())
