"""CSV and TSV tables."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import SourceError
from ..types import Progress, ProgressFn
from .base import SOURCES, RawTable

_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_DELIMITERS = ",;\t|"


class DelimitedSource:
    """CSV or TSV with a header line. Cells are read as the text they are ("NA" and "null" are text, not gaps).

    Columns whose every cell is written as a whole number in its plain form become integers, which loses nothing:
    "7" does, "007" does not. Encoding is UTF-8 (with or without a mark), UTF-16 with its mark, else Latin-1 with a
    notice. The delimiter (comma, semicolon, tab or bar) is taken from the header.
    """

    name = "csv"
    title = "a CSV or TSV table with a header"
    rank = 1

    def accepts(self, path: Path) -> bool:
        return path.is_file() and path.name.lower().endswith(_SUFFIXES)

    def read(self, path: Path, limit: int | None, progress: ProgressFn) -> RawTable:
        progress(Progress("source", message=f"reading {path.name}"))
        notices: list[str] = []
        frame = _read(path, limit, notices)
        if frame.empty:
            raise SourceError(f"{path.name} has a header ({', '.join(map(str, frame.columns))[:200]}) but no rows.")
        frame.columns = frame.columns.map(str)
        table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
        for i, name in enumerate(table.column_names):
            table = table.set_column(i, name, whole_numbers(table.column(name)))
        stat = path.stat()
        return RawTable(
            source=self.name,
            path=path,
            n=table.num_rows,
            table=table,
            order=tuple(table.column_names),
            types={f.name: f.type for f in table.schema},
            root=path.parent,
            total=table.num_rows if limit is None or table.num_rows < limit else None,
            identity=f"{stat.st_size}:{stat.st_mtime_ns}",
            notices=notices,
        )


def whole_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text cells as int64 if, and only if, they read back letter for letter (empty cells are null)."""
    filled = pc.if_else(pc.equal(column, ""), None, column)
    if filled.null_count == len(filled):
        return column
    try:
        numbers = pc.cast(filled, pa.int64())
    except pa.ArrowInvalid:
        return column
    same = pc.equal(pc.cast(numbers, column.type), filled)
    return numbers if pc.all(same, skip_nulls=True).as_py() else column


def _read(path: Path, limit: int | None, notices: list[str]) -> pd.DataFrame:
    with path.open("rb") as stream:
        mark = stream.read(2)
    encodings = ["utf-16"] if mark in (b"\xff\xfe", b"\xfe\xff") else ["utf-8-sig", "latin-1"]
    try:
        for encoding in encodings:
            try:
                frame = _parse(path, encoding, limit)
            except UnicodeError:
                continue
            if encoding == "latin-1":
                notices.append(
                    f"{path.name} is not UTF-8; it was read as Latin-1. If letters look wrong, save it as UTF-8."
                )
            return frame
    except pd.errors.EmptyDataError:
        raise SourceError(f"{path.name} is empty: a table needs a header line and rows.") from None
    except (pd.errors.ParserError, OSError, EOFError, csv.Error, ValueError) as error:
        said = str(error).strip().removeprefix("Error tokenizing data. C error: ")
        raise SourceError(
            f"{path.name} cannot be read as a table: {said}. Repair that line, or save it again as CSV."
        ) from error
    raise SourceError(f"{path.name} cannot be read as {' or '.join(encodings)} text. Save it as UTF-8.")


def _parse(path: Path, encoding: str, limit: int | None) -> pd.DataFrame:
    return pd.read_csv(
        path,
        sep=_delimiter(path, encoding),
        dtype=str,
        keep_default_na=False,
        na_filter=False,
        index_col=False,
        encoding=encoding,
        nrows=limit,
        low_memory=False,
    )


def _delimiter(path: Path, encoding: str) -> str:
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(".tsv"):
        return "\t"
    if path.name.lower().endswith(".gz"):
        return ","
    with path.open(encoding=encoding, newline="") as stream:
        header = stream.readline(1 << 20)
    plain = "".join(header.split('"')[::2])  # what stands outside quotes
    return max(_DELIMITERS, key=plain.count)


SOURCES.register(DelimitedSource.name)(DelimitedSource())
