"""A neighbourhood in which every label occurs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...types import Input, Int32, SignalInputs
from ..arithmetic import row_blocks
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
    title = "Label entropy of the neighbours"
    explain = "The nearest neighbours carry all kinds of labels."
    requires = frozenset({Input.LABELS, Input.LABEL_NEIGHBORS})

    def value(self, inputs: SignalInputs) -> NDArray[Any]:
        """The mean entropy over both neighbourhoods."""
        assert inputs.label_neighbors is not None
        near = inputs.label_neighbors.indices[:, : max(_NEAREST)]
        label = np.where(near >= 0, inputs.labels[np.maximum(near, 0)], -1)
        value = np.empty(inputs.n)
        for part in row_blocks(inputs.n, inputs.n_classes):
            mixing = _mixing if inputs.beliefs is not None else _mixing_of_many
            value[part] = mixing(label[part], inputs.n_classes)
        return value


def _mixing(label: Int32, classes: int) -> NDArray[Any]:
    """(n,) the value for neighbours of classes ``label`` (n, k), −1 = none."""
    value = np.zeros(len(label))
    shares = np.zeros((len(label), classes), np.float32)
    rows = np.arange(len(label))
    counted = 0
    for k in _NEAREST:
        for j in range(counted, min(k, label.shape[1])):
            known = label[:, j] >= 0
            shares[rows[known], label[known, j]] += 1.0
        counted = k
        value += entropy(shares / np.maximum(shares.sum(axis=1, keepdims=True), 1.0)) / len(_NEAREST)
    return np.where(shares.any(axis=1), value, np.nan)


def _mixing_of_many(label: Int32, classes: int) -> NDArray[Any]:
    """:func:`_mixing` without a table of n × C: H = ln m − Σ c ln c / m over the runs of c equal codes among m."""
    value = np.zeros(len(label))
    known: NDArray[Any] = np.zeros(len(label))
    for k in _NEAREST:
        ordered = np.sort(label[:, :k], axis=1)
        begins = np.diff(ordered, axis=1, prepend=-2) != 0
        row, place = np.nonzero(begins)
        size = np.diff(np.append(row * ordered.shape[1] + place, ordered.size))
        counted = ordered[row, place] >= 0
        row, size = row[counted], size[counted]
        known = np.bincount(row, size, minlength=len(label))
        spread = np.bincount(row, size * np.log(size), minlength=len(label))
        value += (np.log(np.maximum(known, 1)) - spread / np.maximum(known, 1)) / np.log(classes) / len(_NEAREST)
    return np.where(known > 0, value, np.nan)


SIGNALS.register(OodIncoherence.name)(OodIncoherence())
