"""Unlike every class, in the raw space."""

from __future__ import annotations

from typing import Any, ClassVar

from numpy.typing import NDArray

from ...types import Input, SignalInputs
from ._ood import OutlierSignal, gaussians
from .base import SIGNALS


class OodMahalanobis(OutlierSignal):
    """Squared Mahalanobis distance to the nearest class mean: finds far outliers and tight groups of them.

    Notes
    -----
    Formula: v = min_k (x − μ_k)ᵀ Σ⁻¹ (x − μ_k), Σ tied and shrunk by .1, on 256 uncentred components, fitted on rows
    whose label the out-of-sample belief confirms (unlabelled: k-means clusters), each row left out of its own mean. The
    score is :func:`._ood.robust_scale` of v.

    References
    ----------
    Lee et al. (2018), "A simple unified framework for detecting out-of-distribution samples", NeurIPS.
    """

    name = "ood_mahalanobis"
    title = "Mahalanobis distance"
    explain = "Far from the mean of every class, measured by the covariance of the classes."
    requires = frozenset({Input.VECTORS})
    leads: ClassVar[bool] = True
    """Started first: other signals share the fit that this one makes."""

    def value(self, inputs: SignalInputs) -> NDArray[Any]:
        """The distance in the raw space."""
        return gaussians(inputs, "vectors").to_class


SIGNALS.register(OodMahalanobis.name)(OodMahalanobis())
