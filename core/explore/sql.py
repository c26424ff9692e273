"""SQL in pieces: quoted columns and paths, and a cursor that binds values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import duckdb
import pyarrow as pa

from ..storage.effective_labels import MERGED_REASON
from .verdict_style import DISPUTED, SETTLED


class Cursor:
    """Runs SQL with bound values."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def __call__(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """Every row of the answer."""
        return self._cursor.execute(sql, list(values)).fetchall()

    def column(self, sql: str, values: Sequence[Any]) -> pa.ChunkedArray:
        """The first column of the answer, as Arrow: compact, where there are many."""
        return self._cursor.sql(sql, params=list(values)).to_arrow_table().column(0)

    def first_column(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """The first column of the answer: much faster than rows where there are many."""
        columns = self._cursor.execute(sql, list(values)).fetchnumpy()
        return cast("list[Any]", next(iter(columns.values())).tolist())


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


EFFECTIVE_CLASS = "(CASE WHEN s.state = 'relabel' THEN s.label ELSE d.label END)"
"""The effective label: of a relabel in force, else the given one; both by the class registry (see BY_REGISTRY)."""

EFFECTIVE_TAGS = "(CASE WHEN s.tags IS NOT NULL THEN s.tags ELSE coalesce(t.tags, []) END)"
"""The tags now: those of a decision in force that changes them, else the given ones; not annotated = none."""

LABEL_SOURCE = f"(CASE WHEN {EFFECTIVE_CLASS} IS NOT NULL THEN coalesce(s.label_source, 'given') END)"
"""Where the effective label is from: see :data:`.filter_schema.LABEL_SOURCES`; NULL where there is none."""

STATUS = f"""(
    CASE WHEN s.state IS NULL THEN v.verdict WHEN s.state = '{DISPUTED}' THEN '{DISPUTED}' ELSE '{SETTLED}' END
)"""
"""The verdict while nobody has decided, then settled or disputed: see :data:`.verdict_style.STATUSES`."""


def status_under(state: str) -> str:
    """What filters and counts of verdicts are about; for whoever asks for a state of decision, the scan's verdicts."""
    return STATUS if state == "any" else quote("v", "verdict")


BY_REGISTRY = (
    """
    CREATE TEMP VIEW dataset AS
    SELECT d.* REPLACE (CASE WHEN c.name IS NULL THEN d.label ELSE c.now END AS label)
    FROM scanned_dataset d LEFT JOIN class_now c ON c.name = d.label
    """,
    f"""
    CREATE TEMP VIEW verdicts AS
    SELECT v.* REPLACE (
        CASE WHEN e.row IS NOT NULL THEN NULL WHEN c.name IS NULL THEN v.suggested_label ELSE c.now END
            AS suggested_label,
        CASE WHEN e.row IS NOT NULL THEN 0::FLOAT ELSE v.noisy_label END AS noisy_label,
        v.noisy_label_flag AND e.row IS NULL AS noisy_label_flag,
        CASE WHEN e.row IS NULL OR v.verdict <> 'noisy_label' THEN v.verdict
             WHEN v.hard_flag THEN 'hard' WHEN v.naive_flag THEN 'naive' ELSE 'clean' END AS verdict,
        CASE WHEN e.row IS NULL OR v.verdict <> 'noisy_label' THEN v.reasons ELSE '{MERGED_REASON}' END AS reasons
    )
    FROM scanned_verdicts v LEFT JOIN one_class e ON e.row = v.row LEFT JOIN class_now c ON c.name = v.suggested_label
    """,
)
"""The tables as the class registry has them: labels renamed, and no label wrong whose suggestion is the same class now.
``class_now`` (name, now) and ``one_class`` (row) are registered before."""

NOTHING_DECIDED = pa.table(
    {
        name: pa.array([], pa.string())
        for name in ("sample_id", "state", "label", "actor", "at", "reason", "label_source")
    }
    | {"n_people": pa.array([], pa.int32()), "label_probability": pa.array([], pa.float32())}
    | {"tags": pa.array([], pa.list_(pa.string()))}
)
"""The decisions in force where there are none."""
