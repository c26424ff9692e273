"""Texts that are far shorter or longer than the others of their class."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._texts import as_text
from .base import SIGNALS

_LEAST = 10
"""Texts of a class below which its own spread is not known."""


class TextClassLength:
    """How far a text's length lies from those of its class, either way.

    Formula: z/(1 + z), z = |ln l − median_c ln l| / max(3·IQR_c(ln l), ln 4), l the length in characters, median and IQR over
    the texts with the same label: ½ at three interquartile ranges, but at least at four times or a quarter of the median.
    Classes with fewer than 10 texts are measured against all texts. Source: Tukey's fences (1977) on log length. Weak
    evidence: never a verdict by itself.
    """

    name: ClassVar[str] = "text_class_length"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.BROKEN
    title: ClassVar[str] = "Length unlike its class"
    explain: ClassVar[str] = "Far shorter or longer than the other texts of its class."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.TEXTS, Input.LABELS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        assert inputs.texts is not None
        length = np.array([len(as_text(t)) for t in inputs.texts], np.float64)
        score = np.full(inputs.n, np.nan, np.float32)
        reasons = np.full(inputs.n, "", object)
        some = length > 0
        log = np.log(np.maximum(length, 1.0))
        for c in np.unique(inputs.labels[some]):
            mine = np.flatnonzero(some & (inputs.labels == c))
            fit = mine if c >= 0 and len(mine) >= _LEAST else np.flatnonzero(some)
            low, middle, high = np.quantile(log[fit], (0.25, 0.5, 0.75))
            z = np.abs(log[mine] - middle) / max(3.0 * float(high - low), float(np.log(4.0)))
            score[mine] = z / (1.0 + z)
            for row in mine[score[mine] >= 0.5]:
                way = "short" if log[row] < middle else "long"
                whom = f"the texts of *{inputs.class_names[c]}*" if fit is mine else "all texts"
                reasons[row] = (
                    f"{way} for its class ({int(length[row]):,} characters; half of {whom} have under {int(np.exp(middle)):,})"
                )
        return SignalResult(score, reasons=reasons)


SIGNALS.register(TextClassLength.name)(TextClassLength())
