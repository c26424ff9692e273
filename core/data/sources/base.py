"""What every source returns: a :class:`RawTable`, from which :mod:`.build` makes a Dataset or a Preview."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from ...errors import SourceError, plural
from ...registry import Registry
from ...types import ColumnMap, MediaRef, Modality, ProgressFn

IMAGE_SUFFIXES = frozenset([
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff",
    ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".ico", ".tga", ".avif", ".heic", ".heif", ".heic", ".heif",
])  # fmt: skip
"""File endings (lower case) that are taken for images in folders and path columns."""


MAX_UNPACKED, MAX_RATIO = 16 << 20, 100
"""A packed table that is more than this many bytes, and this many times its size on disk, is a decompression bomb: text
packs to a tenth, highly repetitive text to a fiftieth."""


MAX_REPEATED = 256 << 20
"""The same for all cells of a Parquet column: short texts that repeat in every row pack to nothing, and are common."""


MAX_COLUMNS = 20_000
"""Enough for metadata and an embedding of some thousand numbers; columns are handled one by one."""


def check_width(name: str, columns: int) -> None:
    """Raise SourceError for a table of too many columns."""
    if columns > MAX_COLUMNS:
        raise SourceError(
            f"{name} has {plural(columns, 'column')} or more; a table may have {MAX_COLUMNS:,}. Keep long "
            f"vectors in one "
            "column of lists (Parquet), or give them with --embeddings."
        )


@dataclass(frozen=True)
class Column:
    """A column as a person sees it.

    Attributes
    ----------
    name
        Of the column.
    type
        "text", "number", "image", "vector", ...
    """

    name: str
    type: str


@dataclass(frozen=True)
class Preview:
    """What an input looks like before it is scanned.

    Attributes
    ----------
    kind
        Name of the source ("folder", "csv", ...).
    path
        As given.
    columns
        All columns in order.
    rows
        The first rows, column → plain value (image bytes as a short note).
    guessed
        Which column is read as what.
    modality
        What a sample is; None when no column could be used.
    n
        Number of rows; None when counting them would mean reading everything.
    notices
        Sentences for the person.
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
    """A source's rows before it is decided which column is what.

    Attributes
    ----------
    source, path
        Name of the source, and what it read.
    n
        Number of rows read.
    table
        Every column but image bytes and embeddings, in the original order.
    full
        Reads the table with the embedding columns, for inputs that are more than embeddings.
    order
        Names of all columns, in the original order.
    types
        name → Arrow type of all columns.
    image_columns
        Names of the columns that hold bytes (binary, or a struct with ``bytes``): images, if they look like it. One
        that is in ``table`` as well holds names, by which ``media`` finds the images.
    not_images
        Those of them whose first cells look like something else. They are images only where a person names them.
    text_bytes
        Names of the columns of bytes that are read as text, since their first cells are UTF-8. A person may still name
        one as the image: then its cells are bytes (:func:`.build.with_named_image`).
    media
        Makes the :class:`MediaRef` of a column of image bytes.
    vector_columns
        Names of the columns that hold embeddings (one list column, or many numbers).
    root
        Folder that image paths are relative to.
    untyped
        Whether the format has no types, so that numbers and truth values are texts.
    roles
        Columns whose meaning the source itself knows (a folder's path and class).
    class_names
        column → names of its integer codes (Hugging Face ClassLabel).
    bytes_size
        Uncompressed bytes of each column of image bytes.
    head
        First cells of the image columns, for previews.
    total
        Number of rows of the whole input; None when unknown.
    identity
        Text that changes when the content does and is cheap to get ("size:mtime").
    notices
        Sentences for the person.
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
    not_images: frozenset[str] = frozenset()
    text_bytes: frozenset[str] = frozenset()
    media: Callable[[str], MediaRef] | None = None
    bytes_size: Mapping[str, int] = field(default_factory=dict)
    vector_columns: tuple[str, ...] = ()
    full: Callable[[], pa.Table] | None = None
    untyped: bool = False
    roles: ColumnMap = field(default_factory=ColumnMap)
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    head: Mapping[str, list[Any]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)


@runtime_checkable
class Source(Protocol):
    """Reads one input format.

    Attributes
    ----------
    name
        Shown in previews.
    title
        What it reads, for messages.
    rank
        The source of lowest rank that accepts a path reads it: formats with marks of their own first, any folder last.
    """

    name: str
    title: str
    rank: int

    def accepts(self, path: Path) -> bool:
        """Whether this source reads ``path``."""

    def read(self, path: Path, limit: int | None, progress: ProgressFn) -> RawTable:
        """Read all rows, or the first ``limit``. Raises SourceError when the input is damaged or empty."""


SOURCES: Registry[Source] = Registry("source")
"""Every source."""
