"""Which points lie within outlines on the map: the even-odd rule, over all points at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import QueryError
from ..types import Bool, Int32

MAX_CORNERS = 10_000

Outline = tuple[str, Sequence[Sequence[float]]]
"""("add" | "subtract", corners in map coordinates)."""


class PointIndex:
    """Points in the plane, sorted once by y, so that each edge of a polygon meets only the points beside it.

    Parameters
    ----------
    x, y
        (n,) floats, in map coordinates. A point with a NaN is never inside.

    Notes
    -----
    The even-odd rule: a point is inside if a ray from it crosses the outline an odd number of times. An edge concerns
    the points with ``min(y0, y1) <= y < max(y0, y1)``, a slice of the sorted points. So an outline costs about n
    operations for each time that it passes a given height, however many corners it has.

    References
    ----------
    Shimrat, "Algorithm 112: Position of point relative to polygon", CACM 1962.
    """

    def __init__(self, x: NDArray[Any], y: NDArray[Any]) -> None:
        self._order = np.argsort(y, kind="stable")
        self._x = np.asarray(x, np.float64)[self._order]
        self._y = np.asarray(y, np.float64)[self._order]

    def __len__(self) -> int:
        return len(self._y)

    def inside(self, polygon: Sequence[Sequence[float]]) -> Bool:
        """(n,) bool: which points lie within the closed outline, by the even-odd rule where it crosses itself.

        Parameters
        ----------
        polygon
            (m, 2) corners in map coordinates, 3 ≤ m ≤ MAX_CORNERS.

        Raises
        ------
        QueryError
            Fewer than 3 corners, more than MAX_CORNERS, or corners that are no pairs of finite numbers.
        """
        corners = checked_polygon(polygon)
        odd = np.zeros(len(self._y), bool)
        following = np.roll(corners, -1, axis=0)
        low, high = np.minimum(corners[:, 1], following[:, 1]), np.maximum(corners[:, 1], following[:, 1])
        starts, stops = np.searchsorted(self._y, low, "left"), np.searchsorted(self._y, high, "left")
        for (x0, y0), (x1, y1), start, stop in zip(corners, following, starts, stops, strict=True):
            if start < stop:
                crossing = x0 + (self._y[start:stop] - y0) * ((x1 - x0) / (y1 - y0))
                odd[start:stop] ^= self._x[start:stop] < crossing
        inside = np.empty_like(odd)
        inside[self._order] = odd
        return inside


def checked_polygon(polygon: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """The corners as (m, 2) float64.

    Raises
    ------
    QueryError
        Fewer than 3 corners, more than MAX_CORNERS, or corners that are no pairs of finite numbers.
    """
    try:
        corners = np.asarray(polygon, np.float64)
    except (TypeError, ValueError):
        corners = np.empty(0)
    if corners.ndim != 2 or corners.shape[1] != 2 or not np.isfinite(corners).all():
        raise QueryError("A map area is a list of corners [x, y] with finite numbers. Draw it again on the map.")
    if not 3 <= len(corners) <= MAX_CORNERS:
        raise QueryError(
            f"A map area needs 3 to {MAX_CORNERS:,} corners, not {len(corners):,}. Draw it again on the map."
        )
    return corners


def combined(
    points: PointIndex, outlines: Sequence[Outline], allowed: Int32 | None = None, base: Int32 | None = None
) -> Bool:
    """(n,) bool: the points selected after each outline has added or subtracted the points inside it.

    Parameters
    ----------
    points
        The map.
    outlines
        In the order in which they were drawn.
    allowed
        (k,) rows that an outline may add or subtract; None = all.
    base
        (k,) rows that are selected before the first outline, allowed or not.

    Raises
    ------
    QueryError
        An outline that is neither added nor subtracted, or no polygon (see :class:`PointIndex`).
    """
    n = len(points)
    selected, free = np.zeros(n, bool), np.ones(n, bool)
    if base is not None:
        selected[base] = True
    if allowed is not None:
        free[:] = False
        free[allowed] = True
    for op, corners in outlines:
        if op not in ("add", "subtract"):
            raise QueryError(f"An outline is 'add' or 'subtract', not {op!r}.")
        inside = points.inside(corners) & free
        selected = selected | inside if op == "add" else selected & ~inside
    return selected
