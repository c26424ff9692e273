"""RS2: a fresh random subset each epoch."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Int64
from .base import SELECTORS, Need, SelectionInputs, SelectorResult, free_rows


class FreshRandom:
    """The random subset of one epoch of repeated random sampling, without replacement across epochs.

    Formula: the pool is shuffled, and epoch e takes block e mod ⌈n/b⌉ of b samples; after a whole pass it is shuffled anew,
    so that every sample is seen once before any is seen twice. Option ``epoch`` (default 0).

    Source: Okanovic et al. (2024), "Repeated random sampling for minimizing the time-to-accuracy of learning", ICLR
    (RS2 without replacement). The payoff trains it as such, another epoch's subset in each epoch; kept or exported,
    it is the subset of one epoch.
    """

    name: ClassVar[str] = "rs2"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Fresh random each epoch (RS2)"
    explain: ClassVar[str] = (
        "Another random subset for each epoch: all data is seen in time, at the cost of a subset. The payoff trains it so; what is "
        "kept or exported is one epoch's subset."
    )
    requires: ClassVar[frozenset[Need]] = frozenset()
    uses: ClassVar[frozenset[str]] = frozenset()
    sizes_itself: ClassVar[bool] = False

    def __call__(self, inputs: SelectionInputs, budget: int, taken: Int64) -> SelectorResult:
        epoch = int(inputs.options.get("epoch", 0))
        rows = free_rows(inputs, taken)
        return SelectorResult(epoch_rows(rows, budget, epoch, inputs.seed), info={"epoch": epoch})


def epoch_rows(rows: Int64, budget: int, epoch: int, seed: int) -> Int64:
    """(min(budget, n),) int64: the rows of one epoch. The last block of a pass is filled from the next pass."""
    n = len(rows)
    if not 0 < budget < n:
        return np.random.default_rng([seed, epoch]).permutation(rows)[: max(budget, 0)]
    blocks = -(-n // budget)
    turn, block = divmod(epoch, blocks)
    order = np.random.default_rng([seed, turn]).permutation(rows)
    mine = order[block * budget : (block + 1) * budget]
    if len(mine) < budget:
        other = np.random.default_rng([seed, turn, 1]).permutation(order[: block * budget])
        mine = np.concatenate([mine, other[: budget - len(mine)]])
    return mine


SELECTORS.register(FreshRandom.name)(FreshRandom())
