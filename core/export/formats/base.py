"""What an exporter is: it writes tables, one after the other, as one file format."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Protocol, runtime_checkable

import pyarrow as pa

from ...registry import Registry
from ...storage.artifacts import plain
from ...types import Float32, ProgressFn, quiet


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
        and numbers; null stays null where the format knows it. The caller makes the file atomic.
        """
        ...


EXPORTERS: Registry[Exporter] = Registry("export format")


@dataclass(frozen=True)
class Item:
    """One sample as it leaves: row in the scan, and what is true of it now. label : the label in force, None = none. given :
    as it came. weight : in [0, 1]. decision : accept, relabel, disputed, exclude or None.
    """

    row: int
    sample_id: str
    label: str | None
    given: str | None
    weight: float
    verdict: str
    decision: str | None
    split: str
    text: str | None
    width: int
    height: int


@dataclass(frozen=True)
class Supplies:
    """What a folder export may draw on. classes : every class name, in order. modality : image, text, pair or vector. image :
    row → the original bytes (raises SourceError). path : row → the original file, None where images lie in a table. probs :
    (n, C) out-of-sample beliefs over ``own`` classes, or None. links : link to original files instead of copying them.
    """

    classes: tuple[str, ...]
    modality: str
    image: Callable[[int], bytes] | None = None
    path: Callable[[int], Path | None] = lambda _: None
    probs: Float32 | None = None
    own: tuple[str, ...] = ()
    links: bool = False
    progress: ProgressFn = quiet


@runtime_checkable
class FolderExporter(Protocol):
    """One layout of a folder. name : as registered. title, explain : for people. needs : "images", "texts" or "labels", what
    a dataset must have for it.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    explain: ClassVar[str]
    needs: ClassVar[frozenset[str]]

    def write(self, folder: Path, items: Iterator[Item], supplies: Supplies) -> Mapping[str, Any]:
        """Write all items below an empty folder, holding few at a time. Returns what the manifest should say; under "files" a
        mapping sample id → path within the folder (or nothing), under "left_out" reason → how many. The caller makes the
        folder appear all at once.
        """
        ...


FOLDERS: Registry[FolderExporter] = Registry("folder format")


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
