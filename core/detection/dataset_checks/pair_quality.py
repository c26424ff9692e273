"""How well captions fit their images, by where they come from."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from .base import DATASET_CHECKS, CheckInputs, CheckTable, Need, number, wilson

_EXAMPLES = 5


class PairQuality:
    """Share of captions that do not fit, per source (or over everything where no source is known).

    Notes
    -----
    Formula: mismatched = #(p ≥ ½) / n with its Wilson interval (95%, over all sources), expected = mean p; p of
    :mod:`winnow.core.detection.signals.match_consensus`.

    References
    ----------
    Data quality by source as in Gadre et al. (2023), "DataComp", NeurIPS.
    """

    name: ClassVar[str] = "pair_quality"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Captions by source"
    explain: ClassVar[str] = "How many captions do not fit their images, for each source."
    requires: ClassVar[frozenset[Need]] = frozenset({Need.MATCH})

    def __call__(self, inputs: CheckInputs) -> CheckTable:
        """The table."""
        assert inputs.match is not None
        known = np.isfinite(inputs.match)
        source = inputs.source if inputs.source is not None else np.full(inputs.n, "", object)
        names = sorted({str(s) for s in source[known]})
        counts = np.array([int((known & (source == s)).sum()) for s in names])
        wrong = np.array([int((known & (source == s) & (inputs.match >= 0.5)).sum()) for s in names])
        low, high = wilson(wrong, counts, max(len(names), 1))
        rows, examples = [], []
        for i in sorted(range(len(names)), key=lambda i: (-wrong[i] / max(counts[i], 1), names[i])):
            members = np.flatnonzero(known & (source == names[i]))
            worst = members[np.argsort(-inputs.match[members], kind="stable")][:_EXAMPLES]
            rows.append(
                {
                    "source": names[i] or "(none)",
                    "samples": int(counts[i]),
                    "mismatched": number(wrong[i] / max(counts[i], 1)),
                    "low": number(low[i]),
                    "high": number(high[i]),
                    "expected": number(inputs.match[members].mean()),
                }
            )
            examples.append([int(r) for r in worst if inputs.match[r] >= 0.5])
        columns = {
            "source": "Source",
            "samples": "Pairs",
            "mismatched": "Do not fit",
            "low": "At least",
            "high": "At most",
            "expected": "Expected",
        }
        marked = np.flatnonzero(known & (np.nan_to_num(inputs.match) >= 0.5)).astype(np.int32)
        summary = f"{len(marked):,} of {int(known.sum()):,} captions do not fit their images."
        return CheckTable(self.name, columns, rows, examples, summary, marked)


DATASET_CHECKS.register(PairQuality.name)(PairQuality())
