"""A neighbourhood in which every label occurs."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._ood import entropy, robust_scale
from .base import SIGNALS

_NEAREST = (20, 50)


class OodIncoherence:
    """Entropy of the neighbours' labels: sees outliers that form a tight group of their own.

    Formula: v = mean over k = 20 and 50 of H(h_k)/ln C, h_k the label shares among the k nearest in the half-whitened space. The score is ``_ood.squash`` of that: ½ where it lies twice as far above the median as the ninth decile does.

    Source: measured in ALGORITHMS.md (.873 on coherent outliers); label entropy of neighbourhoods after Jiang et al. (2018), trust
    scores, NeurIPS.
    """

    name: ClassVar[str] = "ood_incoherence"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.OOD
    title: ClassVar[str] = "Mixed neighbourhood"
    explain: ClassVar[str] = "The most similar samples carry all kinds of labels."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.LABEL_NEIGHBORS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        graph = inputs.label_neighbors
        assert graph is not None
        near = graph.indices[:, : max(_NEAREST)]
        label = np.where(near >= 0, inputs.labels[np.maximum(near, 0)], -1)
        value = np.zeros(inputs.n)
        shares = np.zeros((inputs.n, inputs.n_classes), np.float32)
        rows = np.arange(inputs.n)
        done = 0
        for k in _NEAREST:
            for j in range(done, min(k, label.shape[1])):
                there = label[:, j] >= 0
                shares[rows[there], label[there, j]] += 1.0
            done = k
            value += entropy(shares / np.maximum(shares.sum(axis=1, keepdims=True), 1.0)) / len(_NEAREST)
        return SignalResult(robust_scale(np.where(shares.any(axis=1), value, np.nan), inputs.ok))


SIGNALS.register(OodIncoherence.name)(OodIncoherence())
