"""Texts made from one template: the same words around slots that change."""

from __future__ import annotations

import re

import numpy as np

from ...types import Input, Int32, Kind, SignalInputs, SignalResult
from ._texts import start_of
from .base import SIGNALS, BaseSignal

_WORD = re.compile(r"\w+(?:['-]\w+)*")
_LONGEST = 60
"""Number of words above which a text is too long to be one template."""
_FRAME = 4
"""Least number of words in a template besides its slots."""
_RARE = 2


class DuplicateTemplate(BaseSignal):
    """How many texts share the frame of this one.

    Notes
    -----
    Formula: 1 − 1/√m, m the number of texts with the same frame: the text's words in order, in any case of letters,
    where every number and every word that at most max(2, 1‰) of the texts hold is a slot. A frame has at least one
    slot, at least 4 words besides, and more words than slots; else 0. The partner is the next text with that frame.

    References
    ----------
    Slot-and-filler templates as in log parsing, Zhu et al. (2019), "Tools and benchmarks for automated log parsing",
    ICSE.
    """

    name = "duplicate_template"
    kind = Kind.DUPLICATE
    title = "Template duplicate"
    explain = "Other texts are the same but for a number or a rare word."
    requires = frozenset({Input.TEXTS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the samples."""
        assert inputs.texts is not None
        words = [_WORD.findall(start_of(t).casefold())[: _LONGEST + 1] for t in inputs.texts]
        texts_with: dict[str, int] = {}
        for text in words:
            for word in set(text):
                texts_with[word] = texts_with.get(word, 0) + 1
        least = max(_RARE, inputs.n // 1_000)
        frames: dict[str, list[int]] = {}
        for row, text in enumerate(words):
            kept = ["" if w.isdigit() or texts_with[w] <= least else w for w in text]
            slots = kept.count("")
            if len(text) <= _LONGEST and slots and len(kept) - slots >= max(_FRAME, slots + 1):
                frames.setdefault(" ".join(w or "…" for w in kept), []).append(row)
        score = np.where([bool(w) for w in words], 0.0, np.nan).astype(np.float32) if words else np.zeros(0, np.float32)
        partner: Int32 = np.full(inputs.n, -1, np.int32)
        reasons = np.full(inputs.n, "", object)
        for frame, rows in frames.items():
            if len(rows) < 2:
                continue
            score[rows] = 1.0 - 1.0 / len(rows) ** 0.5
            partner[rows] = np.roll(rows, -1)
            if len(rows) >= 4:
                reasons[rows] = f"{len(rows)} texts follow the template “{frame[:80]}”"
        return SignalResult(score, partner=partner, reasons=reasons)


SIGNALS.register(DuplicateTemplate.name)(DuplicateTemplate())
