"""What outlines on the map hold, one after the other, over all points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import QueryError
from ..types import Bool, Int32
from .polygon import PointIndex

Outline = tuple[str, Sequence[Sequence[float]]]
"""("add" | "subtract", corners in map coordinates)."""


def combined(
    points: PointIndex, outlines: Sequence[Outline], allowed: Int32 | None = None, base: Int32 | None = None
) -> Bool:
    """(n,) bool: the points that are chosen once every outline has added or taken out what it holds.

    Parameters
    ----------
    points
        The map.
    outlines
        In the order in which they were drawn.
    allowed
        Rows that an outline may touch at all; None = every one.
    base
        Rows that are chosen before the first outline, allowed or not.

    Raises
    ------
    QueryError
        An outline that is neither added nor taken out, or no polygon (see
        :class:`winnow.core.explore.polygon.PointIndex`).
    """
    n = len(points)
    chosen, free = np.zeros(n, bool), np.ones(n, bool)
    if base is not None:
        chosen[base] = True
    if allowed is not None:
        free[:] = False
        free[allowed] = True
    for op, corners in outlines:
        if op not in ("add", "subtract"):
            raise QueryError(f"An outline is added or taken out ('add' or 'subtract'), not {op!r}.")
        held = points.inside(corners) & free
        chosen = chosen | held if op == "add" else chosen & ~held
    return chosen
