"""Texts far longer than the others."""

from __future__ import annotations

from typing import ClassVar

from ...types import Input, Kind, SignalInputs, SignalResult
from ._texts import length_excess
from .base import SIGNALS


class TextLong:
    """How far a text's length lies above the others'.

    Formula: z/(1 + z), z = (ln l − median ln l)₊ / max(3·IQR(ln l), ln 4), l the length in characters: ½ at three
    interquartile ranges above, but at least at four times the median.

    Source: Tukey's fences (1977) on log length. Weak evidence: an encoder may cut the text off; never a verdict by itself.
    """

    name: ClassVar[str] = "text_long"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.BROKEN
    title: ClassVar[str] = "Very long text"
    explain: ClassVar[str] = "Far longer than the other texts."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.TEXTS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        assert inputs.texts is not None
        score, reasons = length_excess(inputs.texts)
        return SignalResult(score, reasons=reasons)


SIGNALS.register(TextLong.name)(TextLong())
