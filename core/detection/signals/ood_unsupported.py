"""The given label has no support."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._ood import robust_scale
from .base import SIGNALS


class OodUnsupported:
    """How little the out-of-sample belief supports the given label. Wrong labels have that too: a supporting view only.

    Formula: v = −ln max(p_y, 10⁻⁴). The score is ``_ood.squash`` of that: ½ where it lies twice as far above the median as the ninth decile does.

    Source: self-confidence, Northcutt et al. (2021), "Confident learning", JAIR 70; an outlier has no true class, so whatever
    label it carries is unsupported.
    """

    name: ClassVar[str] = "ood_unsupported"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.OOD
    title: ClassVar[str] = "Label unsupported"
    explain: ClassVar[str] = "Nothing in the sample speaks for its label."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.LABELS, Input.BELIEFS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        assert inputs.beliefs is not None
        own = inputs.beliefs.probs[np.arange(inputs.n), np.maximum(inputs.labels, 0)]
        return SignalResult(robust_scale(-np.log(np.maximum(own, 1e-4)), inputs.labelled))


SIGNALS.register(OodUnsupported.name)(OodUnsupported())
