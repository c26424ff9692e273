"""What the principal space leaves out, against the best logit."""

from __future__ import annotations

import numpy as np

from ...types import Input, SignalInputs, SignalResult
from ._ood import OutlierSignal, gaussians, robust_scale, trusted
from .base import SIGNALS


class OodVim(OutlierSignal):
    """A virtual class, formed by the residual, competes with the real ones.

    Notes
    -----
    Formula: v = α·‖x^⊥‖ − max_k l_k, x^⊥ the part outside 256 uncentred components (at most half of all), l the
    mean-free calibrated logits, α the ratio of the mean best logit to the mean residual over trusted rows. The score
    is :func:`._ood.robust_scale` of v.

    References
    ----------
    Wang et al. (2022), "ViM: Out-of-distribution with virtual-logit matching", CVPR.
    """

    name = "ood_vim"
    title = "ViM"
    explain = "Much of the embedding lies outside the principal directions, and no logit makes up for it."
    requires = frozenset({Input.VECTORS, Input.BELIEFS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the readable samples."""
        assert inputs.beliefs is not None
        log = np.log(np.maximum(inputs.beliefs.probs, 1e-6))
        best = log.max(axis=1) - log.mean(axis=1)
        residual = gaussians(inputs, "vectors").residual
        rows = trusted(inputs)
        alpha = float(best[rows].mean()) / max(float(residual[rows].mean()), 1e-9) if rows.any() else 0.0
        return SignalResult(robust_scale(alpha * residual - best, inputs.ok), info={"alpha": alpha})


SIGNALS.register(OodVim.name)(OodVim())
