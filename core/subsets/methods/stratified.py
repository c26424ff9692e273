"""Stratified: random within each class, in the classes' own proportions."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Int64
from .base import SELECTORS, Need, SelectionInputs, SelectorResult, free_rows, shares, shuffled_by


class Stratified:
    """A random draw within each class, each class keeping its share of the pool.

    Notes
    -----
    Formula: b_c ∝ n_c by largest remainders; within a class, samples are drawn ∝ quality^(4·slider). Samples without a
    label are a class of their own.

    As published: proportional allocation. Not published: the draw by quality.

    References
    ----------
    Neyman (1934), "On the two different aspects of the representative method", Journal of the Royal Statistical
    Society.
    """

    name: ClassVar[str] = "stratified"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Stratified by class"
    explain: ClassVar[str] = "Random within each class; every class keeps its share."
    requires: ClassVar[frozenset[Need]] = frozenset({Need.LABELS})
    uses: ClassVar[frozenset[str]] = frozenset({"quality"})
    sizes_itself: ClassVar[bool] = False

    def __call__(self, inputs: SelectionInputs, budget: int, taken: Int64) -> SelectorResult:
        """Draw from each class its quota."""
        rows = free_rows(inputs, taken)
        label = inputs.labels[rows] + 1
        room = np.bincount(label, minlength=inputs.n_classes + 1)
        have = np.bincount(inputs.labels[taken] + 1, minlength=inputs.n_classes + 1)
        # taken rows count towards the share of their class
        wanted = shares(budget + len(taken), (room + have).astype(np.float64), room + have)
        quota = shares(budget, np.maximum(wanted - have, 1e-9 * room), room)
        order = shuffled_by(inputs.trust()[rows], inputs.rng())
        return SelectorResult(rows[order[first_of(label[order], quota)]])


def first_of(group: np.ndarray, quota: Int64) -> np.ndarray:
    """(m,) bool mask of the first ``quota[g]`` members of each group, in the order given."""
    by = np.argsort(group, kind="stable")
    sizes = np.bincount(group, minlength=len(quota))
    place = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    keep = np.zeros(len(group), bool)
    keep[by] = place < quota[group[by]]
    return keep


SELECTORS.register(Stratified.name)(Stratified())
