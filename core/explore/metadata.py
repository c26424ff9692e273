"""The columns that came with the samples: conditions on them, and how their values spread.

A condition is a tuple: ``("range", low, high)`` on numbers (both included, None = open), ``("in", value, …)`` on the
values as texts, ``("contains", words)`` in upper or lower case, or ``("missing",)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ..errors import QueryError, choices
from .sql import Cursor, finite, quote

Condition = tuple[Any, ...]

BINS = 24
"""Bars of a histogram."""

MAX_VALUES = 400
"""A column of texts with more different values than this is searched, not listed."""

_OPERATORS = ("range", "in", "contains", "missing")


@dataclass(frozen=True)
class ColumnSpread:
    """How the values of one column spread among samples.

    Attributes
    ----------
    name
        The column.
    missing
        Samples without a value.
    values
        (value as text, samples), the most frequent first; empty for numbers, and where there are more than MAX_VALUES.
    distinct
        How many different values there are.
    low, high
        Of numbers: the least and the greatest.
    bars
        Of numbers: samples in each of BINS equal parts of [low, high].
    """

    name: str
    missing: int
    values: list[tuple[str, int]]
    distinct: int
    low: float | None = None
    high: float | None = None
    bars: tuple[int, ...] = ()

    @property
    def number(self) -> bool:
        """Whether the column holds numbers."""
        return self.low is not None


def is_number(kind: pa.DataType) -> bool:
    """Whether values of a type have an order that ranges make sense for."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def column_sql(alias: str, field: pa.Field) -> str | None:
    """The SQL of a column, NULL = missing; None for a type that cannot be compared (lists, structs, bytes)."""
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return None
    if pa.types.is_floating(kind):
        return finite(alias, field.name)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return f"nullif({quote(alias, field.name)}, '')"
    return quote(alias, field.name)


def finite_number(column: str) -> str:
    """The SQL of a column as DOUBLE, NULL where it is no finite number."""
    number = f"TRY_CAST(({column})::VARCHAR AS DOUBLE)"
    return f"(CASE WHEN isfinite({number}) THEN {number} END)"


def check(name: str, condition: Any) -> Condition:
    """The condition as a filter keeps it.

    Raises
    ------
    QueryError
        It is none; the message names the forms.
    """
    parts = (condition,) if isinstance(condition, str) else tuple(condition)
    if not parts or parts[0] not in _OPERATORS:
        raise QueryError(f"A condition on {name!r} begins with one of {choices(_OPERATORS)}, not {condition!r}.")
    operator, values = parts[0], parts[1:]
    if operator == "range":
        try:
            low, high = (None if v is None or v == "" else float(v) for v in values)
            if any(v is not None and math.isnan(v) for v in (low, high)):
                raise ValueError
        except (TypeError, ValueError):
            raise QueryError(f"The range of {name!r} is (low, high) in numbers, not {values!r}.") from None
        return operator, low, high
    if not all(isinstance(v, str) for v in values):
        raise QueryError(f"The values of {name!r} are texts, not {values!r}.")
    if operator != "in" and len(values) != (operator == "contains"):
        takes = "one text" if operator == "contains" else "nothing more"
        raise QueryError(f"The condition {operator!r} on {name!r} takes {takes}, not {values!r}.")
    return operator, *dict.fromkeys(values)


def condition_sql(sql: str, condition: Condition) -> tuple[str, list[Any]]:
    """The condition on a column's SQL, and the values of its placeholders."""
    operator, *values = condition
    if operator == "missing":
        return f"{sql} IS NULL", []
    if operator == "in":
        return f"CAST({sql} AS VARCHAR) IN (SELECT unnest(?))", [values]
    if operator == "contains":
        return f"contains(lower(CAST({sql} AS VARCHAR)), lower(?))", values
    bounds = [(sign, value) for sign, value in zip((">=", "<="), values, strict=True) if value is not None]
    clauses = [f"{sql} IS NOT NULL", *(f"{sql} {sign} ?" for sign, _ in bounds)]
    return " AND ".join(clauses), [value for _, value in bounds]


def read_spread(ask: Cursor, name: str, source: str, bound: list[Any], number: bool) -> ColumnSpread:
    """How the values of a column spread.

    Parameters
    ----------
    ask
        Runs SQL.
    name
        Of the column.
    source, bound
        A SELECT of ``value``, and the values of its placeholders.
    number
        Whether the values are numbers.
    """
    with_values = f"WITH spread AS ({source})"
    facts = f"count(*) - count(value), count(DISTINCT value){', min(value), max(value)' if number else ''}"
    missing, distinct, *ends = ask(f"{with_values} SELECT {facts} FROM spread", bound)[0]
    if ends and ends[0] is not None:
        low, high = ends
        step = (high - low) / BINS or 1.0
        place = f"least(floor((value - ?) / ?), {BINS - 1})::INT"
        sql = f"{with_values} SELECT {place}, count(*) FROM spread WHERE value IS NOT NULL GROUP BY 1"
        bars = dict(ask(sql, [*bound, low, step]))
        spread = tuple(int(bars.get(i, 0)) for i in range(BINS))
        return ColumnSpread(name, int(missing), [], int(distinct), low, high, spread)
    values: list[tuple[str, int]] = []
    if distinct <= MAX_VALUES:
        listed = "SELECT value::VARCHAR, count(value) n FROM spread GROUP BY 1 HAVING n > 0 ORDER BY n DESC, 1"
        values = [(v, int(n)) for v, n in ask(f"{with_values} {listed}", bound)]
    return ColumnSpread(name, int(missing), values, int(distinct))


def words_of(entry: tuple[str, Condition]) -> str:
    """What the chip of a condition says."""
    name, (operator, *values) = entry
    if operator == "missing":
        return f"{name}: missing"
    if operator == "in":
        return f"{name}: {', '.join(values)}"
    if operator == "contains":
        return f"{name} contains “{values[0]}”"
    low, high = values
    if high is None:
        return f"{name} ≥ {low:.4g}" if low is not None else f"{name}: any number"
    return f"{name} ≤ {high:.4g}" if low is None else f"{name} {low:.4g}–{high:.4g}"
