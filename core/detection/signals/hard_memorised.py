"""Leave-one-out memorisation: the rarity guard."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._label_math import nothing, scored
from .base import SIGNALS


class HardMemorised:
    """How much better the label is known by models that trained on the sample.

    Formula: memᵢ = P(y | trained with i) − P(y | trained without i), both averaged over epochs and models, clipped at 0.
    A rare sample with the right label is memorised; the combination lets that speak against noise.

    Source: Feldman & Zhang, "What Neural Networks Memorize and Why" (NeurIPS 2020).
    """

    name: ClassVar[str] = "hard_memorised"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.HARD
    title: ClassVar[str] = "Rare but learnable"
    explain: ClassVar[str] = "Known only if it was trained on: typical of rare samples with a right label."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.BELIEFS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        beliefs = inputs.beliefs
        assert beliefs is not None
        value = beliefs.dynamics.get("memorisation")
        if value is None or not np.isfinite(value[inputs.labelled]).any():
            return nothing(inputs, "the beliefs were brought: there is no training history")
        keep = inputs.labelled & np.isfinite(value)
        return SignalResult(scored(inputs, value, keep))


SIGNALS.register(HardMemorised.name)(HardMemorised())
