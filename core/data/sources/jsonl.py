"""JSON Lines: one object per line (or a JSON list of objects)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from ...errors import SourceError
from ...types import Progress, ProgressFn
from .base import SOURCES, RawTable
from .columns import cell_note, is_vector


class JsonLinesSource:
    """One JSON object per line. A column whose values are of several types is kept as text (JSON for the others)."""

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
            with path.open(encoding="utf-8-sig") as stream:
                start = stream.read(1 << 16).lstrip()[:1]
                stream.seek(0)
                records = list(itertools.islice(_list(stream.read()) if start == "[" else _lines(stream), limit))
        except UnicodeDecodeError as error:
            raise SourceError(f"{path.name} is not UTF-8 text ({error.reason}). Save it as UTF-8.") from error
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
        vectors = tuple(name for name, values in columns.items() if is_vector(values.type))[:1]
        table = pa.table({name: values for name, values in columns.items() if name not in vectors})
        stat = path.stat()
        return RawTable(
            source=self.name,
            path=path,
            n=len(records),
            table=table,
            order=tuple(columns),
            types={name: values.type for name, values in columns.items()},
            root=path.parent,
            vector_columns=vectors,
            full=lambda: pa.table(columns),
            head={name: [cell_note(v) for v in columns[name][:limit].to_pylist()] for name in vectors} if limit else {},
            total=len(records) if limit is None or len(records) < limit else None,
            identity=f"{stat.st_size}:{stat.st_mtime_ns}",
            notices=notices,
        )


def _lines(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"line {number}: {error.msg}") from None
        if not isinstance(record, dict):
            raise ValueError(f"line {number} holds a {type(record).__name__}, not an object")
        yield record


def _list(text: str) -> Iterator[dict[str, Any]]:
    records = json.loads(text)
    for number, record in enumerate(records, 1):
        if not isinstance(record, dict):
            raise ValueError(f"item {number} of the list is a {type(record).__name__}, not an object")
        yield record


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
                f"{len(odd):,} cells of column {name!r} hold half a character (a lone surrogate; first: row "
                f"{odd[0] + 1:,}), which no UTF-8 file can hold. The half is kept as its code, such as \\ud83d."
            )
        return pa.array(kept, pa.string())


def escape_surrogates(text: str) -> str:
    """Write the halves of characters that UTF-8 cannot hold as their codes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


SOURCES.register(JsonLinesSource.name)(JsonLinesSource())
