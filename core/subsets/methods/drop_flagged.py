"""Drop-flagged: leave out flagged samples, the most suspicious first."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Int64
from .base import SELECTORS, Need, SelectionInputs, SelectorResult, free_rows


class DropFlagged:
    """Unflagged samples first, then by quality.

    Notes
    -----
    Formula: order by (flagged, −quality), ties in random order; where the budget is the whole pool, exactly the
    unflagged samples.

    As published: suspected label errors are pruned before training. Not published: flags and quality are Winnow's
    verdicts (noisy label, out of distribution, broken) instead of confident learning's counts.

    References
    ----------
    Northcutt, Jiang and Chuang (2021), "Confident learning: estimating uncertainty in dataset labels", JAIR 70.
    """

    name: ClassVar[str] = "drop_flagged"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Drop what is flagged"
    explain: ClassVar[str] = "Leaves out wrong labels, strangers and broken samples; the least trusted go first."
    requires: ClassVar[frozenset[Need]] = frozenset()
    uses: ClassVar[frozenset[str]] = frozenset()
    sizes_itself: ClassVar[bool] = True

    def __call__(self, inputs: SelectionInputs, budget: int, taken: Int64) -> SelectorResult:
        """Take the first of the order."""
        rows = inputs.rng().permutation(free_rows(inputs, taken))
        flagged = np.zeros(inputs.n, bool) if inputs.flagged is None else inputs.flagged
        order = np.lexsort((-inputs.known_quality()[rows], flagged[rows]))
        clean = int((~flagged[rows]).sum())
        if budget >= len(rows):
            budget = clean
        return SelectorResult(rows[order][:budget], info={"unflagged": clean})


SELECTORS.register(DropFlagged.name)(DropFlagged())
