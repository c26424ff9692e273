"""RS2: another random subset in each epoch."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Int64
from .base import SELECTORS, Need, SelectionInputs, SelectorResult, free_rows


class FreshRandom:
    """The random subset of one epoch of repeated random sampling, without replacement across epochs.

    Notes
    -----
    Formula: the pool is shuffled, and epoch e takes block e mod ⌈n/b⌉ of b samples; after a whole pass it is shuffled
    again, so that every sample is seen once before any is seen twice. Option ``epoch`` (default 0).

    As published: RS2 without replacement; the payoff trains on another epoch's subset in each epoch. Not published:
    where b does not divide n, the last block of a pass is filled from the next pass, so that all subsets have one size.
    Saved or exported, it is the subset of one epoch.

    References
    ----------
    Okanovic et al. (2024), "Repeated random sampling for minimizing the time-to-accuracy of learning", ICLR.
    """

    name: ClassVar[str] = "rs2"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Fresh random each epoch (RS2)"
    explain: ClassVar[str] = (
        "Another random subset for each epoch: all data is seen in time, at the cost of a subset. The payoff trains it "
        "so; what is kept or exported is one epoch's subset."
    )
    requires: ClassVar[frozenset[Need]] = frozenset()
    uses: ClassVar[frozenset[str]] = frozenset()
    sizes_itself: ClassVar[bool] = False

    def __call__(self, inputs: SelectionInputs, budget: int, taken: Int64) -> SelectorResult:
        """Take one epoch's subset."""
        epoch = int(inputs.options.get("epoch", 0))
        rows = free_rows(inputs, taken)
        return SelectorResult(epoch_rows(rows, budget, epoch, inputs.seed), info={"epoch": epoch})


def epoch_rows(rows: Int64, budget: int, epoch: int, seed: int) -> Int64:
    """(min(budget, n),) int64 rows of one epoch. The last block of a pass is filled with earlier rows of that pass."""
    n = len(rows)
    if not 0 < budget < n:
        return np.random.default_rng([seed, epoch]).permutation(rows)[: max(budget, 0)]
    blocks = -(-n // budget)
    pass_, block = divmod(epoch, blocks)
    order = np.random.default_rng([seed, pass_]).permutation(rows)
    drawn = order[block * budget : (block + 1) * budget]
    if len(drawn) < budget:
        earlier = np.random.default_rng([seed, pass_, 1]).permutation(order[: block * budget])
        drawn = np.concatenate([drawn, earlier[: budget - len(drawn)]])
    return drawn


SELECTORS.register(FreshRandom.name)(FreshRandom())
