"""Texts that say one thing over and over."""

from __future__ import annotations

from typing import ClassVar

from ...types import Input, Kind, SignalInputs, SignalResult
from ._texts import repetition
from .base import SIGNALS


class TextRepeated:
    """Share of a text that repeats itself.

    Formula: max(c, t): c = longest run of one character / length where the run is 10 or more; t = 1 − distinct words / words
    where there are 12 words or more, and 0 below; scaled so that ½ lies at three quarters.

    Source: repetition rules of Rae et al. (2021), "Scaling Language Models: Gopher", arXiv:2112.11446, table A1.
    """

    name: ClassVar[str] = "text_repeated"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.BROKEN
    title: ClassVar[str] = "Repeats itself"
    explain: ClassVar[str] = "One character or word over and over."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.TEXTS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        assert inputs.texts is not None
        score, reasons = repetition(inputs.texts)
        return SignalResult(score, reasons=reasons)


SIGNALS.register(TextRepeated.name)(TextRepeated())
