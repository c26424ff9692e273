"""Disagreement of the neighbours in the half-whitened space."""

from __future__ import annotations

from ...types import Float32, Input, SignalInputs
from ..arithmetic import votes
from ._labels import DisbeliefSignal
from .base import SIGNALS


class LabelKnn(DisbeliefSignal):
    """Share of the 50 nearest neighbours' weighted votes that do not go to the given label.

    Notes
    -----
    Formula: 1 − v_y, v_k = (Σ_j e^{−d_j/d̄}·[y_j = k] + π_k) / (Σ_j e^{−d_j/d̄} + 1), π the label frequencies and d̄ the
    mean distance to the tenth neighbour, in the half-whitened space (λ^¼). Suggestion: argmax_{k≠y} v_k.

    References
    ----------
    Papernot & McDaniel, "Deep k-Nearest Neighbors" (2018).
    """

    name = "label_knn"
    title = "Neighbours disagree"
    explain = "The most similar samples carry another label."
    requires = frozenset({Input.LABELS, Input.LABEL_NEIGHBORS})

    def probabilities(self, inputs: SignalInputs) -> Float32 | None:
        """The neighbours' votes."""
        assert inputs.label_neighbors is not None
        return votes(inputs.label_neighbors, inputs.labels, inputs.ok, inputs.n_classes)


SIGNALS.register(LabelKnn.name)(LabelKnn())
