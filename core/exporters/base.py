"""What an exporter is: it writes tables, one after the other, as one file format."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Protocol, runtime_checkable

import pyarrow as pa

from ..registry import Registry
from ..store.artifacts import plain


@runtime_checkable
class Rows(Protocol):
    """The rows of an export: tables of one schema, made while they are written, and a summary for the manifest.

    ``summary`` is asked after the last table; it holds at least ``excluded``, how many samples were excluded.
    """

    @property
    def schema(self) -> pa.Schema: ...

    def __iter__(self) -> Iterator[pa.Table]: ...

    def summary(self) -> Mapping[str, Any]: ...


@runtime_checkable
class Exporter(Protocol):
    """One file format. name : as registered. suffixes : lower case, with the dot; the first is the usual one."""

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]

    def write(self, stream: BinaryIO, rows: Rows) -> tuple[int, Mapping[str, Any]]:
        """Write all tables, holding one at a time. Returns the number of rows, and what the manifest should say of
        the format (for CSV: which cells were neutralised). Keeps column order, text (any Unicode, newlines, quotes)
        and numbers; null stays null where the format knows it. The caller makes the file atomic."""
        ...


EXPORTERS: Registry[Exporter] = Registry("export format")


@dataclass(frozen=True)
class ExportResult:
    """What an export wrote. ``excluded``: samples with the decision exclude (left out, unless asked to be kept)."""

    path: Path
    rows: int
    excluded: int
    manifest_path: Path
    patch_path: Path
    manifest: Mapping[str, Any] = field(default_factory=dict)


def as_text(value: Any) -> str | None:
    """A value as one cell of text: nested ones as JSON, bytes as base64, null as null."""
    found = jsonable(value)
    return found if found is None or isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def jsonable(value: Any) -> Any:
    """An Arrow value (of ``to_pylist``) as what JSON can hold: times in ISO 8601, bytes in base64, NaN as null."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(v) for v in value]
    return plain(value)
