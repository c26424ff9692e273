"""Nearest class mean: is another class's centre nearer than the own one?"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._label_math import class_means, nothing, scored
from .base import SIGNALS


class LabelMean:
    """Margin between the own class's mean, computed without the sample, and the nearest other one.

    Formula: with cosines c_k to the class means (leave-one-out for k = y), score = 1 / (1 + exp((c_y − max_{k≠y} c_k)/s)),
    s = the mean absolute margin. Suggestion: argmax_{k≠y} c_k.

    Source: Mensink et al. (2013) nearest class mean; Lee et al., CleanNet (CVPR 2018) for noise by class prototypes.
    """

    name: ClassVar[str] = "label_mean"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.NOISY_LABEL
    title: ClassVar[str] = "Nearest class mean"
    explain: ClassVar[str] = "The sample lies nearer to the centre of another class."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.VECTORS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        x = inputs.vectors if inputs.whitened is None else inputs.whitened
        assert x is not None
        keep = inputs.labelled
        sums, counts = class_means(x, inputs.labels, keep, inputs.n_classes)
        unit = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
        cosine = (x @ unit.T).astype(np.float32)
        cosine[:, counts == 0] = -1.0
        given = np.maximum(inputs.labels, 0)
        rest = sums[given] - x
        own = (rest * x).sum(1) / np.maximum(np.linalg.norm(rest, axis=1), 1e-9)
        alone = counts[given] < 2
        cosine[np.arange(inputs.n), given] = -1.0
        other = cosine.argmax(1).astype(np.int32)
        margin = own - cosine[np.arange(inputs.n), other]
        where = keep & ~alone
        if not where.any():
            return nothing(inputs, "every class has a single sample")
        scale = max(float(np.abs(margin[where]).mean(dtype=np.float64)), 1e-6)
        score = 1.0 / (1.0 + np.exp(np.clip(margin / scale, -30, 30)))
        return SignalResult(scored(inputs, score, where), suggestion=np.where(where, other, -1).astype(np.int32))


SIGNALS.register(LabelMean.name)(LabelMean())
