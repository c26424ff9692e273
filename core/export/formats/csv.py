"""CSV (quoted as in RFC 4180, UTF-8, commas, line feeds) that no spreadsheet runs as formulas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO, ClassVar

import pyarrow as pa
import pyarrow.csv as pcsv

from ...data.formulas import FORMULAS_KEY, MARKED, mark_formulas
from .base import EXPORTERS, Rows, as_text


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
        return column.cast(pa.string())  # all kinds of text too, so that none escapes mark_formulas()
    except pa.ArrowException:  # a type without a text form in Arrow (durations, intervals): Python's will do
        return pa.chunked_array([pa.array([None if v is None else str(v) for v in column.to_pylist()], pa.string())])


def _as_it_stands(texts: Any) -> tuple[Any, int]:
    return texts, 0


class CsvExporter:
    """Comma-separated values. Texts are quoted; null is an empty cell, the empty text is ``""``.

    Parameters
    ----------
    plain
        Whether texts are written as they stand; otherwise those that a spreadsheet would run begin with an apostrophe
        (:mod:`winnow.core.data.formulas`).
    """

    name: ClassVar[str] = "csv"
    suffixes: ClassVar[tuple[str, ...]] = (".csv",)
    typed: ClassVar[bool] = False

    def __init__(self, plain: bool = False) -> None:
        self._plain = plain

    def write(self, stream: BinaryIO, rows: Rows) -> tuple[int, Mapping[str, Any]]:
        """Write header and rows."""
        mark = _as_it_stands if self._plain else mark_formulas
        header, changed_names = mark(pa.array(rows.schema.names, pa.string()))
        stream.write((",".join('"' + str(name).replace('"', '""') + '"' for name in header) + "\n").encode())
        options = pcsv.WriteOptions(include_header=False)
        changed: dict[str, int] = {}
        written = 0
        for table in rows:
            columns = []
            for name, column in zip(table.column_names, table.columns, strict=True):
                flat = _flat(column)
                if pa.types.is_string(flat.type):
                    flat, count = mark(flat)
                    if count:
                        changed[name] = changed.get(name, 0) + count
                columns.append(flat)
            flat_table = pa.table(columns, names=table.column_names)
            if flat_table.num_rows:
                pcsv.write_csv(flat_table, stream, options)
            written += table.num_rows
        if self._plain:
            return written, {FORMULAS_KEY: "Texts are as they stand: a spreadsheet may run them."}
        return written, {FORMULAS_KEY: MARKED, "neutralised_cells": changed, "neutralised_headers": changed_names}


EXPORTERS.register(CsvExporter.name)(CsvExporter())
