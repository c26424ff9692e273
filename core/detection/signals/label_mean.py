"""Nearest class mean: whether another class's centre is nearer than that of the own class."""

from __future__ import annotations

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ..arithmetic import class_sums, own_class_cosine, row_blocks, unit_rows
from ._labels import clipped, suggestion
from .base import SIGNALS, BaseSignal, skipped


class LabelMean(BaseSignal):
    """Margin between the own class's mean, computed without the sample, and the nearest other one.

    Notes
    -----
    Formula: with cosines c_k to the class means (leave-one-out for k = y), score = 1 / (1 + exp((c_y −
    max_{k≠y} c_k)/s)), s = the mean absolute margin. Suggestion: argmax_{k≠y} c_k.

    References
    ----------
    Mensink et al. (2013) nearest class mean; Lee et al., CleanNet (CVPR 2018) for noise by class prototypes.
    """

    name = "label_mean"
    kind = Kind.NOISY_LABEL
    title = "Nearest class mean"
    explain = "The sample lies nearer to the mean of another class."
    requires = frozenset({Input.LABELS, Input.VECTORS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the labelled samples of classes with at least two."""
        x = inputs.vectors if inputs.whitened is None else inputs.whitened
        assert x is not None
        sums, counts = class_sums(x, inputs.labels, inputs.labelled, inputs.n_classes)
        means = unit_rows(sums)
        given = np.maximum(inputs.labels, 0)
        other, nearest = np.empty(inputs.n, np.int32), np.empty(inputs.n, np.float32)
        for part in row_blocks(inputs.n, len(counts)):
            cosine = (x[part] @ means.T).astype(np.float32)
            cosine[:, counts == 0] = -1.0
            rows = np.arange(len(cosine))
            cosine[rows, given[part]] = -1.0
            other[part] = cosine.argmax(1)
            nearest[part] = cosine[rows, other[part]]
        margin = own_class_cosine(x, inputs.labels, sums) - nearest
        where = inputs.labelled & (counts[given] >= 2)
        if not where.any():
            return skipped(inputs, "every class has a single sample")
        scale = max(float(np.abs(margin[where]).mean(dtype=np.float64)), 1e-6)
        score = 1.0 / (1.0 + np.exp(np.clip(margin / scale, -30, 30)))
        return SignalResult(clipped(inputs, score, where), suggestion(other, where))


SIGNALS.register(LabelMean.name)(LabelMean())
