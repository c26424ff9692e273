"""Texts in another language than the others, in the same script too."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ...types import Float32, Strings
from ..arithmetic import tukey_fence
from ._texts import TextSignal, as_text
from .base import SIGNALS

_LETTERS = re.compile(r"[^\W\d_]+")
_ALPHABET = 61
"""The commonest letters have a code each, the rest share one. With the blank, the rest and the border: 64 codes."""

_CODES = 64
_PRIOR = 2.0
_LEAST = 12
"""Triples of letters below which nothing can be said about a text."""

_BLOCK = 50_000
_LONGEST = 2_000


class TextLanguage(TextSignal):
    """How badly the letter sequences of all other texts predict this one.

    Weak evidence, also given for names and jargon: never a verdict by itself.

    Notes
    -----
    Formula: b = mean of −log₂ p(c | ab) over the text's letter triples, p an interpolated trigram model of all texts
    but this one: p₃ = (n_abc + 2·p₂)/(n_ab + 2), p₂ = (n_bc + 2·p₁)/(n_b + 2), p₁ = (n_c + ½)/(n + ½·64); letters in
    lower case, words separated by one blank. Score z/(1 + z), z = (b − median)₊ / max(3·IQR, 1 bit): ½ at three
    interquartile ranges. NaN for texts with fewer than 12 triples. The model is learnt from the dataset itself: its
    language is the one that most texts are written in.

    References
    ----------
    Language identification by letter n-grams, Cavnar and Trenkle (1994), SDAIR; Dunning (1994), "Statistical
    identification of language".
    """

    name = "text_language"
    title = "Language outlier"
    explain = "A letter trigram model of the other texts predicts this one badly: another language, or jargon."

    def assess(self, texts: Strings) -> tuple[Float32, Strings]:
        """½ at three interquartile ranges above the median number of bits a letter."""
        bits = surprise(texts)
        score = np.full(len(texts), np.nan, np.float32)
        reasons = np.full(len(texts), "", object)
        known = np.isfinite(bits)
        if known.any():
            middle, width = tukey_fence(bits[known], 1.0)
            z = np.maximum(bits[known] - middle, 0.0) / width
            score[known] = z / (1.0 + z)
            for row in np.flatnonzero(np.nan_to_num(score) >= 0.5):
                reasons[row] = (
                    f"perhaps in another language ({bits[row]:.1f} bits a letter by the other texts; half of them have "
                    f"under {middle:.1f})"
                )
        return score, reasons


def surprise(texts: Strings) -> NDArray[np.float64]:
    """(n,) bits per letter of each text by a model of all others (:class:`TextLanguage`); NaN where it is too short."""
    clean = [f" {' '.join(_LETTERS.findall(as_text(t)[:_LONGEST].lower()))} " for t in texts]
    seen: Counter[str] = Counter()
    for text in clean:
        seen.update(text)
    seen.pop(" ", None)
    common = sorted(seen, key=lambda c: (-seen[c], c))[:_ALPHABET]
    points = np.sort(np.array([ord(c) for c in common], np.uint32)) if common else np.zeros(1, np.uint32)
    blocks = [range(start, min(start + _BLOCK, len(clean))) for start in range(0, len(clean), _BLOCK)]
    total = np.zeros(_CODES**3, np.int64)
    for rows in blocks:
        triples, _ = _triples([clean[r] for r in rows], points)
        total += np.bincount(triples, minlength=_CODES**3)
    counts = total.reshape(_CODES, _CODES, _CODES)
    out = np.full(len(clean), np.nan)
    for rows in blocks:
        triples, doc = _triples([clean[r] for r in rows], points)
        many = np.bincount(doc, minlength=len(rows))
        bits = np.bincount(doc, weights=-np.log2(_likely(counts, triples, doc, many)), minlength=len(rows))
        out[rows.start : rows.stop] = np.where(many >= _LEAST, bits / np.maximum(many, 1), np.nan)
    return out


def _triples(texts: list[str], points: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(m,) codes of the letter triples of all texts, a·64² + b·64 + c, and (m,) which text each is of."""
    letters = np.frombuffer("\n".join(texts).encode("utf-32-le"), np.uint32)
    place = np.minimum(np.searchsorted(points, letters), len(points) - 1)
    code = np.where(points[place] == letters, place + 3, 2).astype(np.int64)  # 2: a rare letter
    code[letters == 32], border = 1, letters == 10
    inside = ~(border[:-2] | border[1:-1] | border[2:])
    triples = (code[:-2] * _CODES + code[1:-1]) * _CODES + code[2:]
    return triples[inside], np.cumsum(border)[:-2][inside]


def _likely(counts: Any, triples: Any, doc: Any, many: Any) -> NDArray[np.float64]:
    """(m,) p(c | ab) of each triple by all texts but its own."""
    ab, bc = triples // _CODES, triples % (_CODES * _CODES)
    b, c = bc // _CODES, triples % _CODES
    pairs = counts.sum(axis=0)

    def others(whole: Any, key: Any) -> NDArray[np.float64]:
        """How often a key occurs in the other texts."""
        _, at, own = np.unique(doc * np.int64(whole.size) + key, return_inverse=True, return_counts=True)
        return cast("NDArray[np.float64]", (whole.ravel()[key] - own[at]).astype(np.float64))

    p1 = (others(pairs.sum(axis=0), c) + 0.5) / (counts.sum() - many[doc] + 0.5 * _CODES)
    p2 = (others(pairs, bc) + _PRIOR * p1) / (others(pairs.sum(axis=1), b) + _PRIOR)
    p3: NDArray[np.float64] = (others(counts, triples) + _PRIOR * p2) / (others(counts.sum(axis=2), ab) + _PRIOR)
    return p3


SIGNALS.register(TextLanguage.name)(TextLanguage())
