"""What the charts show: the cells of the matrix of given against suggested classes (see ``templates/charts.html``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winnow.app.components.html import render
from winnow.core import Filter

if TYPE_CHECKING:
    import pandas as pd

MATRIX_CLASSES = 14
"""Classes that the matrix shows: those of the largest confusions. The Classes page reaches the rest."""


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


def matrix(confusion: pd.DataFrame, flt: Filter, key: str) -> str:
    """Given (rows) against suggested (columns) class; each cell opens its queue."""
    cells = cells_of(confusion)
    if not cells:
        return ""
    kept: dict[str, None] = {}
    for pair in cells:
        if len(kept.keys() | set(pair)) <= MATRIX_CLASSES:
            kept |= dict.fromkeys(pair)
    involved = {name for pair in cells for name in pair}
    given = [str(name) for name in confusion.index]
    names = [name for name in given if name in kept] + sorted(kept.keys() - set(given))
    note = (
        f"the largest confusions, among {len(names)} of {len(involved):,} classes"
        if len(names) < len(involved)
        else "click a cell to review it"
    )
    tilt = len(names) > 8 and max(map(len, names)) > 9
    return render("charts", "matrix", key, flt, names, cells, max(cells.values()), note, tilt)
