"""A neighbourhood in which every label occurs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...types import Input, SignalInputs
from ._ood import OutlierSignal, entropy
from .base import SIGNALS

_NEAREST = (20, 50)


class OodIncoherence(OutlierSignal):
    """Entropy of the neighbours' labels: sees outliers that form a tight group of their own.

    Notes
    -----
    Formula: v = mean over k = 20 and 50 of H(h_k)/ln C, h_k the label shares among the k nearest in the half-whitened
    space. The score is :func:`._ood.robust_scale` of v.

    References
    ----------
    Label entropy of neighbourhoods after Jiang et al. (2018), "To trust or not to trust a classifier", NeurIPS.
    """

    name = "ood_incoherence"
    title = "Mixed neighbourhood"
    explain = "The most similar samples carry all kinds of labels."
    requires = frozenset({Input.LABELS, Input.LABEL_NEIGHBORS})

    def value(self, inputs: SignalInputs) -> NDArray[Any]:
        """The mean entropy over both neighbourhoods."""
        assert inputs.label_neighbors is not None
        near = inputs.label_neighbors.indices[:, : max(_NEAREST)]
        label = np.where(near >= 0, inputs.labels[np.maximum(near, 0)], -1)
        value = np.zeros(inputs.n)
        shares = np.zeros((inputs.n, inputs.n_classes), np.float32)
        rows = np.arange(inputs.n)
        counted = 0
        for k in _NEAREST:
            for j in range(counted, min(k, label.shape[1])):
                known = label[:, j] >= 0
                shares[rows[known], label[known, j]] += 1.0
            counted = k
            value += entropy(shares / np.maximum(shares.sum(axis=1, keepdims=True), 1.0)) / len(_NEAREST)
        return np.where(shares.any(axis=1), value, np.nan)


SIGNALS.register(OodIncoherence.name)(OodIncoherence())
