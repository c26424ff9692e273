"""What several encoders say together: the vectors of each are judged on their own, and the scores are pooled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...types import Input, Kind, Signal, SignalInputs, SignalResult
from ._ood import inverse_robust_scale, robust_scale

ENCODERS_VERSION = 1
"""Raised when the results of several encoders are pooled in another way."""

_FARTHEST = 6.0
"""Largest t of one encoder that counts, so that no encoder decides alone."""


def score_with_encoders(signal: Signal, inputs: SignalInputs) -> SignalResult:
    """Score by one signal: once where it reads graphs, beliefs or contents, once an encoder where it reads vectors.

    Graphs and beliefs are those of all encoders together. Captions are compared in the space of the first encoder.
    """
    if not inputs.encoders or not (Input.VECTORS in signal.requires or getattr(signal, "reads_vectors", False)):
        return signal(inputs)
    if Input.CAPTIONS in signal.requires:
        return signal(inputs.by_encoder()[0])
    return pooled(signal.kind, [signal(alone) for alone in inputs.by_encoder()], inputs)


def pooled(kind: Kind, results: Sequence[SignalResult], inputs: SignalInputs) -> SignalResult:
    """One result from those of several encoders; an encoder that lacks a sample says nothing about it.

    Notes
    -----
    Outliers: the mean distance above the median, t in [0, 6], in units of the distance to the ninth decile
    (:func:`._ood.robust_scale`), on that scale again. Other kinds: the mean score. Encoders count by their share.
    Suggestion, partner and reason are
    those of the encoder that finds the sample most suspicious.
    """
    scores = np.stack([r.score for r in results]).astype(np.float64)
    scored = np.isfinite(scores)
    if kind is Kind.OOD:
        scores = np.clip(inverse_robust_scale(scores), 0.0, _FARTHEST)
    weight = np.array([e.share for e in inputs.encoders])[:, None] * scored
    mass = weight.sum(axis=0)
    total = (np.where(scored, scores, 0.0) * weight).sum(axis=0)
    mean = np.where(mass > 0, total / np.maximum(mass, 1e-9), np.nan)
    score = robust_scale(mean, inputs.ok) if kind is Kind.OOD else mean.astype(np.float32)
    loudest = np.where(scored, scores, -np.inf).argmax(axis=0)
    fields = {}
    for name in ("suggestion", "partner", "reasons"):
        parts = [getattr(r, name) for r in results]
        if all(part is not None for part in parts):
            fields[name] = np.stack(parts)[loudest, np.arange(inputs.n)]
    return SignalResult(score, **fields, info={"encoders": [dict(r.info) for r in results]})
