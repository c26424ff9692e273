"""Texts whose encoding went wrong."""

from __future__ import annotations

from typing import ClassVar

from ...types import Input, Kind, SignalInputs, SignalResult
from ._texts import garbling
from .base import SIGNALS


class TextGarbled:
    """Share of characters that only a wrong decoding leaves behind.

    Formula: min(1, 10·g/length), g counting U+FFFD, C1 controls, private-use characters and the letter pairs that UTF-8
    leaves when it is read as Latin-1 or Windows-1252 (Ã©, â€™, Â·).

    Source: the signs that ftfy looks for (Speer 2019, ftfy, Apache-2.0), counted instead of repaired.
    """

    name: ClassVar[str] = "text_garbled"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.BROKEN
    title: ClassVar[str] = "Garbled characters"
    explain: ClassVar[str] = "The text was decoded with the wrong encoding."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.TEXTS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        assert inputs.texts is not None
        score, reasons = garbling(inputs.texts)
        return SignalResult(score, reasons=reasons)


SIGNALS.register(TextGarbled.name)(TextGarbled())
