"""Which points lie within a polygon: the even-odd rule over all points at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import QueryError
from ..types import Bool

MAX_CORNERS = 10_000


class PointIndex:
    """Points in the plane, sorted once by y, so that each edge of a polygon meets only the points beside it.

    The even-odd rule (Shimrat 1962, CACM Algorithm 112): a point is inside if a ray from it crosses the outline an odd
    number of times. An edge concerns the points with ``min(y0, y1) <= y < max(y0, y1)``; these are a slice of the sorted
    points. A lasso of any number of corners therefore costs about n operations per time that it passes a height.

    Parameters
    ----------
    x, y
        (n,) floats. A point with a NaN is never inside.
    """

    def __init__(self, x: NDArray[Any], y: NDArray[Any]) -> None:
        self._order = np.argsort(y, kind="stable")
        self._x = np.asarray(x, np.float64)[self._order]
        self._y = np.asarray(y, np.float64)[self._order]

    def __len__(self) -> int:
        return len(self._y)

    def inside(self, polygon: Sequence[Sequence[float]]) -> Bool:
        """(n,) bool: which points lie within the closed outline. Crossing outlines follow the even-odd rule.

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
        found = np.empty_like(odd)
        found[self._order] = odd
        return found


def checked_polygon(polygon: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """The corners as (m, 2) float64. Raises QueryError that names the rule."""
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
