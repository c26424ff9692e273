"""A neighbourhood whose labels do not hold."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...types import Input, SignalInputs
from ._ood import OutlierSignal, over_neighbors
from .base import SIGNALS

_NEAREST = 20


class OodEstranged(OutlierSignal):
    """How little the beliefs about the neighbours support the labels that those carry.

    Notes
    -----
    Formula: v = 1/20 Σ_j −ln max(p_j[y_j], 10⁻⁴) over the 20 nearest labelled samples in the half-whitened space. The
    score is :func:`._ood.robust_scale` of v. Where all of a neighbourhood disagrees with its own labels, none of its
    samples is what its label says.

    References
    ----------
    Loss smoothed over the graph; compare Zhu et al. (2022), "Detecting corrupted labels without training a model",
    ICML, for labels.
    """

    name = "ood_estranged"
    title = "Label loss of the neighbours"
    explain = "Around this sample, labels and predictions do not agree."
    requires = frozenset({Input.LABELS, Input.BELIEFS, Input.LABEL_NEIGHBORS})

    def value(self, inputs: SignalInputs) -> NDArray[Any]:
        """The neighbours' mean loss."""
        assert inputs.label_neighbors is not None
        assert inputs.beliefs is not None
        own = inputs.beliefs.probs[np.arange(inputs.n), np.maximum(inputs.labels, 0)]
        return over_neighbors(inputs.label_neighbors, -np.log(np.maximum(own, 1e-4)), inputs.labelled, _NEAREST)


SIGNALS.register(OodEstranged.name)(OodEstranged())
