"""Disagreement of the neighbours in the half-whitened space."""

from __future__ import annotations

from typing import ClassVar

from ...types import Input, Kind, SignalInputs, SignalResult
from ._label_math import disbelief, votes
from .base import SIGNALS


class LabelKnn:
    """Share of the 50 nearest neighbours' weighted votes that do not go to the given label.

    Formula: 1 − v_y, v_k = (Σ_j e^{−d_j/d̄}·[y_j = k] + π_k) / (Σ_j e^{−d_j/d̄} + 1), π the label frequencies and d̄ the
    mean distance to the tenth neighbour. Suggestion: argmax_{k≠y} v_k.

    Source: deep kNN, Papernot & McDaniel (2018); half-whitening (λ^¼) as measured in ALGORITHMS.md.
    """

    name: ClassVar[str] = "label_knn"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.NOISY_LABEL
    title: ClassVar[str] = "Neighbours disagree"
    explain: ClassVar[str] = "The most similar samples carry another label."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.LABEL_NEIGHBORS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        graph = inputs.label_neighbors
        assert graph is not None
        return disbelief(inputs, votes(graph, inputs.labels, inputs.ok, inputs.n_classes))


SIGNALS.register(LabelKnn.name)(LabelKnn())
