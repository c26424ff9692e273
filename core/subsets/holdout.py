"""Which samples are held out to judge by."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np

from ..types import Bool, Int32

NAMES = ("test", "testing", "eval", "evaluation", "holdout", "held-out", "held_out")
"""Splits that are held out where a dataset has them, the first that is there."""

FALLBACK = ("val", "valid", "validation", "dev")
"""Splits that are taken where none of ``NAMES`` is there."""

_SHARE = 0.2


def held_out(split: Sequence[str], labels: Int32, pool: Bool, ids: Sequence[str]) -> Bool:
    """(n,) bool: the split that is named like a test set, else a fifth of each class by the hash of the id.

    The hash makes it the same samples in every scan and for everybody, whatever else changes. A named split counts only where
    other samples of the pool lie outside of it.
    """
    for names in (NAMES, FALLBACK):
        for name in names:
            found = np.array([s.casefold() == name for s in split], bool)
            if (found & pool).any() and (~found & pool).any():
                return found
    place = np.array([crc32(i.encode("utf-8", "surrogatepass")) for i in ids], np.int64)
    out = np.zeros(len(ids), bool)
    for c in np.unique(labels[labels >= 0]):
        mine = np.flatnonzero((labels == c) & pool)
        out[mine[np.argsort(place[mine], kind="stable")[: int(_SHARE * len(mine))]]] = True
    return out
