"""Texts far longer than the others."""

from __future__ import annotations

import numpy as np

from ...types import Float32, Strings
from ..arithmetic import tukey_fence
from ._texts import TextSignal, as_text
from .base import SIGNALS


class TextLong(TextSignal):
    """How far a text's length lies above the others'.

    Weak evidence, never a verdict by itself: an encoder may cut the text off.

    Notes
    -----
    Formula: z/(1 + z), z = (ln l − median ln l)₊ / max(3·IQR(ln l), ln 4), l the length in characters: ½ at three
    interquartile ranges above, but at least at four times the median.

    References
    ----------
    Tukey's fences (1977) on log length.
    """

    name = "text_long"
    title = "Length outlier"
    explain = "The text is far longer than the others."

    def assess(self, texts: Strings) -> tuple[Float32, Strings]:
        """½ at three interquartile ranges of log length above the median, at least fourfold."""
        length = np.array([len(as_text(t)) for t in texts], np.float64)
        score = np.zeros(len(texts), np.float32)
        reasons = np.full(len(texts), "", object)
        some = length > 0
        if not some.any():
            return score, reasons
        log = np.log(length[some])
        middle, width = tukey_fence(log, float(np.log(4.0)))
        z = np.maximum(log - middle, 0.0) / width
        score[some] = z / (1.0 + z)
        for row in np.flatnonzero(score >= 0.5):
            reasons[row] = (
                f"very long text ({int(length[row]):,} characters; half of them have under {int(np.exp(middle)):,})"
            )
        return score, reasons


SIGNALS.register(TextLong.name)(TextLong())
