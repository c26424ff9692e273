"""What the image checks share: properties by name, and how far a value lies below a limit."""

from __future__ import annotations

import numpy as np

from ...types import Bool, Float32, SignalInputs, Strings


def value(inputs: SignalInputs, name: str, absent: float = np.nan) -> Float32:
    """(n,) float32 property of the decoded images, ``absent`` where it was not measured."""
    assert inputs.media is not None
    found = inputs.media.properties.get(name)
    return np.full(inputs.n, absent, np.float32) if found is None else np.asarray(found, np.float32)


def below(level: Float32, limit: float) -> Float32:
    """1 at 0, ½ at the limit, falling towards 0 beyond: limit / (limit + level). NaN stays NaN."""
    return np.asarray(limit / (limit + np.maximum(level, 0.0)), np.float32)


def flat(inputs: SignalInputs) -> Bool:
    """(n,) whether a decoded image is one colour: property ``flat``, else an entropy of nothing at all."""
    assert inputs.media is not None
    found = inputs.media.properties.get("flat")
    if found is None:
        found = (value(inputs, "entropy") < 1e-6).astype(np.float32)
    return np.nan_to_num(np.asarray(found, np.float32)) > 0.5


def words(score: Float32, sentence: str, number: Float32) -> Strings:
    """(n,) the sentence with its number where the score is at least ½, else ""."""
    out = np.full(len(score), "", object)
    for row in np.flatnonzero(np.nan_to_num(score) >= 0.5):
        out[row] = sentence.format(float(number[row]))
    return out
