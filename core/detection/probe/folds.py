"""Stratified folds that keep copies of one content together."""

from __future__ import annotations

import numpy as np

from ...types import Bool, Int32, Int64


def stratified_folds(labels: Int32, usable: Bool, folds: int, seed: int, groups: Int64 | None = None) -> Int32:
    """Deal every usable row to a fold, class by class; others get −1.

    Parameters
    ----------
    labels
        (n,) int32 class codes.
    usable
        (n,) bool, the rows to deal.
    folds
        Number of folds, ≥ 2.
    seed
        Seed of the order in which the rows are dealt.
    groups
        (n,) int64 or None. Rows with the same number ≥ 0 share the fold of their first row, so that a copy never
        supports its twin's label from the training side.

    Returns
    -------
    (n,) int32
        Folds in [−1, folds). Within a class the fold sizes differ by at most one (before grouping); the fold that gets
        the surplus rotates from class to class, so that the folds are balanced overall too.
    """
    rng = np.random.default_rng(seed)
    rows = np.flatnonzero(usable)
    rows = rows[rng.permutation(len(rows))]
    rows = rows[np.argsort(labels[rows], kind="stable")]
    fold = np.full(len(labels), -1, np.int32)
    # Dealing the class-sorted rows round-robin balances every class to ±1 and the whole to ±1 at once.
    fold[rows] = np.arange(len(rows)) % folds
    if groups is not None:
        member = np.flatnonzero(usable & (groups >= 0))
        _, first, inverse = np.unique(groups[member], return_index=True, return_inverse=True)
        fold[member] = fold[member[first]][inverse]
    return fold
