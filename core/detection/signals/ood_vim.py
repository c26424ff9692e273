"""What the principal space leaves out, against the best logit."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._ood import gaussians, robust_scale, trusted
from .base import SIGNALS


class OodVim:
    """A virtual class made of the residual competes with the real ones.

    Formula: v = α·‖x^⊥‖ − max_k l_k, x^⊥ what 256 uncentred components (at most half of all) leave, l the mean-free calibrated logits, α the ratio of
    the mean best logit to the mean residual over trusted rows. The score is ``_ood.squash`` of that: ½ where it lies twice as far above the median as the ninth decile does.

    Source: Wang et al. (2022), "ViM: Out-of-distribution with virtual-logit matching", CVPR.
    """

    name: ClassVar[str] = "ood_vim"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.OOD
    title: ClassVar[str] = "Outside the usual directions"
    explain: ClassVar[str] = "Much of it lies in directions that the data hardly uses, and no class makes up for it."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.VECTORS, Input.BELIEFS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        assert inputs.beliefs is not None
        log = np.log(np.maximum(inputs.beliefs.probs, 1e-6))
        best = log.max(axis=1) - log.mean(axis=1)
        residual = gaussians(inputs, "vectors").residual
        rows = trusted(inputs)
        alpha = float(best[rows].mean()) / max(float(residual[rows].mean()), 1e-9) if rows.any() else 0.0
        return SignalResult(robust_scale(alpha * residual - best, inputs.ok), info={"alpha": alpha})


SIGNALS.register(OodVim.name)(OodVim())
