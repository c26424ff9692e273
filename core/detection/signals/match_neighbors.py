"""Match by neighbours: like images have other captions, like captions have other images."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._match import BETA, GAMMA, lemon, there
from .base import SIGNALS


class MatchNeighbors:
    """LEMoN: the pair's own distance, and how far its caption (image) is from those of like images (captions).

    Formula: (d_mm + β·s_n + γ·s_m) / (2 + 2β + 2γ), k = 5, β = γ = 5, τ1 = .1, τ2 = 5 (see :func:`._match.lemon`).
    Source: Zhang et al. (2025), "LEMoN: Label Error Detection using Multimodal Neighbors", ICML.
    """

    name: ClassVar[str] = "match_neighbors"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.NOISY_LABEL
    title: ClassVar[str] = "Like images have other captions"
    explain: ClassVar[str] = "Similar images are described otherwise, and similar captions describe other images."
    requires: ClassVar[frozenset[Input]] = frozenset(
        {Input.VECTORS, Input.CAPTIONS, Input.NEIGHBORS, Input.CAPTION_NEIGHBORS}
    )

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        rows = np.flatnonzero(there(inputs))
        score = np.full(inputs.n, np.nan, np.float32)
        score[rows] = np.clip(lemon(inputs, rows, rows) / (2.0 + 2.0 * BETA + 2.0 * GAMMA), 0.0, 1.0)
        return SignalResult(score)


SIGNALS.register(MatchNeighbors.name)(MatchNeighbors())
