"""A neighbourhood whose labels do not hold."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._ood import over_neighbors, robust_scale
from .base import SIGNALS

_NEAREST = 20


class OodEstranged:
    """How little the beliefs about the neighbours support the labels that those carry.

    Formula: v = 1/20 Σ_j −ln max(p_j[y_j], 10⁻⁴) over the 20 nearest labelled samples in the half-whitened space. The score is ``_ood.squash`` of that: ½ where it lies twice as far above the median as the ninth decile does.

    Source: loss smoothed over the graph; compare Zhu et al. (2022), "Detecting corrupted labels without training a model", ICML,
    for labels: where all of a neighbourhood disagrees with its own labels, none of them is what it says.
    """

    name: ClassVar[str] = "ood_estranged"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.OOD
    title: ClassVar[str] = "Labels do not hold here"
    explain: ClassVar[str] = "Around this sample, labels and content do not go together."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.BELIEFS, Input.LABEL_NEIGHBORS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        graph, beliefs = inputs.label_neighbors, inputs.beliefs
        assert graph is not None
        assert beliefs is not None
        own = beliefs.probs[np.arange(inputs.n), np.maximum(inputs.labels, 0)]
        loss = -np.log(np.maximum(own, 1e-4))
        return SignalResult(robust_scale(over_neighbors(graph, loss, inputs.labelled, _NEAREST), inputs.ok))


SIGNALS.register(OodEstranged.name)(OodEstranged())
