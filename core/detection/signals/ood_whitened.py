"""Unlike every class, in the half-whitened space."""

from __future__ import annotations

from typing import Any, ClassVar

from numpy.typing import NDArray

from ...types import Input, SignalInputs, SignalResult
from ._ood import OutlierSignal, gaussians
from .base import SIGNALS, skipped


class OodWhitened(OutlierSignal):
    """Squared Mahalanobis distance to the nearest class mean in the half-whitened space: unusual in fine directions.

    Notes
    -----
    Formula: v = min_k (z − μ_k)ᵀ Σ⁻¹ (z − μ_k) on half-whitened unit rows z (λ^¼), fitted on confirmed rows. The score
    is :func:`._ood.robust_scale` of v.

    References
    ----------
    Lee et al. (2018), NeurIPS, in the space of Jégou and Chum (2012), ECCV.
    """

    name = "ood_whitened"
    title = "Half-whitened Mahalanobis distance"
    explain = "Unlike every class once large shared directions are scaled down."
    requires = frozenset({Input.LABEL_NEIGHBORS})
    leads: ClassVar[bool] = True
    """Started first: other signals share the fit that this one makes."""
    reads_vectors: ClassVar[bool] = True
    """Run for every encoder: it reads the half-whitened rows themselves."""

    def value(self, inputs: SignalInputs) -> NDArray[Any]:
        """The distance in the half-whitened space."""
        return gaussians(inputs, "whitened").to_class

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the readable samples, where there is a half-whitened space."""
        return skipped(inputs, "no half-whitened space") if inputs.whitened is None else super().__call__(inputs)


SIGNALS.register(OodWhitened.name)(OodWhitened())
