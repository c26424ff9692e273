"""Disagreement of the neighbours in the half-whitened space."""

from __future__ import annotations

from ...types import Float32, Input, SignalInputs, SignalResult
from ..arithmetic import neighbor_contest, votes
from ._labels import DisbeliefSignal, clipped, suggestion
from .base import SIGNALS


class LabelKnn(DisbeliefSignal):
    """Share of the 50 nearest neighbours' weighted votes that do not go to the given label.

    Notes
    -----
    Formula: 1 − v_y, v_k = (Σ_j e^{−d_j/d̄}·[y_j = k] + π_k) / (Σ_j e^{−d_j/d̄} + 1), π the label frequencies and d̄ the
    mean distance to the tenth neighbour, in the half-whitened space (λ^¼). Suggestion: argmax_{k≠y} v_k.
    Where there are too many classes for beliefs, fewer neighbours vote (:func:`..arithmetic.neighbor_contest`).

    References
    ----------
    Papernot & McDaniel, "Deep k-Nearest Neighbors" (2018).
    """

    name = "label_knn"
    title = "kNN disagreement"
    explain = "The nearest neighbours carry another label."
    requires = frozenset({Input.LABELS, Input.LABEL_NEIGHBORS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the labelled samples; without a table of samples × classes where there are too many for beliefs."""
        if inputs.beliefs is not None:
            return super().__call__(inputs)
        own, _, other = neighbor_contest(inputs)
        return SignalResult(clipped(inputs, 1.0 - own), suggestion(other, inputs.labelled))

    def probabilities(self, inputs: SignalInputs) -> Float32 | None:
        """The neighbours' votes."""
        assert inputs.label_neighbors is not None
        return votes(inputs.label_neighbors, inputs.labels, inputs.ok, inputs.n_classes)


SIGNALS.register(LabelKnn.name)(LabelKnn())
