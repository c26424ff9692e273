"""What the image checks share: properties by name, and how far a value lies below a limit."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Bool, Float32, Input, Kind, SignalInputs, SignalResult, Strings
from .base import BaseSignal


class LimitSignal(BaseSignal):
    """A property of the image that is suspicious below a limit. Weak evidence: a reason, never a verdict by itself."""

    kind = Kind.BROKEN
    requires = frozenset({Input.MEDIA})
    limit: ClassVar[float]
    sentence: ClassVar[str]
    """The reason, with a place for the number of :meth:`shown`."""

    def level(self, inputs: SignalInputs) -> Float32:
        """(n,) the property, at least 0."""
        raise NotImplementedError

    def shown(self, level: Float32) -> Float32:
        """(n,) the number in the reason."""
        return level

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the decoded images."""
        level = self.level(inputs)
        score = below(level, self.limit)
        return SignalResult(score, reasons=reasons_of(score, self.sentence, self.shown(level)))


def value(inputs: SignalInputs, name: str, absent: float = np.nan) -> Float32:
    """(n,) float32 property of the decoded images, ``absent`` where it was not measured."""
    assert inputs.media is not None
    measured = inputs.media.properties.get(name)
    return np.full(inputs.n, absent, np.float32) if measured is None else np.asarray(measured, np.float32)


def below(level: Float32, limit: float) -> Float32:
    """1 at 0, ½ at the limit, falling towards 0 beyond: limit / (limit + level). NaN stays NaN."""
    return np.asarray(limit / (limit + np.maximum(level, 0.0)), np.float32)


def flat(inputs: SignalInputs) -> Bool:
    """(n,) whether a decoded image is one colour: property ``flat``, or an entropy of zero where that is not there."""
    assert inputs.media is not None
    if "flat" in inputs.media.properties:
        return np.nan_to_num(value(inputs, "flat")) > 0.5
    return value(inputs, "entropy") < 1e-6


def reasons_of(score: Float32, sentence: str, number: Float32) -> Strings:
    """(n,) the sentence with its number where the score is at least ½, else ""."""
    out = np.full(len(score), "", object)
    for row in np.flatnonzero(np.nan_to_num(score) >= 0.5):
        out[row] = sentence.format(float(number[row]))
    return out
