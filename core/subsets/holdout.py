"""Which samples are held out to judge subsets."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np

from ..types import Bool, Int32

NAMES = ("test", "testing", "eval", "evaluation", "holdout", "held-out", "held_out")
"""Names of splits that are held out; the first that the dataset has is taken."""

FALLBACK = ("val", "valid", "validation", "dev")
"""Names of splits that are held out where the dataset has none of ``NAMES``."""

_SHARE = 0.2
"""Share of each class that is held out where no split is."""


def held_out(split: Sequence[str], labels: Int32, pool: Bool, ids: Sequence[str]) -> Bool:
    """(n,) bool mask of the held-out samples: the split named like a test set, else a fifth of each class by id hash.

    The hash selects the same samples in every scan and for everybody, regardless of their order. A named split counts
    only where other samples of the pool lie outside of it.

    Parameters
    ----------
    split
        Split name of each of the n samples, "" = none.
    labels
        (n,) int32, −1 = none.
    pool
        (n,) bool, samples that can be used.
    ids
        Sample ids.
    """
    for name in (*NAMES, *FALLBACK):
        named = np.array([s.casefold() == name for s in split], bool)
        if (named & pool).any() and (~named & pool).any():
            return named
    digest = np.array([crc32(i.encode("utf-8", "surrogatepass")) for i in ids], np.int64)
    out = np.zeros(len(ids), bool)
    for c in np.unique(labels[labels >= 0]):
        rows = np.flatnonzero((labels == c) & pool)
        out[rows[np.argsort(digest[rows], kind="stable")[: int(_SHARE * len(rows))]]] = True
    return out
