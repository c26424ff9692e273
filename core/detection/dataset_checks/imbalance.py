"""Imbalance: how large the classes are, and which are rare."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from .base import DATASET_CHECKS, CheckInputs, CheckTable, Need, number, rare

_EXAMPLES = 5


class Imbalance:
    """Class sizes with the effective number of samples.

    Notes
    -----
    Formula: effective = (1 − βᵐ)/(1 − β), β = (N − 1)/N, with m the class's samples that are no flagged copy and N
    those of the whole; weight ∝ 1/effective, averaging 1 over the classes in use. ratio = largest size/size. A class is
    rare where its share is surely (Wilson, 95%, over all C classes) below half of an even share, 1/2C. The effective
    number of classes is exp(−Σ q log q), q the shares. Unreadable rows count by their label.

    References
    ----------
    Cui, Jia, Lin, Song and Belongie (2019), "Class-Balanced Loss Based on Effective Number of Samples", CVPR.
    """

    name: ClassVar[str] = "imbalance"
    version: ClassVar[int] = 2
    title: ClassVar[str] = "Class sizes"
    explain: ClassVar[str] = "How many samples each class has, and which classes are rare."
    requires: ClassVar[frozenset[Need]] = frozenset({Need.LABELS})

    def __call__(self, inputs: CheckInputs) -> CheckTable:
        """The table."""
        classes = len(inputs.class_names)
        given = inputs.labels >= 0
        size = np.bincount(inputs.labels[given], minlength=classes)
        distinct = np.bincount(inputs.labels[given & ~inputs.flag("duplicate")], minlength=classes)
        total, all_distinct = int(size.sum()), max(int(distinct.sum()), 1)
        beta = (all_distinct - 1) / all_distinct
        effective = (1 - beta**distinct) / (1 - beta)
        used = effective > 0
        weight = np.zeros(classes)
        weight[used] = 1 / effective[used]
        weight[used] *= used.sum() / weight[used].sum() if used.any() else 1.0
        few = rare(size, total)
        order = np.lexsort((np.arange(classes), -size))
        rows = [
            {
                "class": inputs.class_names[c],
                "samples": int(size[c]),
                "share": number(size[c] / total),
                "ratio": number(size.max() / size[c], 2) if size[c] else None,
                "distinct": int(distinct[c]),
                "effective": number(effective[c], 1),
                "weight": number(weight[c]) if used[c] else None,
                "rare": bool(few[c]),
            }
            for c in order
        ]
        examples = [
            [int(r) for r in np.flatnonzero(inputs.labelled & (inputs.labels == c))[:_EXAMPLES]] if few[c] else []
            for c in order
        ]
        columns = {
            "class": "Class",
            "samples": "Samples",
            "share": "Share",
            "ratio": "Largest is … times as large",
            "distinct": "Without copies",
            "effective": "Effective samples",
            "weight": "Balanced weight",
            "rare": "Rare",
        }
        q = size[size > 0] / total
        spread = float(np.exp(-(q * np.log(q)).sum()))
        summary = (
            f"{classes:,} class{'es' if classes != 1 else ''}, effective number of classes {spread:,.1f}; "
            f"{int(few.sum()) or 'none'} {'is' if few.sum() <= 1 else 'are'} rare."
        )
        return CheckTable(self.name, columns, rows, examples, summary)


DATASET_CHECKS.register(Imbalance.name)(Imbalance())
