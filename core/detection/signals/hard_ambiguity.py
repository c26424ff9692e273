"""Ambiguity count: how many rivals must be dropped before the likeliest label is convincing."""

from __future__ import annotations

import numpy as np

from ...types import Float32, Kind, SignalInputs, SignalResult
from ._labels import ConsensusSignal, clipped
from .base import SIGNALS

_TAU = 0.95


class HardAmbiguity(ConsensusSignal):
    """Number of runners-up to drop until the leader is convincing, refined by how near it is to that.

    Notes
    -----
    Formula: m = min{m : p₁ / (p₁ + Σ_{j>m+1} p_j) ≥ τ}, τ = 0.95; score = (m + 1 − p₁) / C for C classes, at least
    (1 − p₁) / 2. The label itself is not used.

    References
    ----------
    ShrinkMatch, Yang et al. (ICCV 2023).
    """

    name = "hard_ambiguity"
    kind = Kind.HARD
    title = "Candidate labels (ShrinkMatch)"
    explain = "Several labels must be struck off before the first one is confident."

    def result(self, inputs: SignalInputs, probs: Float32) -> SignalResult:
        """Score the readable samples."""
        ordered = -np.sort(-probs, axis=1)
        top = ordered[:, :1]
        # (n, C − 1): the mass left after dropping 0, 1, … rivals
        tail = np.cumsum(ordered[:, ::-1], axis=1)[:, ::-1][:, 1:]
        convinced = top / np.maximum(top + tail, 1e-12) >= _TAU
        dropped = np.where(convinced.any(1), convinced.argmax(1), probs.shape[1] - 1)
        doubt = 1.0 - top[:, 0]
        score = np.maximum((dropped + doubt) / probs.shape[1], doubt / 2)
        return SignalResult(clipped(inputs, score, inputs.ok), info={"tau": _TAU})


SIGNALS.register(HardAmbiguity.name)(HardAmbiguity())
