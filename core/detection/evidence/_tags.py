"""What the tags of samples say of their verdicts: the one place where pairs of sample and tag become samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...types import Bool, Float32, KindEvidence, Strings, Tags

_SHOWN = 4
"""Tags of a copy that a reason names."""


@dataclass(frozen=True)
class TagFindings:
    """The tags of every sample, and what is wrong with them.

    Attributes
    ----------
    tags
        As given.
    probability
        (n,) float32 in [0, 1], of the likeliest wrong pair of each sample: the largest over its tags.
    flag
        (n,) bool, whether one of the pairs is flagged.
    reasons
        (n,) str objects, "" where nothing is flagged.
    info
        Plain values: rates of extra and missing tags, how many pairs are flagged.
    """

    tags: Tags
    probability: Float32
    flag: Bool
    reasons: Strings
    info: Mapping[str, Any] = field(default_factory=dict)


def with_tags(evidence: KindEvidence, found: TagFindings) -> KindEvidence:
    """Evidence of noisy labels where samples have tags: a sample is one where its label or one of its tags is."""
    reasons = evidence.reasons.copy()
    for row in np.flatnonzero(found.flag):
        reasons[row] = f"{reasons[row]} {found.reasons[row]}" if evidence.flag[row] else found.reasons[row]
    info = {key: value for key, value in evidence.info.items() if key != "skipped"}
    return replace(
        evidence,
        probability=np.maximum(evidence.probability, found.probability),
        flag=evidence.flag | found.flag,
        reasons=reasons,
        info={**info, "tags": dict(found.info)},
    )


def with_tag_conflicts(evidence: KindEvidence, tags: Tags) -> KindEvidence:
    """Evidence of duplicates that says where the copies carry different tags."""
    if evidence.group is None:
        return evidence
    reasons, given = evidence.reasons.copy(), tags.given
    rows = np.flatnonzero(evidence.group >= 0)
    rows = rows[np.argsort(evidence.group[rows], kind="stable")]
    for members in np.split(rows, np.flatnonzero(np.diff(evidence.group[rows])) + 1) if len(rows) else []:
        sets = [frozenset(given.indices[given.indptr[row] : given.indptr[row + 1]].tolist()) for row in members]
        differ = sorted(frozenset.union(*sets) - frozenset.intersection(*sets))
        if differ:
            named = ", ".join(tags.names[t] for t in differ[:_SHOWN])
            for row in members:
                reasons[row] = f"{reasons[row].rstrip('.')}; the copies carry different tags ({named})"
    return replace(evidence, reasons=reasons)
