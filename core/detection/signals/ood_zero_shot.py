"""Out of distribution by words: a name of something else fits better than every class name."""

from __future__ import annotations

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from .base import SIGNALS, BaseSignal


class OodZeroShot(BaseSignal):
    """Share of the probability on words that the dataset is not about.

    Notes
    -----
    Formula: Σ_neg e^{cos/τ} / (Σ_class e^{cos/τ} + Σ_neg e^{cos/τ}), τ = .01; the reason names the nearest negative
    word where the share is above one half. Negatives are mined far from the class names, and written by people.

    References
    ----------
    Jiang et al. (2024), "Negative Label Guided OOD Detection with Pretrained Vision-Language Models", ICLR.
    """

    name = "ood_zero_shot"
    kind = Kind.OOD
    title = "Negative labels (NegLabel)"
    explain = "A word that names none of the classes is more similar to the sample than all of them."
    requires = frozenset({Input.NEGATIVES})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the readable samples."""
        assert inputs.negatives is not None
        share, winner, names = inputs.negatives.share, inputs.negatives.winner, inputs.negatives.names
        score = np.where(inputs.ok, np.clip(share, 0.0, 1.0), np.nan).astype(np.float32)
        reasons = np.full(inputs.n, "", object)
        for row in np.flatnonzero(score > 0.5):
            reasons[row] = f"looks more like {names[winner[row]]!r} than like any class"
        return SignalResult(score, reasons=reasons, info={"negatives": len(names)})


SIGNALS.register(OodZeroShot.name)(OodZeroShot())
