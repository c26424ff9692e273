"""Image–text pairs: a caption that belongs to another image is a wrong label of that image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ...types import KindEvidence, SignalInputs, SignalResult


def with_match(found: KindEvidence, inputs: SignalInputs, results: Mapping[str, SignalResult]) -> KindEvidence:
    """The evidence for wrong labels, joined by the consensus about captions where there is one: the likelier of the two,
    flagged from one half; the reason speaks of the caption where that is the likelier.
    """
    match = results.get("match_consensus")
    if match is None or not np.isfinite(match.score).any():
        return found
    p = np.nan_to_num(match.score, nan=0.0).astype(np.float32)
    rows = np.flatnonzero(p > np.maximum(found.probability, 0.25))
    reasons = found.reasons.copy()
    for row in rows:
        said = str(match.reasons[row]) if match.reasons is not None else ""
        state, _, number = said.partition(": ")
        how = "two opinions agree" if state == "mismatched" else "opinions differ"
        reasons[row] = f"The caption fits its image badly ({number}; {how}): {p[row]:.2f}."
    return replace(
        found,
        probability=np.maximum(found.probability, p),
        flag=found.flag | (p >= 0.5),
        reasons=reasons,
        info={**{k: v for k, v in found.info.items() if k != "skipped"}, "captions": dict(match.info)},
    )
