"""Match by consensus: two opinions about each pair, into matched, uncertain and mismatched."""

from __future__ import annotations

import numpy as np

from ...types import SignalInputs, SignalResult
from ._match import PairSignal, cosines, lemon, mismatch_probability, paired, shuffled_pairs
from .base import SIGNALS

MATCHED, UNCERTAIN, MISMATCHED = "matched", "uncertain", "mismatched"


class MatchConsensus(PairSignal):
    """The probability that a caption does not belong to its image, by two opinions that are calibrated alike.

    Notes
    -----
    Formula: mean of two probabilities p = π·f₀/f (:func:`._match.mismatch_probability`), f₀ from images and captions
    paired at random: of LEMoN's score, and of the cosine (by the second encoder where one was named). Both ≥ ½:
    mismatched; both < ½: matched; else uncertain.

    References
    ----------
    Efron (2008), two-groups model; agreement of two models as in Li, Socher and Hoi, DivideMix (ICLR 2020).
    """

    name = "match_consensus"
    title = "Caption mismatch"
    explain = "LEMoN and the image–text cosine together: the caption belongs to another image."

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the pairs."""
        rows = np.flatnonzero(paired(inputs))
        score = np.full(inputs.n, np.nan, np.float32)
        reasons = np.full(inputs.n, "", object)
        if len(rows) < 2:
            return SignalResult(score, reasons=reasons, info={"skipped": "fewer than two pairs"})
        cosine, mismatch = cosines(inputs, rows, rows), lemon(inputs, rows, rows)
        images, captions = shuffled_pairs(inputs, rows, mismatch)
        first, rate = mismatch_probability(mismatch, lemon(inputs, images, captions))
        if inputs.second_match is None:
            null = 1.0 - cosines(inputs, images, captions)
            second, other_rate = mismatch_probability((1.0 - cosine).astype(np.float32), null.astype(np.float32))
        else:
            other = (1.0 - inputs.second_match.cosine[rows]).astype(np.float32)
            known = np.isfinite(other)
            second = np.full(len(rows), 0.5, np.float32)
            second[known], other_rate = mismatch_probability(other[known], 1.0 - inputs.second_match.null)
        score[rows] = np.clip((first + second) / 2.0, 0.0, 1.0)
        state = np.where(
            (first >= 0.5) & (second >= 0.5), MISMATCHED, np.where((first < 0.5) & (second < 0.5), MATCHED, UNCERTAIN)
        )
        for row, name, c in zip(rows, state, cosine, strict=True):
            reasons[row] = f"{name}: cosine {c:.2f}"
        counts = {name: int((state == name).sum()) for name in (MATCHED, UNCERTAIN, MISMATCHED)}
        by = "cosine" if inputs.second_match is None else "second encoder"
        return SignalResult(
            score, reasons=reasons, info={**counts, "rates": [rate, other_rate], "opinions": ["neighbours", by]}
        )


SIGNALS.register(MatchConsensus.name)(MatchConsensus())
