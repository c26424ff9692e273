"""Random: the baseline of every other method."""

from __future__ import annotations

from typing import ClassVar

from ...types import Int64
from .base import SELECTORS, Need, SelectionInputs, SelectorResult, free_rows


class Random:
    """Samples drawn uniformly without replacement.

    Notes
    -----
    Formula: P(i) = 1/n. Many methods lose to it at high pruning rates.

    References
    ----------
    Guo, Zhao and Bai (2022), "DeepCore: a comprehensive library for coreset selection in deep learning", DEXA.
    Okanovic et al. (2024), "Repeated random sampling for minimizing the time-to-accuracy of learning", ICLR.
    """

    name: ClassVar[str] = "random"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Random"
    explain: ClassVar[str] = "Every sample has the same chance. The yardstick for all others."
    requires: ClassVar[frozenset[Need]] = frozenset()
    uses: ClassVar[frozenset[str]] = frozenset()
    sizes_itself: ClassVar[bool] = False

    def __call__(self, inputs: SelectionInputs, budget: int, taken: Int64) -> SelectorResult:
        """Draw without replacement."""
        rows = free_rows(inputs, taken)
        return SelectorResult(inputs.rng().permutation(rows)[:budget])


SELECTORS.register(Random.name)(Random())
