"""Ambiguity count: how many rivals stand before the likeliest label is convincing."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._label_math import nothing, scored
from .base import SIGNALS


class HardAmbiguity:
    """Number of runner-ups to drop until the leader convinces, refined by how near the leader is to convincing.

    Formula: m = min{m : p₁ / (p₁ + Σ_{j>m+1} p_j) ≥ τ}, τ = 0.95; score = (m + 1 − p₁) / C for C classes, at least
    ``1 − p₁`` over 2. Needs no label.

    Source: ShrinkMatch, Yang et al. (ICCV 2023).
    """

    name: ClassVar[str] = "hard_ambiguity"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.HARD
    title: ClassVar[str] = "Too many candidates"
    explain: ClassVar[str] = "Several labels must be struck off before one is convincing."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.BELIEFS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        beliefs = inputs.beliefs
        assert beliefs is not None
        probs = beliefs.probs
        if probs.shape[1] < 2:
            return nothing(inputs, "only one class")
        ordered = -np.sort(-probs, axis=1)
        top = ordered[:, :1]
        tail = np.cumsum(ordered[:, ::-1], axis=1)[:, ::-1][
            :, 1:
        ]  # (n, C − 1): mass left after dropping 0, 1, … rivals
        convinced = top / np.maximum(top + tail, 1e-12) >= 0.95
        dropped = np.where(convinced.any(1), convinced.argmax(1), probs.shape[1] - 1)
        doubt = 1.0 - top[:, 0]
        score = np.maximum((dropped + doubt) / probs.shape[1], doubt / 2)
        return SignalResult(scored(inputs, score, inputs.ok), info={"tau": 0.95})


SIGNALS.register(HardAmbiguity.name)(HardAmbiguity())
