"""Texts that are far shorter or longer than the others of their class."""

from __future__ import annotations

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ..arithmetic import tukey_fence
from ._texts import as_text
from .base import SIGNALS, BaseSignal

_LEAST = 10
"""Texts of a class below which its own spread is not known."""
_FOLD = float(np.log(4.0))
"""The least distance of an odd length from the median, in log: four times, or a quarter."""


class TextClassLength(BaseSignal):
    """How far a text's length lies from those of its class, either way. Weak evidence: never a verdict by itself.

    Notes
    -----
    Formula: z/(1 + z), z = |ln l − median_c ln l| / max(3·IQR_c(ln l), ln 4), l the length in characters, median and
    IQR over the texts with the same label: ½ at three interquartile ranges, but at least at four times or a quarter of
    the median. Classes with fewer than 10 texts are measured against all texts.

    References
    ----------
    Tukey's fences (1977) on log length.
    """

    name = "text_class_length"
    kind = Kind.BROKEN
    title = "Length outlier within its class"
    explain = "The text is far shorter or longer than the others of its class."
    requires = frozenset({Input.TEXTS, Input.LABELS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the texts that are not empty."""
        assert inputs.texts is not None
        length = np.array([len(as_text(t)) for t in inputs.texts], np.float64)
        score = np.full(inputs.n, np.nan, np.float32)
        reasons = np.full(inputs.n, "", object)
        some = length > 0
        log = np.log(np.maximum(length, 1.0))
        everyone = tukey_fence(log[some], _FOLD) if some.any() else (0.0, _FOLD)
        order = np.flatnonzero(some)[np.argsort(inputs.labels[some], kind="stable")]
        for members in np.split(order, np.flatnonzero(np.diff(inputs.labels[order])) + 1 if len(order) else []):
            c = inputs.labels[members[0]] if len(members) else -1
            own = c >= 0 and len(members) >= _LEAST
            middle, width = tukey_fence(log[members], _FOLD) if own else everyone
            z = np.abs(log[members] - middle) / width
            score[members] = z / (1.0 + z)
            for row in members[score[members] >= 0.5]:
                way = "short" if log[row] < middle else "long"
                group = f"the texts of *{inputs.class_names[c]}*" if own else "all texts"
                reasons[row] = (
                    f"{way} for its class ({int(length[row]):,} characters; "
                    f"half of {group} have under {int(np.exp(middle)):,})"
                )
        return SignalResult(score, reasons=reasons)


SIGNALS.register(TextClassLength.name)(TextClassLength())
