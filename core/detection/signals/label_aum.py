"""Area under the margin: the lead of the given label, averaged over training."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._label_math import nothing, scored
from .base import SIGNALS


class LabelAum:
    """Area under the margin, squashed so that 0.5 is a tie.

    Formula: AUM = mean over epochs of z_y − max_{k≠y} z_k (in fold); score = 1 / (1 + exp(AUM / s)), s = mean |AUM|.

    Source: Pleiss et al., "Identifying Mislabeled Data using the Area Under the Margin Ranking" (NeurIPS 2020).
    """

    name: ClassVar[str] = "label_aum"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.NOISY_LABEL
    title: ClassVar[str] = "Area under the margin"
    explain: ClassVar[str] = "During training the given label rarely led the others."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.BELIEFS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        beliefs = inputs.beliefs
        assert beliefs is not None
        aum = beliefs.dynamics.get("aum")
        keep = inputs.labelled
        if aum is None or not np.isfinite(aum[keep]).any():
            return nothing(inputs, "the beliefs were brought: there is no training history")
        keep = keep & np.isfinite(aum)
        scale = max(float(np.abs(aum[keep]).mean(dtype=np.float64)), 1e-6)
        score = 1.0 / (1.0 + np.exp(np.clip(np.where(keep, aum, 0.0) / scale, -30, 30)))
        return SignalResult(scored(inputs, score, keep), info={"scale": scale})


SIGNALS.register(LabelAum.name)(LabelAum())
