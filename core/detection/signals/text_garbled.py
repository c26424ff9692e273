"""Texts whose encoding went wrong."""

from __future__ import annotations

import re

import numpy as np

from ...types import Float32, Strings
from ._texts import TextSignal, start_of
from .base import SIGNALS

_MOJIBAKE = re.compile("\ufffd|[\x80-\x9f]|[\ue000-\uf8ff]|[ÃÂ][\x80-\xbf]|â€.|â„¢|ï»¿|ðŸ")


class TextGarbled(TextSignal):
    """Share of characters that only a wrong decoding leaves behind.

    Notes
    -----
    Formula: min(1, 10·g/length), g counting U+FFFD, C1 controls, private-use characters and the letter pairs that
    UTF-8 leaves when it is read as Latin-1 or Windows-1252 (Ã©, â€™, Â·).

    References
    ----------
    The signs that ftfy looks for (Speer 2019, ftfy, Apache-2.0), counted instead of repaired.
    """

    name = "text_garbled"
    title = "Encoding errors"
    explain = "The text was decoded with the wrong encoding."

    def assess(self, texts: Strings) -> tuple[Float32, Strings]:
        """½ where one character in twenty is a sign of wrong decoding."""
        score = np.zeros(len(texts), np.float32)
        reasons = np.full(len(texts), "", object)
        for row, item in enumerate(texts):
            text = start_of(item)
            if not text or text.isascii():
                continue
            signs = len(_MOJIBAKE.findall(text))
            score[row] = min(1.0, 10.0 * signs / len(text))
            if score[row] >= 0.5:
                reasons[row] = f"garbled characters ({signs} in {len(text)}): decoded with the wrong encoding"
        return score, reasons


SIGNALS.register(TextGarbled.name)(TextGarbled())
