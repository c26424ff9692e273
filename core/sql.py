"""SQL in pieces: quoted columns and paths, and a cursor that binds values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb


class Cursor:
    """Runs SQL with bound values."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def __call__(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """Every row of the answer."""
        return self._cursor.execute(sql, list(values)).fetchall()

    def first_column(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """The first column of the answer: much faster than rows where there are many."""
        columns = self._cursor.execute(sql, list(values)).fetchnumpy()
        found: list[Any] = next(iter(columns.values())).tolist()
        return found


def quote(alias: str, column: str) -> str:
    """A column of one of the files as SQL. ``column`` comes from a schema or a constant, never from outside."""
    return f'{alias}."{column.replace(chr(34), chr(34) * 2)}"'


def finite(alias: str, column: str) -> str:
    """A column of numbers, NaN as NULL."""
    quoted = quote(alias, column)
    return f"CASE WHEN isnan({quoted}) THEN NULL ELSE {quoted} END"


def literal(path: Path) -> str:
    """A path as a SQL text in which nothing is a pattern: read_parquet expands ``*``, ``?`` and ``[``."""
    plain = "".join(f"[{c}]" if c in "*?[" else c for c in str(path.absolute()))
    return "'" + plain.replace("'", "''") + "'"
