"""The given label has no support."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...types import Input, SignalInputs
from ._ood import OutlierSignal
from .base import SIGNALS


class OodUnsupported(OutlierSignal):
    """How little the out-of-sample belief supports the given label.

    Wrong labels have that too, so this signal only supports the others.

    Notes
    -----
    Formula: v = −ln max(p_y, 10⁻⁴). The score is :func:`._ood.robust_scale` of v. An outlier has no true class, so any
    label it carries is unsupported.

    References
    ----------
    Self-confidence, Northcutt et al. (2021), "Confident learning", JAIR 70.
    """

    name = "ood_unsupported"
    title = "Surprisal of the label"
    explain = "The out-of-sample probability of the given label is low (−log p)."
    requires = frozenset({Input.LABELS, Input.BELIEFS})

    def value(self, inputs: SignalInputs) -> NDArray[Any]:
        """The loss of the given label."""
        assert inputs.beliefs is not None
        own = inputs.beliefs.probs[np.arange(inputs.n), np.maximum(inputs.labels, 0)]
        return np.where(inputs.labelled, -np.log(np.maximum(own, 1e-4)), np.nan)


SIGNALS.register(OodUnsupported.name)(OodUnsupported())
