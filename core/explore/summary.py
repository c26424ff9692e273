"""How a value shows itself in a notebook and on the console: as a small table, with pictures where it has some."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Picture = tuple[bytes, str]
"""Bytes and their media type."""

MAX_ROWS = 20
"""Rows and pictures that are shown."""

MAX_CELL = 80
"""Characters of a cell that the console shows."""


@dataclass(frozen=True)
class SummaryTable:
    """A small table.

    Attributes
    ----------
    title
        The line above it.
    head
        Titles of the columns, () = none.
    rows
        The cells, of which :data:`MAX_ROWS` are shown.
    note
        A line below it.
    pictures
        Above the table: (caption, picture) each.
    """

    title: str
    head: tuple[str, ...] = ()
    rows: Sequence[tuple[str, ...]] = ()
    note: str = ""
    pictures: Sequence[tuple[str, Picture]] = field(default=(), repr=False)

    def text(self) -> str:
        """The table for the console."""
        rows = [[_short(cell) for cell in row] for row in ((self.head,) if self.head else ()) + tuple(self._shown)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join(line for line in (self.title, *lines, self._more, self.note) if line)

    def html(self) -> str:
        """The table for a notebook; every text in it is escaped."""
        from jinja2 import Environment

        template = Environment(autoescape=True).from_string(_TEMPLATE.read_text(encoding="utf-8"))
        pictures = [
            (caption, f"data:{kind};base64,{base64.b64encode(data).decode()}")
            for caption, (data, kind) in self.pictures[:MAX_ROWS]
        ]
        return template.render(table=self, rows=self._shown, more=self._more, pictures=pictures)

    @property
    def _shown(self) -> Sequence[tuple[str, ...]]:
        return self.rows[:MAX_ROWS]

    @property
    def _more(self) -> str:
        return f"… and {len(self.rows) - MAX_ROWS:,} more" if len(self.rows) > MAX_ROWS else ""


_TEMPLATE = Path(__file__).with_name("summary.html")


class Summarised:
    """A value that shows itself by its :meth:`summary_table`."""

    def summary_table(self) -> SummaryTable:
        """The table that stands for the value."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.summary_table().text()

    def _repr_html_(self) -> str:
        return self.summary_table().html()


def counted(title: str, counts: Iterable[tuple[str, int]], name: str, note: str = "") -> SummaryTable:
    """A table of (name, count)."""
    return SummaryTable(title, (name, "samples"), [(label, f"{n:,}") for label, n in counts], note)


def number(value: Any) -> str:
    """A number with three digits, a dash for NaN and None."""
    return "–" if value is None or value != value else f"{value:.3g}" if isinstance(value, float) else f"{value:,}"


def _short(cell: str) -> str:
    return cell if len(cell) <= MAX_CELL else f"{cell[: MAX_CELL - 1]}…"
