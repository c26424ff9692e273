"""What every source gives: a :class:`RawTable`, from which :mod:`.build` makes a Dataset or a Preview."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from ...errors import SourceError
from ...registry import Registry
from ...types import ColumnMap, MediaRef, Modality, ProgressFn

IMAGE_SUFFIXES = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".gif",
        ".bmp",
        ".dib",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".jp2",
        ".ico",
        ".tga",
        ".avif",
    ]
)
"""File endings (lower case) that are taken for images in folders and path columns."""


MAX_UNPACKED, MAX_RATIO = 256 << 20, 100
"""A packed table that is more than this many bytes, and this many times its size on disk, is a decompression bomb: text
packs to a tenth, highly repetitive text to a fiftieth."""


MAX_COLUMNS = 20_000
"""A table of samples has metadata and perhaps an embedding of some thousand numbers; its columns are handled one by one."""


def check_width(name: str, columns: int) -> None:
    """Raise SourceError for a table of too many columns."""
    if columns > MAX_COLUMNS:
        raise SourceError(
            f"{name} has {columns:,} columns or more; a table may have {MAX_COLUMNS:,}. Keep long vectors in one column of lists "
            "(Parquet), or bring them with --embeddings."
        )


@dataclass(frozen=True)
class Column:
    """A column as a person sees it: ``type`` is "text", "number", "image", "vector", ..."""

    name: str
    type: str


@dataclass(frozen=True)
class Preview:
    """What an input looks like before it is scanned.

    Attributes
    ----------
    kind
        Name of the source ("folder", "csv", ...).
    columns
        All columns in order.
    rows
        The first rows, column → plain value (image bytes as a short note).
    guessed
        Which column is taken for what.
    modality
        None when no column could be used.
    n
        Number of rows, None when counting them would mean reading everything.
    """

    kind: str
    path: str
    columns: tuple[Column, ...]
    rows: list[dict[str, Any]]
    guessed: ColumnMap
    modality: Modality | None
    n: int | None
    notices: tuple[str, ...] = ()


@dataclass
class RawTable:
    """A source's rows before anyone has said which column is what.

    Attributes
    ----------
    n
        Number of rows read.
    table
        Every column but image bytes and embeddings, in the original order.
    full
        Gives the table with the embedding columns, for inputs that are more than embeddings.
    order
        Names of all columns, in the original order.
    types
        name → Arrow type of all columns.
    image_columns
        Names of the columns that hold image bytes (binary, or a struct with ``bytes``).
    media
        Gives the :class:`MediaRef` for a column of image bytes.
    vector_columns
        Names of the columns that hold embeddings (one list column, or many numbers).
    root
        Folder that image paths are relative to.
    roles
        Columns that the source itself knows the meaning of (a folder's path and class).
    class_names
        column → names of its integer codes (Hugging Face ClassLabel).
    bytes_size
        Uncompressed bytes of each column of image bytes.
    head
        First cells of the image columns, for previews.
    total
        Number of rows of the whole input; None when unknown.
    identity
        Text that changes when the content does, cheaply ("size:mtime").
    """

    source: str
    path: Path
    n: int
    table: pa.Table
    order: tuple[str, ...]
    types: Mapping[str, pa.DataType]
    root: Path
    total: int | None
    identity: str = ""
    image_columns: tuple[str, ...] = ()
    media: Callable[[str], MediaRef] | None = None
    bytes_size: Mapping[str, int] = field(default_factory=dict)
    vector_columns: tuple[str, ...] = ()
    full: Callable[[], pa.Table] | None = None
    roles: ColumnMap = field(default_factory=ColumnMap)
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    head: Mapping[str, list[Any]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)


@runtime_checkable
class Source(Protocol):
    """Reads one input format.

    ``name`` is shown in previews; ``title`` says in messages what it reads; the source of lowest ``rank`` that accepts
    a path reads it (what is told by its own marks first, any folder last). ``read(path, limit, progress)`` gives all
    rows, or the first ``limit``, and raises SourceError when the input is damaged or empty.
    """

    name: str
    title: str
    rank: int

    def accepts(self, path: Path) -> bool: ...

    def read(self, path: Path, limit: int | None, progress: ProgressFn) -> RawTable: ...


SOURCES: Registry[Source] = Registry("source")
"""Every source."""
