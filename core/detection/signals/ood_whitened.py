"""Unlike every class, in the half-whitened space."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._ood import gaussians, robust_scale
from .base import SIGNALS


class OodWhitened:
    """Squared Mahalanobis distance to the nearest class mean in the half-whitened space: unusual in fine directions.

    Formula: v = min_k (z − μ_k)ᵀ Σ⁻¹ (z − μ_k) on half-whitened unit rows z (λ^¼), fitted on confirmed rows. The score is ``_ood.squash`` of that: ½ where it lies twice as far above the median as the ninth decile does.

    Source: Lee et al. (2018), NeurIPS, in the space of Jégou and Chum (2012), ECCV; see ALGORITHMS.md on near outliers.
    """

    name: ClassVar[str] = "ood_whitened"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.OOD
    title: ClassVar[str] = "Unusual in detail"
    explain: ClassVar[str] = "Unlike every class once large shared directions are toned down."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABEL_NEIGHBORS})
    leads: ClassVar[bool] = True
    """Others wait for the fit that this one makes: it is begun first."""

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        if inputs.whitened is None:
            return SignalResult(np.full(inputs.n, np.nan, np.float32), info={"skipped": "no half-whitened space"})
        return SignalResult(robust_scale(gaussians(inputs, "whitened").to_class, inputs.ok))


SIGNALS.register(OodWhitened.name)(OodWhitened())
