"""What the text checks share: cleaning, placeholders, and what is empty."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Any

import numpy as np

from ...types import Float32, Input, Kind, SignalInputs, SignalResult, Strings
from .base import BaseSignal

_TAG = re.compile(r"<[^<>]{0,200}>")
PLACEHOLDERS = frozenset(
    f"{left}{word}{right}"
    for left, right in (("", ""), ("(", ")"), ("[", "]"), ("<", ">"), ("#", ""))
    for word in ("nan", "null", "none", "n/a", "na", "nil", "undefined", "deleted", "removed", "empty", "missing")
    if left or word not in ("deleted", "removed", "empty", "missing")
)
"""Whole texts that stand for "there is nothing here" in exports of spreadsheets, databases and forums."""


LOOKED_AT = 100_000
"""Characters of a text that the checks read, from its start: some forty pages. Lengths are those of the whole text."""


class TextSignal(BaseSignal):
    """A score and a reason from the texts alone."""

    kind = Kind.BROKEN
    requires = frozenset({Input.TEXTS})

    def assess(self, texts: Strings) -> tuple[Float32, Strings]:
        """(n,) score and (n,) reason, "" where there is none."""
        raise NotImplementedError

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the texts."""
        assert inputs.texts is not None
        score, reasons = self.assess(inputs.texts)
        return SignalResult(score, reasons=reasons)


def as_text(item: Any) -> str:
    """The text of a row; None and NaN are empty."""
    return "" if item is None or item != item else str(item)


def start_of(item: Any) -> str:
    """The part of a row's text that the checks read: its first :data:`LOOKED_AT` characters."""
    return as_text(item)[:LOOKED_AT]


def strip_markup(text: str) -> str:
    """Without tags, entities, control and format characters; white space as single blanks."""
    bare = _TAG.sub(" ", html.unescape(text)) if ("<" in text or "&" in text) else text
    kept = "".join(c if c.isprintable() else " " for c in bare if unicodedata.category(c) != "Cf")
    return " ".join(kept.split())


def emptiness(texts: Strings) -> Strings:
    """(n,) why there is nothing to read, "" where there is."""
    return np.array([_why_empty(start_of(as_text(t).strip())) for t in texts] or [], object)


def _why_empty(text: str) -> str:
    if not text:
        return "the text is empty"
    bare = strip_markup(text)
    if not bare:
        return "the text holds only markup, blanks or control characters"
    if bare.casefold() in PLACEHOLDERS or text.casefold() in PLACEHOLDERS:
        return f"the text is only the placeholder {bare!r}"
    if not any(c.isalnum() or unicodedata.category(c) in ("So", "Sc", "Sm") for c in bare):
        return f"the text has no letter or digit: {bare[:20]!r}"
    return ""
