"""Nearer to the data as a whole than to any class."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ...types import Input, SignalInputs
from ._ood import OutlierSignal, gaussians
from .base import SIGNALS


class OodRelative(OutlierSignal):
    """Mahalanobis distance to the nearest class less the distance to the mean of all: finds near outliers.

    Notes
    -----
    Formula: v = min_k (x − μ_k)ᵀ Σ⁻¹ (x − μ_k) − (x − μ)ᵀ Σ₀⁻¹ (x − μ), Σ₀ the covariance without classes. The score is
    :func:`._ood.robust_scale` of v.

    References
    ----------
    Ren et al. (2021), "A simple fix to Mahalanobis distance for improving near-OOD detection", arXiv:2106.09022.
    """

    name = "ood_relative"
    title = "Relative Mahalanobis distance"
    explain = "Farther from every class than from the data as a whole."
    requires = frozenset({Input.VECTORS})

    def value(self, inputs: SignalInputs) -> NDArray[Any]:
        """The difference of both distances."""
        fit = gaussians(inputs, "vectors")
        return fit.to_class - fit.to_all


SIGNALS.register(OodRelative.name)(OodRelative())
