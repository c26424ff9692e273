"""Far from everything."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._ood import robust_scale
from .base import SIGNALS

_NEAREST = 10


class OodKnn:
    """Mean raw cosine distance to the ten nearest samples: the far view.

    Formula: v = 1/10 Σ_j d_j over the ten nearest on raw, uncentred cosine. The score is ``_ood.squash`` of that: ½ where it lies twice as far above the median as the ninth decile does.

    Source: Sun et al. (2022), "Out-of-distribution detection with deep nearest neighbors", ICML.
    """

    name: ClassVar[str] = "ood_knn"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.OOD
    title: ClassVar[str] = "Far from all others"
    explain: ClassVar[str] = "Even the nearest samples are far away."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.NEIGHBORS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        graph = inputs.neighbors
        assert graph is not None
        near = graph.distances[:, :_NEAREST]
        there = np.isfinite(near)
        mean = np.where(there, near, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
        return SignalResult(robust_scale(np.where(there.any(axis=1), mean, np.nan), inputs.ok))


SIGNALS.register(OodKnn.name)(OodKnn())
