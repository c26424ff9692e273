"""Balanced: classes (or groups) evened out, as far as a temperature says."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...types import Int64
from .base import SELECTORS, Need, SelectionInputs, SelectorResult, free_rows, shares, shuffled_by


class Balanced:
    """Temperature-based sampling of classes or groups.

    Notes
    -----
    Formula: b_c ∝ n_c^T with T = option ``temperature`` (default 1 − diversity slider): 1 keeps the shares, 0 makes
    them equal. No class gives more than it has; the others make up for it. Within a class, samples are drawn ∝
    quality^(4·slider). Option ``by``: "class" (default) or "group".

    As published: n_c^T (T is the reciprocal of their temperature). Not published: the draw by quality within a class.

    References
    ----------
    Arivazhagan et al. (2019), "Massively multilingual neural machine translation in the wild", arXiv:1907.05019.
    Buda, Maki and Mazurowski (2018), "A systematic study of the class imbalance problem", Neural Networks.
    """

    name: ClassVar[str] = "balanced"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Balanced classes or groups"
    explain: ClassVar[str] = "Evens out class sizes; the diversity slider says how far."
    requires: ClassVar[frozenset[Need]] = frozenset({Need.LABELS})
    uses: ClassVar[frozenset[str]] = frozenset({"quality", "diversity"})
    sizes_itself: ClassVar[bool] = False

    def __call__(self, inputs: SelectionInputs, budget: int, taken: Int64) -> SelectorResult:
        """Draw from each class its quota."""
        rows = free_rows(inputs, taken)
        if not len(rows):
            return SelectorResult(rows)
        by_group = inputs.options.get("by", "class") == "group" and inputs.groups is not None
        group = (inputs.groups if by_group and inputs.groups is not None else inputs.labels) + 1
        temperature = float(inputs.options.get("temperature", 1.0 - inputs.diversity))
        groups = int(group.max()) + 1
        room = np.bincount(group[rows], minlength=groups).astype(np.int64)
        have = np.bincount(group[taken], minlength=groups).astype(np.int64)
        sizes = room + have
        weight = np.where(sizes > 0, np.maximum(sizes, 1) ** temperature, 0.0)
        wanted = shares(budget + len(taken), weight, sizes)
        quota = shares(budget, np.maximum(wanted - have, 0) + 1e-9 * room, room)
        order = shuffled_by(inputs.trust()[rows], inputs.rng())
        drawn = [order[group[rows][order] == g][: quota[g]] for g in range(groups)]
        chosen = inputs.rng().permutation(np.concatenate(drawn))
        return SelectorResult(rows[chosen], info={"temperature": temperature})


SELECTORS.register(Balanced.name)(Balanced())
