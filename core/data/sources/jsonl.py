"""JSON Lines: one object per line (or a JSON list of objects)."""

from __future__ import annotations

import codecs
import json
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from ...errors import SourceError, plural
from ...types import Progress, ProgressFn
from .base import SOURCES, RawTable
from .columns import LATIN_1, cell_note, is_vector, odd_notice, with_storable_types


class JsonLinesSource:
    """One JSON object per line. A column whose values are of several types is kept as text (JSON for the others).

    The encoding is UTF-8, or UTF-16 with its mark. Bytes that are not UTF-8 are read as Latin-1, with a notice.
    """

    name = "jsonl"
    title = "JSON Lines (.jsonl, .ndjson, or a .json list of objects)"
    rank = 1

    def accepts(self, path: Path) -> bool:
        """Whether this source reads ``path``."""
        return path.is_file() and path.suffix.lower() in (".jsonl", ".ndjson", ".json")

    def read(self, path: Path, limit: int | None, progress: ProgressFn) -> RawTable:
        """Read the rows, or the first ``limit`` of them."""
        progress(Progress("source", message=f"reading {path.name}"))
        notices: list[str] = []
        try:
            records = _records(path, limit, notices)
        except UnicodeDecodeError as error:
            raise SourceError(f"{path.name} cannot be read as UTF-16 ({error.reason}). Save it as UTF-8.") from error
        except RecursionError:
            raise SourceError(f"{path.name} is nested too deeply to be a table of samples.") from None
        except ValueError as error:
            raise SourceError(
                f"{path.name} cannot be read as JSON Lines: {error}. Each line must be one JSON object."
            ) from error
        if not records:
            raise SourceError(f"{path.name} holds no rows.")
        order = tuple(dict.fromkeys(key for record in records for key in record))
        named = {key: escape_surrogates(key) for key in order}
        columns = {named[key]: _column([record.get(key) for record in records], named[key], notices) for key in order}
        whole = with_storable_types(pa.table(columns), notices)
        vectors = tuple(field.name for field in whole.schema if is_vector(field.type))[:1]
        stat = path.stat()
        return RawTable(
            source=self.name,
            path=path,
            n=len(records),
            table=whole.drop_columns(list(vectors)),
            order=tuple(columns),
            types={field.name: field.type for field in whole.schema},
            root=path.parent,
            vector_columns=vectors,
            full=lambda: whole,
            head={name: [cell_note(v) for v in whole[name][:limit].to_pylist()] for name in vectors} if limit else {},
            total=len(records) if limit is None or len(records) < limit else None,
            identity=f"{stat.st_size}:{stat.st_mtime_ns}",
            notices=notices,
        )


def _records(path: Path, limit: int | None, notices: list[str]) -> list[dict[str, Any]]:
    """Read the objects of a file, or the first ``limit``, and say which cells are not UTF-8."""
    records: list[dict[str, Any]] = []
    odd: dict[str, list[int]] = {}
    beyond_ascii = False
    with path.open("rb") as file:
        stream: BinaryIO = file
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            stream = BytesIO(path.read_bytes().decode("utf-16").encode("utf-8", "surrogatepass"))
        stream.seek(0)
        begin = 3 if stream.read(3) == codecs.BOM_UTF8 else 0
        stream.seek(begin)
        is_list = stream.read(1 << 16).lstrip().startswith(b"[")
        stream.seek(begin)
        parts = [stream.read()] if is_list else (line for lines in stream for line in lines.splitlines())
        for number, part in enumerate(parts, 1):
            if not part.strip():
                continue
            read = _list if is_list else partial(_line, number=number)
            parsed = read(part.decode("utf-8", LATIN_1))
            if not part.isascii():
                beyond_ascii |= not part.decode("utf-8", "ignore").isascii()
                # where a byte is not UTF-8, this reading differs
                other = read(part.decode("utf-8", "replace")) if not _is_utf8(part) else parsed
                for row, (record, changed) in enumerate(zip(parsed, other, strict=True), len(records)):
                    for cell, changed_cell in zip(record.items(), changed.items(), strict=False):
                        if repr(cell) != repr(changed_cell):
                            odd.setdefault(cell[0], []).append(row)
            records += parsed
            if limit is not None and len(records) >= limit:
                break
    if odd and not beyond_ascii:
        notices.append(f"{path.name} is not UTF-8; it was read as Latin-1. If letters are garbled, save it as UTF-8.")
    else:
        notices += odd_notice(odd, len(records))
    return records[:limit]


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _line(text: str, number: int) -> list[dict[str, Any]]:
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {number}: {error.msg}") from None
    if not isinstance(record, dict):
        raise ValueError(f"line {number} holds a {type(record).__name__}, not an object")
    return [record]


def _list(text: str) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads(text)
    for number, record in enumerate(records, 1):
        if not isinstance(record, dict):
            raise ValueError(f"item {number} of the list is a {type(record).__name__}, not an object")
    return records


def _column(values: list[Any], name: str, notices: list[str]) -> pa.Array:
    try:
        array = pa.array(values)
        array.validate(full=True)
        return pa.array([None] * len(values), pa.string()) if pa.types.is_null(array.type) else array
    except (pa.ArrowException, TypeError, UnicodeEncodeError, OverflowError):
        if not all(value is None or isinstance(value, str) for value in values):
            notices.append(f"Column {name!r} holds values of several types; they are kept as text.")
        texts = [_text(value) for value in values]
        kept = [None if text is None else escape_surrogates(text) for text in texts]
        odd = [row for row, (text, same) in enumerate(zip(texts, kept, strict=True)) if text != same]
        if odd:
            notices.append(
                f"Half a character (a lone surrogate), which no UTF-8 file can hold, in "
                f"{plural(len(odd), 'cell')} of column "
                f"{name!r} (first: row {odd[0] + 1:,}). The half is kept as its code, such as \\ud83d."
            )
        return pa.array(kept, pa.string())


def escape_surrogates(text: str) -> str:
    """Write the halves of characters that UTF-8 cannot hold as their codes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


SOURCES.register(JsonLinesSource.name)(JsonLinesSource())
