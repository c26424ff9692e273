"""Far from everything."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...types import Input, SignalInputs
from ._ood import OutlierSignal
from .base import SIGNALS

_NEAREST = 10


class OodKnn(OutlierSignal):
    """Mean raw cosine distance to the ten nearest samples: finds far outliers.

    Notes
    -----
    Formula: v = 1/10 Σ_j d_j over the ten nearest on raw, uncentred cosine. The score is :func:`._ood.robust_scale`
    of v.

    References
    ----------
    Sun et al. (2022), "Out-of-distribution detection with deep nearest neighbors", ICML.
    """

    name = "ood_knn"
    title = "kNN distance"
    explain = "Even the nearest samples are far away."
    requires = frozenset({Input.NEIGHBORS})

    def value(self, inputs: SignalInputs) -> NDArray[Any]:
        """The mean distance."""
        assert inputs.neighbors is not None
        near = inputs.neighbors.distances[:, :_NEAREST]
        finite = np.isfinite(near)
        mean = np.where(finite, near, 0.0).sum(axis=1) / np.maximum(finite.sum(axis=1), 1)
        return np.where(finite.any(axis=1), mean, np.nan)


SIGNALS.register(OodKnn.name)(OodKnn())
