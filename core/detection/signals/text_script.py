"""Texts in a writing system that the others do not use."""

from __future__ import annotations

from typing import ClassVar

from ...types import Input, Kind, SignalInputs, SignalResult
from ._texts import foreign_script
from .base import SIGNALS


class TextScript:
    """Share of letters in scripts that are rare in this dataset.

    Formula: Σ_s f_s·max(0, 1 − p_s/.05): f_s the share of the text's letters in script s, p_s the share of texts whose main
    script is s. 0 for texts without letters.

    Source: Unicode script property (UAX 24) through character names; the language check of Datalab-like tools without a model.
    """

    name: ClassVar[str] = "text_script"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.BROKEN
    title: ClassVar[str] = "Another script"
    explain: ClassVar[str] = "Written in a script that few other samples use."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.TEXTS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        assert inputs.texts is not None
        score, reasons = foreign_script(inputs.texts)
        return SignalResult(score, reasons=reasons)


SIGNALS.register(TextScript.name)(TextScript())
