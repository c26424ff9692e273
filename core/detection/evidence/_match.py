"""Image–text pairs: a caption that belongs to another image is a wrong label of that image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ...types import KindEvidence, SignalInputs, SignalResult


def with_captions(evidence: KindEvidence, inputs: SignalInputs, results: Mapping[str, SignalResult]) -> KindEvidence:
    """The evidence for wrong labels, joined by the consensus about captions where there is one.

    The probability is the larger of the two, flagged from one half; the reason is about the caption where that is the
    likelier fault.
    """
    match = results.get("match_consensus")
    if match is None or not np.isfinite(match.score).any():
        return evidence
    p = np.nan_to_num(match.score, nan=0.0).astype(np.float32)
    reasons = evidence.reasons.copy()
    for row in np.flatnonzero(p > np.maximum(evidence.probability, 0.25)):
        state, _, cosine = (str(match.reasons[row]) if match.reasons is not None else "").partition(": ")
        opinions = "two opinions agree" if state == "mismatched" else "opinions differ"
        reasons[row] = f"The caption fits its image badly ({cosine}; {opinions}): {p[row]:.2f}."
    return replace(
        evidence,
        probability=np.maximum(evidence.probability, p),
        flag=evidence.flag | (p >= 0.5),
        reasons=reasons,
        info={**{k: v for k, v in evidence.info.items() if k != "skipped"}, "captions": dict(match.info)},
    )
