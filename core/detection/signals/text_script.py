"""Texts in a writing system that the others do not use."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np

from ...types import Float32, Strings
from ._texts import TextSignal, start_of
from .base import SIGNALS

_RARE = 0.05


class TextScript(TextSignal):
    """Share of letters in scripts that are rare in this dataset.

    Notes
    -----
    Formula: Σ_s f_s·max(0, 1 − p_s/.05): f_s the share of the text's letters in script s, p_s the share of texts whose
    main script is s. 0 for texts without letters.

    References
    ----------
    Unicode script property (UAX 24) through character names; a language check as in Datalab, without a model.
    """

    name = "text_script"
    title = "Script outlier"
    explain = "The text is written in a script that few other samples use."

    def assess(self, texts: Strings) -> tuple[Float32, Strings]:
        """The share of letters in scripts that fewer than one text in twenty uses."""
        counts = [_scripts(start_of(item)) for item in texts]
        main: dict[str, int] = {}
        for scripts in counts:
            if scripts:
                top = min(scripts, key=lambda s, scripts=scripts: (-scripts[s], s))  # type: ignore[misc]  # bound at once
                main[top] = main.get(top, 0) + 1
        total = max(1, sum(main.values()))
        rarity = {s: max(0.0, 1.0 - main.get(s, 0) / total / _RARE) for scripts in counts for s in scripts}
        score = np.zeros(len(texts), np.float32)
        reasons = np.full(len(texts), "", object)
        for row, scripts in enumerate(counts):
            letters = sum(scripts.values())
            if letters:
                score[row] = sum(rarity[s] * c for s, c in scripts.items()) / letters
            if score[row] >= 0.5:
                top = max(scripts, key=scripts.__getitem__)
                reasons[row] = f"written in a script that few others use ({top.title()})"
        return score, reasons


def _scripts(text: str) -> dict[str, int]:
    """How many letters of each script a text has, in order of first use."""
    if text.isascii():
        letters = sum(map(str.isalpha, text))
        return {"LATIN": letters} if letters else {}
    counts: dict[str, int] = {}
    for c in text:
        if c.isalpha():
            counts[_script(c)] = counts.get(_script(c), 0) + 1
    return counts


@lru_cache(maxsize=20_000)
def _script(letter: str) -> str:
    """The writing system by the first word of the character's name; Japanese and Chinese count as one."""
    name = unicodedata.name(letter, "UNKNOWN").split()[0].split("-")[0]
    return "CJK" if name in ("HIRAGANA", "KATAKANA", "CJK") else name


SIGNALS.register(TextScript.name)(TextScript())
