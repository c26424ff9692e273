"""From a person's input to a :class:`~winnow.core.types.Dataset`: one file per input format.

In: a path, and which column holds what. Out: a dataset, or the first rows of one.

``open_source`` reads a whole input, ``preview`` its first rows. A format is a module of this package that registers a
:class:`~.base.Source` and, where it keeps image bytes, what reads them (:data:`winnow.core.data.media.reader.READERS`).
The source of lowest rank that accepts a path reads it.
"""

from __future__ import annotations

from pathlib import Path

from ...errors import SourceError
from ...registry import load_siblings
from ...types import ColumnMap, Dataset, ProgressFn, quiet
from ..media.reader import MediaReader
from .base import SOURCES, Column, Preview, RawTable, Source
from .build import build_dataset, build_preview, content_fingerprint, dataset_name

load_siblings(__name__, __path__)

__all__ = [
    "SOURCES",
    "Column",
    "MediaReader",
    "Preview",
    "RawTable",
    "Source",
    "content_fingerprint",
    "dataset_name",
    "find_source",
    "open_source",
    "preview",
]


def find_source(path: Path | str) -> Source:
    """Find the source that reads ``path``. Raises SourceError, naming the formats, when none does."""
    where = Path(path).expanduser()
    if not where.exists():
        raise SourceError(
            f"{str(path)!r} does not exist. Give the path of a folder of images, a table "
            "(.csv, .tsv, .parquet, .jsonl), a saved Hugging Face dataset, or embeddings (.npy, .parquet)."
        )
    for source in sorted(SOURCES, key=lambda s: s.rank):
        if source.accepts(where):
            return source
    formats = "; ".join(source.title for source in SOURCES)
    raise SourceError(f"{str(path)!r} is not in a format that Winnow reads. It reads: {formats}.")


def open_source(
    path: Path | str, columns: ColumnMap | None = None, progress: ProgressFn = quiet, vectors_apart: bool = False
) -> Dataset:
    """Read an input as a :class:`Dataset`.

    Parameters
    ----------
    path
        A folder of images, a CSV/TSV, Parquet or JSON Lines table, a Hugging Face dataset saved on disk, or
        embeddings alone (Parquet or .npy; the vectors are then read by :func:`.precomputed.open_embeddings`).
    columns
        Which column holds what; what is not named is recognised by the usual names.
    progress
        Called while files are listed and content is hashed (stage "source").
    vectors_apart
        Embeddings are given in a file of their own, so that a table of ids and labels is enough.

    Raises
    ------
    SourceError
        The path is missing, empty, unreadable, or holds nothing that can be curated.
    ColumnError
        A named column is not there, or the id column holds duplicates.
    """
    where = Path(path).expanduser()
    source = find_source(where)
    return build_dataset(source.read(where, None, progress), columns or ColumnMap(), progress, vectors_apart)


def preview(path: Path | str, columns: ColumnMap | None = None, rows: int = 20) -> Preview:
    """Read the first rows of an input and guess what its columns hold, without reading the rest where possible.

    Parameters
    ----------
    path, columns
        As for :func:`open_source`, which also says what is raised.
    rows
        How many rows, at least 1.
    """
    where = Path(path).expanduser()
    source = find_source(where)
    return build_preview(source.read(where, max(1, rows), quiet), columns or ColumnMap(), rows)
