"""Interfaces of exporters: tables written one after the other as a file, or samples as a folder."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Protocol, runtime_checkable

import pyarrow as pa

from ...registry import Registry
from ...storage.artifacts import plain
from ...types import Float32


@runtime_checkable
class Rows(Protocol):
    """Rows of an export: tables of one schema, produced while they are written, and a summary for the manifest."""

    @property
    def schema(self) -> pa.Schema:
        """Schema of all tables."""
        ...

    def __iter__(self) -> Iterator[pa.Table]: ...

    def summary(self) -> Mapping[str, Any]:
        """Counts, complete after the last table; at least ``excluded``, the number of excluded samples."""
        ...


@runtime_checkable
class Exporter(Protocol):
    """One file format.

    Attributes
    ----------
    name
        As registered.
    suffixes
        Lower case, with the dot; the first is the usual one.
    typed
        Whether numbers and truth values are told from texts in it.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    typed: ClassVar[bool]

    def write(self, stream: BinaryIO, rows: Rows) -> tuple[int, Mapping[str, Any]]:
        """Write all tables, holding one at a time in memory.

        Keeps column order, text (any Unicode, newlines, quotes) and numbers; null stays null where the format has it.
        The caller makes the file atomic.

        Returns
        -------
        int
            Number of rows.
        Mapping
            Entries of the manifest about the format (for CSV: which cells were neutralised).
        """
        ...


EXPORTERS: Registry[Exporter] = Registry("export format")


@dataclass(frozen=True)
class Item:
    """One sample of an export.

    Attributes
    ----------
    row
        Its row in the scan.
    sample_id
        Its id.
    label
        The label in force, None = none.
    given
        The given label, None = none.
    weight
        In [0, 1].
    verdict
        Of the scan, "" = none.
    decision
        accept, relabel, disputed, exclude or None.
    source
        Where the label is from: given, person, propagated, or None.
    split
        "" = none.
    text
        Of texts and pairs.
    width, height
        Of images, in pixels; 0 = unknown.
    tags
        The final tags; None = samples have none, or nobody looked.
    """

    row: int
    sample_id: str
    label: str | None
    given: str | None
    weight: float
    verdict: str
    decision: str | None
    source: str | None
    split: str
    text: str | None
    width: int
    height: int
    tags: Sequence[str] | None = None


@dataclass(frozen=True)
class Supplies:
    """What a folder export needs beside the samples.

    Attributes
    ----------
    classes
        Every class name, in order.
    modality
        image, text, pair or vector.
    image
        Row → the original bytes (raises SourceError or OSError); None = there are no images.
    path
        Row → the original file, None where images lie in a table.
    probs
        (n, C) float32 out-of-sample beliefs over the classes of ``own``, None = no probe run.
    own
        The dataset's own classes.
    links
        Whether to link to original files instead of copying them.
    keep_broken
        Whether images are kept that begin like one and cannot be decoded.
    annotations
        The file, or folder, of boxes that was scanned; None = samples are no objects.
    has_splits
        Whether any sample has a split.
    tags
        Every tag, in order; None = samples have no tags.
    left_out
        Sample id → why its image is not in the export; filled while the samples are written.
    """

    classes: tuple[str, ...]
    modality: str
    image: Callable[[int], bytes] | None = None
    path: Callable[[int], Path | None] = lambda _: None
    probs: Float32 | None = None
    own: tuple[str, ...] = ()
    links: bool = False
    keep_broken: bool = False
    annotations: Path | None = None
    has_splits: bool = False
    tags: tuple[str, ...] | None = None
    left_out: dict[str, str] = field(default_factory=dict)


@runtime_checkable
class FolderExporter(Protocol):
    """One layout of a folder.

    Attributes
    ----------
    name
        As registered.
    title, explain
        Shown to people.
    needs
        "images", "texts", "labels" or "labels or tags": what a dataset must have.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    explain: ClassVar[str]
    needs: ClassVar[frozenset[str]]

    def write(self, folder: Path, items: Iterator[Item], supplies: Supplies) -> Mapping[str, Any]:
        """Write all items below an empty folder, holding few at a time in memory.

        The caller makes the folder appear all at once.

        Returns
        -------
        Mapping
            Entries of the manifest; "files" maps sample id → path within the folder (empty = everything is in shared
            files), "left_out" maps reason → count.
        """
        ...


FOLDERS: Registry[FolderExporter] = Registry("folder format")


@dataclass(frozen=True)
class ExportResult:
    """What an export wrote.

    Attributes
    ----------
    path
        The file or folder.
    rows
        Number of samples in it.
    excluded
        Number of samples with the decision exclude (left out, unless asked for).
    manifest_path, patch_path
        The files beside it.
    manifest
        Content of the manifest.
    """

    path: Path
    rows: int
    excluded: int
    manifest_path: Path
    patch_path: Path
    manifest: Mapping[str, Any] = field(default_factory=dict)


def as_text(value: Any) -> str | None:
    """Convert a value to one cell of text: nested ones as JSON, bytes as base64, null as null."""
    plain_value = jsonable(value)
    if plain_value is None or isinstance(plain_value, str):
        return plain_value
    return json.dumps(plain_value, ensure_ascii=False)


def jsonable(value: Any) -> Any:
    """Convert an Arrow value (of ``to_pylist``) to JSON values: times in ISO 8601, bytes in base64, NaN as null."""
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
