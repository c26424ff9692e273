"""Unlike every class, in the raw space."""

from __future__ import annotations

from typing import ClassVar

from ...types import Input, Kind, SignalInputs, SignalResult
from ._ood import gaussians, robust_scale
from .base import SIGNALS


class OodMahalanobis:
    """Squared Mahalanobis distance to the nearest class mean on uncentred principal components: the far view that sees
    tight groups of outliers too.

    Formula: v = min_k (x − μ_k)ᵀ Σ⁻¹ (x − μ_k), Σ tied and shrunk by .1, on 256 uncentred components, fitted on rows whose
    label the out-of-sample belief confirms (unlabelled: k-means clusters), each row left out of its own mean. The score is ``_ood.squash`` of that: ½ where it lies twice as far above the median as the ninth decile does.

    Source: Lee et al. (2018), "A simple unified framework for detecting out-of-distribution samples", NeurIPS.
    """

    name: ClassVar[str] = "ood_mahalanobis"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.OOD
    title: ClassVar[str] = "Unlike every class"
    explain: ClassVar[str] = "Far from every class, measured by how the classes spread."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.VECTORS})
    leads: ClassVar[bool] = True
    """Others wait for the fit that this one makes: it is begun first."""

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        return SignalResult(robust_scale(gaussians(inputs, "vectors").to_class, inputs.ok))


SIGNALS.register(OodMahalanobis.name)(OodMahalanobis())
