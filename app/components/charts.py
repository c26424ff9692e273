"""What the charts show: the cells of the matrix of given against suggested classes (see ``templates/charts.html``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from winnow.app.components.html import render
from winnow.core import Filter

if TYPE_CHECKING:
    import pandas as pd

MATRIX_CLASSES = 14
"""Classes that the matrix shows large: those of the largest confusions."""

WHOLE_CLASSES = 300
"""Classes of the drawing of the whole matrix, those with the largest confusions."""

OPTIMAL_ORDER = 200
"""Classes up to which neighbouring leaves of the tree are ordered optimally."""


def cells_of(confusion: pd.DataFrame) -> dict[tuple[str, str], int]:
    """(given, suggested) → count of what is off the diagonal and above zero, the commonest first."""
    values = confusion.to_numpy()
    rows, columns = [str(v) for v in confusion.index], [str(v) for v in confusion.columns]
    cells = {
        (rows[i], columns[j]): int(values[i, j])
        for i, j in zip(*values.nonzero(), strict=True)
        if rows[i] != columns[j] and values[i, j] > 0
    }
    return dict(sorted(cells.items(), key=lambda cell: (-cell[1], cell[0])))


def hierarchical_order(names: Sequence[str], cells: Mapping[tuple[str, str], int]) -> list[str]:
    """Classes in the order of average-linkage clustering by confusion, so that those confused lie side by side.

    The distance of two classes is 1/(1 + their confusions in both directions).
    """
    if len(names) < 3:
        return list(names)
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    place = {name: i for i, name in enumerate(names)}
    both = np.zeros((len(names), len(names)))
    for (given, suggested), n in cells.items():
        if given in place and suggested in place:
            both[place[given], place[suggested]] += n
            both[place[suggested], place[given]] += n
    apart = 1.0 / (1.0 + both)
    np.fill_diagonal(apart, 0.0)
    tree = linkage(squareform(apart, checks=False), "average", optimal_ordering=len(names) <= OPTIMAL_ORDER)
    return [names[i] for i in leaves_list(tree)]


def matrix(confusion: pd.DataFrame, flt: Filter, key: str) -> str:
    """Given (rows) against suggested (columns) class; each cell opens its queue.

    The classes of the largest confusions are drawn large; of more classes there is a drawing of all to zoom into.
    """
    cells = cells_of(confusion)
    if not cells:
        return ""
    kept: dict[str, None] = {}
    for pair in cells:
        if len(kept.keys() | set(pair)) <= MATRIX_CLASSES:
            kept |= dict.fromkeys(pair)
    involved = list(dict.fromkeys(name for pair in cells for name in pair))
    names = hierarchical_order(list(kept), cells)
    few = len(names) < len(involved)
    note = "the largest confusions; click a cell to review it" if few else "click a cell to review it"
    tilt = len(names) > 8 and max(map(len, names)) > 9
    drawn = render("charts", "matrix", key, flt, names, cells, max(cells.values()), note, tilt, few and len(involved))
    if not few:
        return drawn
    order = hierarchical_order(involved[:WHOLE_CLASSES], cells)
    place = {name: i for i, name in enumerate(order)}
    spots = [(place[a], place[b], a, b, n) for (a, b), n in cells.items() if a in place and b in place]
    whole = render("charts", "whole_matrix", key, flt, order, spots, max(cells.values()), len(involved))
    return drawn.replace("<!-- whole -->", whole)
