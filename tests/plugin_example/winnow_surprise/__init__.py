"""One signal: how surprising the words of a text are, given all texts of the dataset."""

from __future__ import annotations

import re
from collections import Counter
from typing import ClassVar

import numpy as np

from winnow.core.types import Input, Kind, SignalInputs, SignalResult

_WORD = re.compile(r"\w+")


class TextSurprise:
    """Words that hardly any other text uses.

    Formula: s = mean over the words of −log p(w) / log(N + 1), p(w) = (1 + count) / (N + 1), N words in all: the
    cross-entropy of the text under the dataset's own unigram model, as a share of that of a word never seen.
    Source: Shannon (1948), "A Mathematical Theory of Communication"; unigram perplexity.
    """

    name: ClassVar[str] = "text_surprise"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.BROKEN
    title: ClassVar[str] = "Surprising words"
    explain: ClassVar[str] = "Its words are hardly used by the other texts."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.TEXTS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        assert inputs.texts is not None
        words = [_WORD.findall(text.lower()) for text in inputs.texts]
        counts = Counter(w for text in words for w in text)
        total = counts.total() + 1
        score = np.full(inputs.n, np.nan, np.float32)
        for row, text in enumerate(words):
            if text:
                p = np.array([(1 + counts[w]) / total for w in sorted(text)])
                score[row] = np.clip(-np.log(p).mean() / np.log(total), 0.0, 1.0) if total > 1 else 0.0
        return SignalResult(score, info={"words": len(counts)})
