"""Graph refinement (LAME): neighbours pull each other to one belief."""

from __future__ import annotations

import numpy as np

from ...types import Bool, Float32, Input, Neighbors, SignalInputs
from ..arithmetic import softmax, usable_neighbors
from ._labels import DisbeliefSignal
from .base import SIGNALS

_K, _ROUNDS, _PULL = 15, 15, 2.0


class LabelLame(DisbeliefSignal):
    """Beliefs smoothed over the neighbour graph.

    Notes
    -----
    Formula: Z ← softmax(log p + λ·W·Z), 15 rounds from Z = p, with W the row-normalised neighbour weights (k = 15) and
    λ = 2; score = 1 − Z_y. Suggestion: argmax_{k≠y} Z_k.

    References
    ----------
    Boudiaf et al., "Parameter-free Online Test-time Adaptation" (LAME, CVPR 2022).
    """

    name = "label_lame"
    title = "Laplacian-smoothed probabilities (LAME)"
    explain = "After smoothing over the neighbour graph, the given label has little probability."
    requires = frozenset({Input.LABELS, Input.BELIEFS, Input.LABEL_NEIGHBORS})

    def probabilities(self, inputs: SignalInputs) -> Float32 | None:
        """The refined beliefs."""
        assert inputs.beliefs is not None
        assert inputs.label_neighbors is not None
        return refine(inputs.beliefs.probs, inputs.label_neighbors, inputs.ok)


def refine(probs: Float32, graph: Neighbors, ok: Bool) -> Float32:
    """(n, C) beliefs after the rounds of LAME; rows without neighbours keep theirs."""
    from scipy.sparse import csr_matrix

    near, distance, usable = usable_neighbors(graph, ok, _K)
    last = distance[:, -1][np.isfinite(distance[:, -1])] if distance.shape[1] else np.zeros(0, np.float32)
    yardstick = float(last.mean(dtype=np.float64)) if len(last) else 1.0
    weight = np.exp(-np.where(usable, distance, 0.0) / max(yardstick, 1e-6)) * usable
    weight /= np.maximum(weight.sum(1, keepdims=True), 1e-9)
    row = np.repeat(np.arange(len(near)), near.shape[1]).reshape(near.shape)
    pull = csr_matrix((weight[usable].astype(np.float32), (row[usable], near[usable])), shape=(len(near),) * 2)
    start = np.log(np.maximum(probs, 1e-7)).astype(np.float32)
    z = probs
    for _ in range(_ROUNDS):
        z = softmax(start + _PULL * (pull @ z))
    return z.astype(np.float32)


SIGNALS.register(LabelLame.name)(LabelLame())
