"""Texts that say one thing over and over."""

from __future__ import annotations

import re

import numpy as np

from ...types import WORD, Float32, Strings
from ._texts import TextSignal, start_of
from .base import SIGNALS

_RUN = re.compile(r"(.)\1{9,}", re.DOTALL)


class TextRepeated(TextSignal):
    """Share of a text that repeats itself.

    Notes
    -----
    Formula: max(c, t): c = longest run of one character / length where the run is 10 or more; t = 1 − distinct words /
    words where there are 12 words or more, and 0 below; scaled so that ½ lies at three quarters.

    References
    ----------
    Repetition rules of Rae et al. (2021), "Scaling Language Models: Gopher", arXiv:2112.11446, table A1.
    """

    name = "text_repeated"
    title = "Repetitive text"
    explain = "One character or word is repeated over and over."

    def assess(self, texts: Strings) -> tuple[Float32, Strings]:
        """½ where three quarters of the text are repetition."""
        score = np.zeros(len(texts), np.float32)
        reasons = np.full(len(texts), "", object)
        for row, item in enumerate(texts):
            text = start_of(item)
            run = max((len(m.group()) for m in _RUN.finditer(text)), default=0)
            run_share = run / len(text) if run else 0.0
            words = WORD.findall(text.casefold()) if len(text) > 24 else []
            word_share = 1.0 - len(set(words)) / len(words) if len(words) >= 12 else 0.0
            worst = max(run_share, word_share)
            score[row] = worst**2.4 if worst < 1 else 1.0
            if score[row] >= 0.5:
                of_words = f"{len(set(words))} different words of {len(words)}"
                detail = f"one character {run} times in a row" if run_share >= word_share else of_words
                reasons[row] = f"the text repeats itself ({detail})"
        return score, reasons


SIGNALS.register(TextRepeated.name)(TextRepeated())
