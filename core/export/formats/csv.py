"""CSV (quoted as in RFC 4180, UTF-8, commas, line feeds) that no spreadsheet runs as formulas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv

from .base import EXPORTERS, Rows, as_text

_FORMULA = r"^[=+\-@\t\r\n＝＋－＠]"
"""Texts that a spreadsheet may run as a formula (OWASP, "CSV Injection")."""

_PLAIN_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


def neutralise(texts: pa.Array | pa.ChunkedArray) -> tuple[Any, int]:
    """Put ``'`` before every text that a spreadsheet could run, unless it is a plain number.

    Returns the texts, and how many were changed.

    >>> neutralise(pa.array(["=1+1", "-3.5", "-x", "fine"]))[0].to_pylist()
    ["'=1+1", '-3.5', "'-x", 'fine']
    """
    risky = pc.match_substring_regex(texts, _FORMULA)
    number = pc.match_substring_regex(texts, _PLAIN_NUMBER)
    change = pc.fill_null(pc.and_not(risky, number), False)
    count = pc.sum(change).as_py() or 0
    if not count:
        return texts, 0
    return pc.if_else(change, pc.binary_join_element_wise("'", texts, ""), texts), count


def _flat(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert a column to text or numbers: nested values as JSON, bytes as base64, categories as their names."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _flat(column.cast(kind.value_type))
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.chunked_array([pa.array([as_text(v) for v in column.to_pylist()], pa.string())])
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return column
    try:
        return column.cast(pa.string())  # all kinds of text too, so that none escapes neutralise()
    except pa.ArrowException:  # a type without a text form in Arrow (durations, intervals): Python's will do
        return pa.chunked_array([pa.array([None if v is None else str(v) for v in column.to_pylist()], pa.string())])


class CsvExporter:
    """Comma-separated values. Texts are quoted; null is an empty cell, the empty text is ``""``."""

    name: ClassVar[str] = "csv"
    suffixes: ClassVar[tuple[str, ...]] = (".csv",)

    def write(self, stream: BinaryIO, rows: Rows) -> tuple[int, Mapping[str, Any]]:
        """Write header and rows."""
        header, changed_names = neutralise(pa.array(rows.schema.names, pa.string()))
        stream.write((",".join('"' + str(name).replace('"', '""') + '"' for name in header) + "\n").encode())
        options = pcsv.WriteOptions(include_header=False)
        changed: dict[str, int] = {}
        written = 0
        for table in rows:
            columns = []
            for name, column in zip(table.column_names, table.columns, strict=True):
                flat = _flat(column)
                if pa.types.is_string(flat.type):
                    flat, count = neutralise(flat)
                    if count:
                        changed[name] = changed.get(name, 0) + count
                columns.append(flat)
            flat_table = pa.table(columns, names=table.column_names)
            if flat_table.num_rows:
                pcsv.write_csv(flat_table, stream, options)
            written += table.num_rows
        return written, {"neutralised_cells": changed, "neutralised_headers": changed_names}


EXPORTERS.register(CsvExporter.name)(CsvExporter())
