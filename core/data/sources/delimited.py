"""CSV and TSV tables."""

from __future__ import annotations

import csv
import gzip
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ...errors import SourceError
from ...types import Progress, ProgressFn
from ..formulas import has_marks, unmark_formulas
from .base import MAX_RATIO, MAX_UNPACKED, SOURCES, RawTable, check_width
from .columns import odd_notice, read_texts

_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_DELIMITERS = ",;\t|"


class DelimitedSource:
    """CSV or TSV with a header line. Cells are read as text ("NA" and "null" are text, not gaps).

    A column becomes integers where that loses nothing: every cell is a whole number in its plain form ("7", not "007").
    The encoding is UTF-8 (with or without a byte order mark), UTF-16 with its mark. Cells that are not UTF-8 are
    read as Latin-1, with a notice. The delimiter (comma, semicolon, tab or bar) is taken from the header.
    """

    name = "csv"
    title = "a CSV or TSV table with a header"
    rank = 1

    def accepts(self, path: Path) -> bool:
        """Whether this source reads ``path``."""
        return path.is_file() and path.name.lower().endswith(_SUFFIXES)

    def read(self, path: Path, limit: int | None, progress: ProgressFn) -> RawTable:
        """Read the rows, or the first ``limit`` of them."""
        progress(Progress("source", message=f"reading {path.name}"))
        notices: list[str] = []
        frame = _read(path, limit, notices)
        if frame.empty:
            raise SourceError(f"{path.name} has a header ({', '.join(map(str, frame.columns))[:200]}) but no rows.")
        frame.columns = frame.columns.map(str)
        table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
        if has_marks(path):
            table = _unmarked(table, notices)
        columns = [whole_numbers(column) for column in table.columns]
        table = pa.Table.from_arrays(columns, names=table.column_names)
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
            untyped=True,
            identity=f"{stat.st_size}:{stat.st_mtime_ns}",
            notices=notices,
        )


def _unmarked(table: pa.Table, notices: list[str]) -> pa.Table:
    """Take away what an export of Winnow's wrote before texts that a spreadsheet would run."""
    names, _ = unmark_formulas(pa.array(table.column_names, pa.string()))
    columns = [unmark_formulas(column) for column in table.columns]
    if count := sum(changed for _, changed in columns):
        notices.append(
            f"{count:,} cells were read without the apostrophe that Winnow's export had put before texts that a "
            "spreadsheet would run."
        )
    return pa.Table.from_arrays([column for column, _ in columns], names=names.to_pylist())


def whole_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Turn text cells into int64 if, and only if, they can be written back unchanged (empty cells are null)."""
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
        first_bytes = stream.read(2)
    if first_bytes == b"\x1f\x8b":
        _check_unpacked(path)
    encodings = ["utf-16"] if first_bytes in (b"\xff\xfe", b"\xfe\xff") else ["utf-8-sig", "latin-1"]
    try:
        for encoding in encodings:
            try:
                frame = _parse(path, encoding, limit)
            except UnicodeError:
                continue
            if encoding == "latin-1":
                frame, mended = _decoded(frame)
                latin = f"{path.name} is not UTF-8; it was read as Latin-1. If letters are garbled, save it as UTF-8."
                notices += mended or [latin]
            return frame
    except pd.errors.EmptyDataError:
        raise SourceError(f"{path.name} is empty: a table needs a header line and rows.") from None
    except (pd.errors.ParserError, OSError, EOFError, csv.Error, ValueError) as error:
        reason = str(error).strip().removeprefix("Error tokenizing data. C error: ")
        raise SourceError(
            f"{path.name} cannot be read as a table: {reason}. Repair that line, or save it again as CSV."
        ) from error
    raise SourceError(f"{path.name} cannot be read as {' or '.join(encodings)} text. Save it as UTF-8.")


def _decoded(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Decode, cell by cell, a table that is not wholly UTF-8 and was read as Latin-1 for a start.

    Returns
    -------
    frame
        Every cell as UTF-8 where it can be, else as Latin-1.
    notices
        Which cells are Latin-1; nothing where no other cell is UTF-8 beyond ASCII.
    """
    odd, count = {}, 0
    texts, in_header = read_texts([str(name).encode("latin-1") for name in frame.columns])
    columns = {}
    for place in range(frame.shape[1]):
        cells = np.array(frame.iloc[:, place].to_list(), object)
        rows = [row for row, cell in enumerate(cells) if not cell.isascii()]
        read, wrong = read_texts([cells[row].encode("latin-1") for row in rows])
        cells[rows] = read
        odd[str(texts[place])] = [rows[i] for i in wrong]
        count += len(rows) - len(wrong)
        columns[place] = cells
    decoded = pd.DataFrame(columns)
    decoded.columns = pd.Index([str(name).removeprefix("\ufeff") for name in texts])
    beyond = count + sum(not str(t).isascii() for t in texts) - len(in_header)
    return decoded, odd_notice(odd, len(frame)) if beyond else []


def _check_unpacked(path: Path) -> None:
    """Raise SourceError for a .gz that unpacks to far more than any table does."""
    most = max(MAX_UNPACKED, MAX_RATIO * path.stat().st_size)
    size = 0
    try:
        with gzip.open(path) as stream:
            while block := stream.read(1 << 20):
                size += len(block)
                if size > most:
                    raise SourceError(
                        f"{path.name} unpacks to more than {most >> 20:,} MiB, over {MAX_RATIO} times its size: no "
                        "table does. If it is one, unpack it yourself and give the .csv."
                    )
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"{path.name} cannot be unpacked ({error}). Write or copy it again.") from error


def _parse(path: Path, encoding: str, limit: int | None) -> pd.DataFrame:
    delimiter, width = _delimiter(path, encoding)
    check_width(path.name, width)
    return pd.read_csv(
        path,
        sep=delimiter,
        dtype=str,
        keep_default_na=False,
        na_filter=False,
        index_col=False,
        encoding=encoding,
        nrows=limit,
        low_memory=False,
    )


def _delimiter(path: Path, encoding: str) -> tuple[str, int]:
    """Guess (delimiter, number of columns) from the header line."""
    name = path.name.lower()
    opener = gzip.open if name.endswith(".gz") else open
    with opener(path, "rt", encoding=encoding, newline="") as stream:
        header = stream.readline(1 << 20)
    plain = "".join(header.split('"')[::2])  # the part outside quotes
    choice = (
        "\t"
        if name.removesuffix(".gz").endswith(".tsv")
        else ","
        if name.endswith(".gz")
        else max(_DELIMITERS, key=plain.count)
    )
    return choice, plain.count(choice) + 1


SOURCES.register(DelimitedSource.name)(DelimitedSource())
