"""Graph refinement (LAME): neighbours pull each other to one belief."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Bool, Float32, Input, Kind, Neighbors, SignalInputs, SignalResult
from ._label_math import disbelief
from .base import SIGNALS

_K, _ROUNDS, _PULL = 15, 15, 2.0


def refine(probs: Float32, graph: Neighbors, ok: Bool) -> Float32:
    """(n, C) beliefs after the rounds of LAME; rows without neighbours keep theirs."""
    from scipy.sparse import csr_matrix

    index, distance = graph.indices[:, :_K], graph.distances[:, :_K]
    there = (index >= 0) & np.isfinite(distance)
    there &= ok[np.where(there, index, 0)]
    tenth = distance[:, -1][np.isfinite(distance[:, -1])] if index.shape[1] else np.zeros(0, np.float32)
    yardstick = float(tenth.mean(dtype=np.float64)) if len(tenth) else 1.0
    weight = np.exp(-np.where(there, distance, 0.0) / max(yardstick, 1e-6)) * there
    weight /= np.maximum(weight.sum(1, keepdims=True), 1e-9)
    row = np.repeat(np.arange(len(index)), index.shape[1]).reshape(index.shape)
    pull = csr_matrix((weight[there].astype(np.float32), (row[there], index[there])), shape=(len(index),) * 2)
    start = np.log(np.maximum(probs, 1e-7)).astype(np.float32)
    z = probs
    for _ in range(_ROUNDS):
        logits = start + _PULL * (pull @ z)
        logits -= logits.max(1, keepdims=True)
        z = np.exp(logits)
        z /= z.sum(1, keepdims=True)
    out: Float32 = z.astype(np.float32)
    return out


class LabelLame:
    """Beliefs smoothed over the neighbour graph.

    Formula: Z ← softmax(log p + λ·W·Z), 15 rounds from Z = p, with W the row-normalised neighbour weights (k = 15) and
    λ = 2; score = 1 − Z_y. Suggestion: argmax_{k≠y} Z_k.

    Source: Boudiaf et al., "Parameter-free Online Test-time Adaptation" (LAME, CVPR 2022).
    """

    name: ClassVar[str] = "label_lame"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.NOISY_LABEL
    title: ClassVar[str] = "Graph-refined belief"
    explain: ClassVar[str] = "After neighbours settled their beliefs together, the given label is unlikely."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.BELIEFS, Input.LABEL_NEIGHBORS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        beliefs = inputs.beliefs
        assert beliefs is not None
        graph = inputs.label_neighbors
        assert graph is not None
        return disbelief(inputs, refine(beliefs.probs, graph, inputs.ok))


SIGNALS.register(LabelLame.name)(LabelLame())
