"""Near copies: neighbours in the embedding, compared again pixel by pixel or letter by letter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...types import Bool, Float32, Input, Int64, Kind, SignalInputs, SignalResult
from ._images import flat
from ._pairs import best_partner, candidates, same_text, trigram_overlap
from ._pixels import aligned, chroma, colour_agreement, correlation, normalise
from ._texts import emptiness
from .base import SIGNALS, BaseSignal

_NEAREST = 30
_WEIGHT = 0.5
_COLOUR = 0.2
_ALIGN_FROM = -0.15
"""Pairs less alike than this are not worth aligning: alignment adds .1 to strangers, .3 to copies."""
_BLOCK = 2048
_WORDS = 20.0
"""Number of words from which equal texts are no longer chance: short utterances repeat by themselves."""


class DuplicateEmbedding(BaseSignal):
    """Similarity of the nearest neighbour, seen by the encoder and by the content itself.

    Notes
    -----
    Formula: (s + 1)/2 with s = q − ½·min(2, d/d̄) for the best of the 30 nearest; d the cosine distance, d̄ the median
    distance to the tenth neighbour, so that any encoder's distances mean the same. For images q is the mean of the
    local-contrast correlation as they lie and when aligned (moves of a pixel, zooms of 6 and 12%), with a fifth given
    to the cosine of the colours where there are any; for texts the Jaccard overlap of character trigrams times
    1 − e^{−words/20}; with neither, 1 − d/d̄. In [0, 1]; about .35 for strangers.

    References
    ----------
    Re-ranking of embedding neighbours by normalised correlation, as in ciFAIR (Barz and Denzler 2020, "Do we train on
    test data?", J. Imaging 6(6):41); MinHash near-duplicates (Broder 1997) for the text overlap.
    """

    name = "duplicate_embedding"
    kind = Kind.DUPLICATE
    title = "Near duplicate (embedding)"
    explain = "Another sample is nearly the same in its embedding and in its content."
    requires = frozenset({Input.NEIGHBORS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the samples."""
        assert inputs.neighbors is not None
        usable = self._usable(inputs)
        a, b, d = candidates(inputs.neighbors, usable, _NEAREST)
        typical = inputs.neighbors.typical_distance(usable)
        away = np.minimum(2.0, d / typical).astype(np.float32)
        similarity = self._similarity(inputs, a, b, away)
        best, partner = best_partner(inputs.n, (a, b), similarity - _WEIGHT * away)
        score = np.where(usable, np.clip((np.maximum(best, -1.0) + 1.0) / 2.0, 0.0, 1.0), np.nan)
        return SignalResult(score.astype(np.float32), partner=partner, info={"typical_distance": typical})

    @staticmethod
    def _usable(inputs: SignalInputs) -> Bool:
        usable = inputs.ok.copy()
        if inputs.texts is not None:
            usable &= emptiness(inputs.texts) == ""
        if inputs.media is not None:
            usable &= (inputs.media.error == "") & ~flat(inputs)
        return usable

    @staticmethod
    def _similarity(inputs: SignalInputs, a: Int64, b: Int64, away: Float32) -> Float32:
        media = inputs.media
        if media is not None and media.tiny is not None:
            return _pictures(np.asarray(media.tiny), a, b, away)
        if inputs.texts is not None:
            texts = same_text(inputs.texts)
            overlap = trigram_overlap(texts.tolist(), a, b)
            words = np.array([t.count(" ") + 1 for t in texts], np.float32)
            long = 1.0 - np.exp(-np.minimum(words[a], words[b]) / _WORDS)
            return np.asarray(np.where(texts[a] == texts[b], 1.0, overlap * long), np.float32)
        return np.asarray(np.maximum(-1.0, 1.0 - away), np.float32)


def _pictures(tiny: NDArray[np.uint8], a: Int64, b: Int64, away: Float32) -> Float32:
    """(m,) similarity of picture pairs; pairs that are clearly unlike are not aligned."""
    rows, place = np.unique(np.concatenate([a, b]), return_inverse=True)
    pictures, colours = normalise(tiny, rows), chroma(tiny, rows)
    one, two = place[: len(a)], place[len(a) :]
    out = np.empty(len(a), np.float32)
    for start in range(0, len(a), _BLOCK):
        part = slice(start, start + _BLOCK)
        plain = correlation(pictures[one[part]], pictures[two[part]])
        close = np.flatnonzero(plain - _WEIGHT * away[part] > _ALIGN_FROM)
        if len(close):
            left, right = one[part][close], two[part][close]
            best = np.maximum(plain[close], aligned(pictures[left], pictures[right]))
            shape = (plain[close] + best) / 2.0
            colour, share = colour_agreement(colours[left], colours[right])
            plain[close] = shape + _COLOUR * share * (colour - shape)
        out[part] = plain
    return out


SIGNALS.register(DuplicateEmbedding.name)(DuplicateEmbedding())
