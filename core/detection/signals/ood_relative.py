"""Nearer to "anything" than to any class."""

from __future__ import annotations

from typing import ClassVar

from ...types import Input, Kind, SignalInputs, SignalResult
from ._ood import gaussians, robust_scale
from .base import SIGNALS


class OodRelative:
    """Mahalanobis distance to the nearest class less the distance to the mean of all: the near view.

    Formula: v = min_k (x − μ_k)ᵀ Σ⁻¹ (x − μ_k) − (x − μ)ᵀ Σ₀⁻¹ (x − μ), Σ₀ the covariance without classes. The score is ``_ood.squash`` of that: ½ where it lies twice as far above the median as the ninth decile does.

    Source: Ren et al. (2021), "A simple fix to Mahalanobis distance for improving near-OOD detection", arXiv:2106.09022.
    """

    name: ClassVar[str] = "ood_relative"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.OOD
    title: ClassVar[str] = "No class fits"
    explain: ClassVar[str] = "It looks like the data as a whole, but like no class in particular."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.VECTORS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        fit = gaussians(inputs, "vectors")
        return SignalResult(robust_scale(fit.to_class - fit.to_all, inputs.ok))


SIGNALS.register(OodRelative.name)(OodRelative())
