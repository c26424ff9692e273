"""Texts of a table without types (CSV) that are numbers or truth values throughout: named, not changed.

The column stays as it is written, so that CSV comes back letter for letter; formats with types cast it (:func:`typed`).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from .columns import is_text

_KEY = b"winnow:type"
_TYPES = {b"double": pa.float64(), b"bool": pa.bool_()}
_NUMBER = r"^-?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$"
_NO_NUMBER = r"^(?:nan|NaN|-?inf|-?Infinity)$"
_TRUTH = r"^(?:True|False)$|^(?:true|false)$|^(?:TRUE|FALSE)$"


def with_cell_types(table: pa.Table, without: Collection[str]) -> pa.Table:
    """Name the type of each column of texts that are decimal numbers or truth values throughout (or empty).

    Parameters
    ----------
    table
        Columns of any types.
    without
        Columns that stay texts: ids, labels and the like.
    """
    fields = []
    for field, column in zip(table.schema, table.columns, strict=True):
        kind = _type_of(column) if is_text(field.type) and field.name not in without else None
        fields.append(field if kind is None else field.with_metadata({_KEY: kind}))
    return pa.Table.from_arrays(table.columns, schema=pa.schema(fields))


def type_of(field: pa.Field) -> pa.DataType:
    """The type of a column in formats that have types."""
    return _TYPES.get((field.metadata or {}).get(_KEY, b""), field.type)


def typed(column: Any, kind: pa.DataType) -> Any:
    """Cast a column to what :func:`type_of` says; empty texts become null."""
    if column.type == kind:
        return column
    if is_text(column.type):
        column = pc.if_else(pc.equal(column, ""), None, column)
        if pt.is_floating(kind):
            column = pc.replace_substring(column, "Infinity", "inf")
    return pc.cast(column, kind)


def _type_of(column: Any) -> bytes | None:
    texts = pc.unique(column).drop_null()
    texts = texts.filter(pc.not_equal(texts, ""))
    if not len(texts):
        return None
    if pc.all(pc.match_substring_regex(texts, _TRUTH)).as_py():
        # "true" beside "True" would be the same afterwards
        return b"bool" if len(pc.unique(pc.utf8_lower(texts))) == len(texts) else None
    numbers = pc.match_substring_regex(texts, _NUMBER)
    if not pc.any(numbers).as_py():
        return None
    if not pc.all(pc.or_(numbers, pc.match_substring_regex(texts, _NO_NUMBER))).as_py():
        return None
    written = texts.filter(numbers)
    if not pc.any(pc.match_substring_regex(written, r"[.eE]")).as_py():
        return None  # whole numbers too large for an integer
    values = typed(texts, pa.float64())
    # "1.1" beside "1.10" (versions), or digits beyond a double: different texts would be the same number
    distinct = len(pc.unique(values)) == len(texts)
    return b"double" if distinct and pc.all(pc.is_finite(values.filter(numbers))).as_py() else None
