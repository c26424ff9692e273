"""Prototypicality: nearness to the middle of the own class."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._label_math import class_means, percentile_rank, scored
from .base import SIGNALS


class NaivePrototypical:
    """Cosine with the class mean, computed without the sample, as a percentile.

    Formula: cos(x, Σ_{j≠i, y_j = y} x_j); score = its rank among the labelled samples.

    Source: Sorscher et al., "Beyond neural scaling laws" (NeurIPS 2022): self-supervised prototypes.
    """

    name: ClassVar[str] = "naive_prototypical"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.NAIVE
    title: ClassVar[str] = "Prototypical"
    explain: ClassVar[str] = "It sits in the very middle of its class."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.VECTORS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        x = inputs.vectors if inputs.whitened is None else inputs.whitened
        assert x is not None
        keep = inputs.labelled
        sums, counts = class_means(x, inputs.labels, keep, inputs.n_classes)
        given = np.maximum(inputs.labels, 0)
        rest = sums[given] - x
        cosine = ((rest * x).sum(1) / np.maximum(np.linalg.norm(rest, axis=1), 1e-9)).astype(np.float32)
        where = keep & (counts[given] >= 2)
        return SignalResult(scored(inputs, percentile_rank(cosine, where), where))


SIGNALS.register(NaivePrototypical.name)(NaivePrototypical())
