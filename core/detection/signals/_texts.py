"""What the text checks share: cleaning, placeholders, repetition, garbling, scripts and lengths."""

from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache
from typing import Any

import numpy as np

from ...types import Float32, Strings

_TAG = re.compile(r"<[^<>]{0,200}>")
_WORD = re.compile(r"\w+")
_RUN = re.compile(r"(.)\1{9,}", re.DOTALL)
_MOJIBAKE = re.compile("\ufffd|[\x80-\x9f]|[\ue000-\uf8ff]|[ÃÂ][\x80-\xbf]|â€.|â„¢|ï»¿|ðŸ")
PLACEHOLDERS = frozenset(
    f"{left}{word}{right}"
    for left, right in (("", ""), ("(", ")"), ("[", "]"), ("<", ">"), ("#", ""))
    for word in ("nan", "null", "none", "n/a", "na", "nil", "undefined", "deleted", "removed", "empty", "missing")
    if left or word not in ("deleted", "removed", "empty", "missing")
)
"""Whole texts that stand for "there is nothing here" in exports of spreadsheets, databases and forums."""


def as_text(item: Any) -> str:
    """The text of a row; None and NaN are empty."""
    return "" if item is None or item != item else str(item)


def strip_markup(text: str) -> str:
    """Without tags, entities, control and format characters; white space as single blanks."""
    bare = _TAG.sub(" ", html.unescape(text)) if ("<" in text or "&" in text) else text
    kept = "".join(c if c.isprintable() else " " for c in bare if unicodedata.category(c) != "Cf")
    return " ".join(kept.split())


def emptiness(texts: Strings) -> Strings:
    """(n,) why there is nothing to read, "" where there is."""
    return np.array([_why_empty(as_text(t)) for t in texts] or [], object)


def _why_empty(text: str) -> str:
    if not text.strip():
        return "the text is empty"
    bare = strip_markup(text)
    if not bare:
        return "the text holds only markup, blanks or control characters"
    if bare.casefold() in PLACEHOLDERS or text.strip().casefold() in PLACEHOLDERS:
        return f"the text is only the placeholder {bare!r}"
    if not any(c.isalnum() or unicodedata.category(c) in ("So", "Sc", "Sm") for c in bare):
        return f"the text has no letter or digit: {bare[:20]!r}"
    return ""


def repetition(texts: Strings) -> tuple[Float32, Strings]:
    """(n,) score and reason: ½ where three quarters of the text are repetition."""
    score = np.zeros(len(texts), np.float32)
    reasons = np.full(len(texts), "", object)
    for row, item in enumerate(texts):
        text = as_text(item)
        run = max((len(m.group()) for m in _RUN.finditer(text)), default=0)
        share = run / len(text) if run else 0.0
        words = _WORD.findall(text.casefold()) if len(text) > 24 else []
        dull = 1.0 - len(set(words)) / len(words) if len(words) >= 12 else 0.0
        worst = max(share, dull)
        score[row] = worst**2.4 if worst < 1 else 1.0
        if score[row] >= 0.5:
            what = (
                f"one character {run} times in a row"
                if share >= dull
                else f"{len(set(words))} different words of {len(words)}"
            )
            reasons[row] = f"the text repeats itself ({what})"
    return score, reasons


def garbling(texts: Strings) -> tuple[Float32, Strings]:
    """(n,) score and reason: ½ where one character in twenty is a sign of wrong decoding."""
    score = np.zeros(len(texts), np.float32)
    reasons = np.full(len(texts), "", object)
    for row, item in enumerate(texts):
        text = as_text(item)
        if not text or text.isascii():
            continue
        marks = len(_MOJIBAKE.findall(text))
        score[row] = min(1.0, 10.0 * marks / len(text))
        if score[row] >= 0.5:
            reasons[row] = f"garbled characters ({marks} in {len(text)}): decoded with the wrong encoding"
    return score, reasons


@lru_cache(maxsize=20_000)
def _script(letter: str) -> str:
    """The writing system by the first word of the character's name; Japanese and Chinese count as one."""
    name = unicodedata.name(letter, "UNKNOWN").split()[0].split("-")[0]
    return "CJK" if name in ("HIRAGANA", "KATAKANA", "KATAKANA", "CJK") else name


def foreign_script(texts: Strings) -> tuple[Float32, Strings]:
    """(n,) share of letters in scripts that fewer than one text in twenty uses, and the reason."""
    n = len(texts)
    counts: list[dict[str, int]] = []
    main: dict[str, int] = {}
    for item in texts:
        text = as_text(item)
        found: dict[str, int] = {}
        if text.isascii():
            letters = sum(map(str.isalpha, text))
            found = {"LATIN": letters} if letters else {}
        else:
            for c in text:
                if c.isalpha():
                    found[_script(c)] = found.get(_script(c), 0) + 1
        counts.append(found)
        if found:
            top = min(found, key=lambda s, f=found: (-f[s], s))  # type: ignore[misc]  # bound at once
            main[top] = main.get(top, 0) + 1
    total = max(1, sum(main.values()))
    rare = {s: max(0.0, 1.0 - main.get(s, 0) / total / 0.05) for found in counts for s in found}
    score = np.zeros(n, np.float32)
    reasons = np.full(n, "", object)
    for row, found in enumerate(counts):
        letters = sum(found.values())
        if letters:
            score[row] = sum(rare[s] * c for s, c in found.items()) / letters
        if score[row] >= 0.5:
            reasons[row] = (
                f"written in a script that few others use ({max(found, key=lambda s, f=found: f[s]).title()})"  # type: ignore[misc]
            )
    return score, reasons


def length_excess(texts: Strings) -> tuple[Float32, Strings]:
    """(n,) score and reason: ½ at three interquartile ranges of log length above the median, at least fourfold."""
    length = np.array([len(as_text(t)) for t in texts], np.float64)
    score = np.zeros(len(texts), np.float32)
    reasons = np.full(len(texts), "", object)
    some = length > 0
    if not some.any():
        return score, reasons
    log = np.log(length[some])
    low, middle, high = np.quantile(log, (0.25, 0.5, 0.75))
    z = np.maximum(log - middle, 0.0) / max(3.0 * float(high - low), float(np.log(4.0)))
    score[some] = z / (1.0 + z)
    for row in np.flatnonzero(score >= 0.5):
        reasons[row] = (
            f"very long text ({int(length[row]):,} characters; half of them have under {int(np.exp(middle)):,})"
        )
    return score, reasons
