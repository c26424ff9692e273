"""Prototypicality: nearness to the middle of the own class."""

from __future__ import annotations

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ..arithmetic import class_sums, own_class_cosine, percentile_rank
from ._labels import clipped
from .base import SIGNALS, BaseSignal


class NaivePrototypical(BaseSignal):
    """Cosine with the class mean, computed without the sample, as a percentile.

    Notes
    -----
    Formula: cos(x, Σ_{j≠i, y_j = y} x_j); score = its rank among the labelled samples.

    References
    ----------
    Sorscher et al., "Beyond neural scaling laws" (NeurIPS 2022): self-supervised prototypes.
    """

    name = "naive_prototypical"
    kind = Kind.NAIVE
    title = "Prototypicality"
    explain = "The sample lies close to the mean of its class."
    requires = frozenset({Input.LABELS, Input.VECTORS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the labelled samples of classes with at least two."""
        x = inputs.vectors if inputs.whitened is None else inputs.whitened
        assert x is not None
        sums, counts = class_sums(x, inputs.labels, inputs.labelled, inputs.n_classes)
        where = inputs.labelled & (counts[np.maximum(inputs.labels, 0)] >= 2)
        cosine = own_class_cosine(x, inputs.labels, sums)
        return SignalResult(clipped(inputs, percentile_rank(cosine, where), where))


SIGNALS.register(NaivePrototypical.name)(NaivePrototypical())
