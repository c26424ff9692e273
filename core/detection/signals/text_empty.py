"""Texts with nothing to read."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._texts import emptiness
from .base import SIGNALS


class TextEmpty:
    """Nothing is left of the text but markup, control characters, punctuation or a placeholder.

    Formula: 1 where no letter, digit or symbol survives after HTML tags and entities, control and format characters and
    replacement marks are taken out, or where all of it is a placeholder (nan, null, n/a, none, undefined, ...); else 0.

    Source: the checks of Datalab (cleanlab) and Dolma's Gopher rules (Rae et al. 2021, arXiv:2112.11446), as a yes or no.
    """

    name: ClassVar[str] = "text_empty"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.BROKEN
    title: ClassVar[str] = "Nothing to read"
    explain: ClassVar[str] = "The text is empty, only markup or a placeholder."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.TEXTS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        assert inputs.texts is not None
        reasons = emptiness(inputs.texts)
        score = np.array([1.0 if why else 0.0 for why in reasons], np.float32)
        return SignalResult(score, reasons=reasons)


SIGNALS.register(TextEmpty.name)(TextEmpty())
