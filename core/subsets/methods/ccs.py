"""CCS: drop the hardest samples, then cover every level of hardness."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Int64
from .base import SELECTORS, Need, SelectionInputs, SelectorResult, free_rows, shuffled_by


class CoverageCentric:
    """Coverage-centric sampling by EL2N.

    Notes
    -----
    Formula: the share β of hardest samples (EL2N = ‖p − onehot‖₂ in early epochs) is dropped; the range of the rest is
    divided into 50 strata of equal width; each gets an equal share of the budget, the smallest first, and the others
    make up for what it cannot fill. Option ``beta`` in [0, 1), never so large that the budget cannot be filled.

    As published: cut-off, strata and budgets. Not published: β defaults to the flagged share of the pool, since wrong
    labels are the hardest (the paper tunes β by grid search), and the draw within a stratum is ∝ quality^(4·slider).

    References
    ----------
    Zheng et al. (2023), "Coverage-centric coreset selection for high pruning rates", ICLR.
    Paul, Ganguli and Dziugaite (2021), "Deep learning on a data diet", NeurIPS (EL2N).
    """

    name: ClassVar[str] = "ccs"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "All levels of difficulty (EL2N, CCS)"
    explain: ClassVar[str] = "Drops the very hardest, where wrong labels are, then takes evenly from easy to hard."
    requires: ClassVar[frozenset[Need]] = frozenset({Need.HARDNESS})
    uses: ClassVar[frozenset[str]] = frozenset({"quality"})
    sizes_itself: ClassVar[bool] = False

    _STRATA = 50

    def __call__(self, inputs: SelectionInputs, budget: int, taken: Int64) -> SelectorResult:
        """Draw from each stratum its share."""
        assert inputs.hardness is not None
        rows = free_rows(inputs, taken)
        hard = np.nan_to_num(inputs.hardness[rows].astype(np.float64), nan=1.0)
        flagged = 0.0 if inputs.flagged is None or not len(rows) else float(inputs.flagged[rows].mean())
        beta = float(inputs.options.get("beta", flagged))
        drop = min(int(beta * len(rows)), max(len(rows) - budget, 0))
        easiest = np.argsort(hard, kind="stable")[: len(rows) - drop]
        rows, hard = rows[easiest], hard[easiest]
        if not len(rows):
            return SelectorResult(rows)
        edges = np.linspace(hard.min(), hard.max(), self._STRATA + 1)[1:-1]
        stratum = np.searchsorted(edges, hard, side="right")
        order = shuffled_by(inputs.trust()[rows], inputs.rng())
        members = [order[stratum[order] == s] for s in range(self._STRATA)]
        members = sorted((m for m in members if len(m)), key=len)
        picked, left = [], budget
        for i, candidates in enumerate(members):
            share = min(len(candidates), left // (len(members) - i))
            picked.append(candidates[:share])
            left -= share
        if left > 0:  # the remainder of the last division
            rest = np.setdiff1d(order, np.concatenate(picked), assume_unique=True)
            picked.append(rest[:left])
        chosen = np.concatenate(picked)
        return SelectorResult(
            rows[inputs.rng().permutation(chosen)], info={"beta": round(drop / max(len(hard) + drop, 1), 4)}
        )


SELECTORS.register(CoverageCentric.name)(CoverageCentric())
