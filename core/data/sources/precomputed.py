"""Given embeddings, joined to a dataset's rows by id or by order and read a block at a time.

A million rows of 512 numbers are two gigabytes: they pass through in blocks and are never held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt
from numpy.typing import NDArray

from ... import fingerprint as fp
from ...errors import JoinError, SourceError
from ...storage.atomic import checksum_of
from ...types import Bool, Dataset, Int64
from .build import strings_of
from .columns import is_list, vector_columns
from .join import check_length, existing_file, id_column, list_widths, lists_to_matrix, matching_rows
from .parquet import parquet_files
from .vectors import load_npy

_BLOCK = 16_384

Blocks = Iterator[tuple[Int64, NDArray[Any]]]


@dataclass(frozen=True)
class PrecomputedEmbeddings:
    """Embeddings for every sample of a dataset, not read yet.

    Attributes
    ----------
    n, dim
        Their shape.
    dtype
        float16 where the file holds float16, else float32.
    checksum
        Of the file's bytes.
    blocks
        Yields (rows of the dataset (b,), vectors (b, dim) as given), every row once; each call reads the file again.
    file
        Name of the file or folder.
    """

    n: int
    dim: int
    dtype: type[np.floating[Any]]
    checksum: str
    blocks: Callable[[], Blocks]
    file: str = ""

    def notices(self, ok: Bool, dataset: Dataset, alone: bool = True) -> tuple[str, ...]:
        """Sentences for the person about rows that hold no vector; ``alone`` = there is no other encoder."""
        bad = np.flatnonzero(~ok)
        if not len(bad):
            return ()
        where = "" if alone else f" of {self.file}"
        instead = "kept, without neighbours" if alone else "judged by the other encoders alone"
        return (
            f"{len(bad):,} of {dataset.n:,} embeddings{where} are NaN, infinite or zero (first: "
            f"{dataset.sample_ids[bad[0]]!r}). These samples are {instead}.",
        )


def open_embeddings(path: Path | str, dataset: Dataset) -> PrecomputedEmbeddings:
    """Open embeddings for every sample of ``dataset``.

    A Parquet file (or a folder of its parts) is joined by its id column (the dataset's own id column, or a usual name):
    one list column of floats, or many float columns. A ``.npy`` array, or a Parquet file without ids, is read in row
    order and must have as many rows as the dataset.

    Parameters
    ----------
    path
        The file or folder.
    dataset
        The n samples that it must fit.

    Raises
    ------
    JoinError
        Another length, unknown, missing or repeated ids (with counts and examples), or no vectors in the file (also
        while blocks are read: vectors of several lengths).
    SourceError
        The file is missing or unreadable.
    """
    where = Path(path).expanduser()
    where = where if where.is_dir() else existing_file(where)
    if where.suffix.lower() == ".npy":
        array = load_npy(where)
        check_length(where, array.shape[0], dataset)
        kind = np.float16 if array.dtype == np.float16 else np.float32
        return PrecomputedEmbeddings(
            dataset.n, array.shape[1], kind, checksum_of(where), lambda: _of_array(where, kind), where.name
        )
    try:
        return _open_parquet(where, dataset)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{where.name} cannot be read as Parquet ({error}). Write or copy it again.") from error


def usable(block: NDArray[Any]) -> Bool:
    """(b,) bool, which rows are finite and not all zero."""
    return np.asarray(np.isfinite(block).all(axis=1) & (block != 0).any(axis=1), bool)


def _of_array(path: Path, kind: type[np.floating[Any]]) -> Blocks:
    array = load_npy(path)
    for start in range(0, len(array), _BLOCK):
        block = np.asarray(array[start : start + _BLOCK], kind)
        yield np.arange(start, start + len(block)), block


def _open_parquet(where: Path, dataset: Dataset) -> PrecomputedEmbeddings:
    files = parquet_files(where)
    if not files:
        raise SourceError(f"{str(where)!r} holds no .parquet file.")
    schema = pq.read_schema(files[0])
    name = id_column(schema, dataset)
    keep = list(vector_columns(schema)) or [f.name for f in schema if pt.is_floating(f.type) and f.name != name]
    if not keep:
        raise JoinError(
            f"{where.name} holds no embeddings: a list column of floats, or many float columns, are needed."
        )
    place: Int64 | None = None
    if name is None:
        check_length(where, sum(pq.ParquetFile(f).metadata.num_rows for f in files), dataset)
    else:
        ids = np.concatenate([strings_of(pq.read_table(f, columns=[name]).column(0)) for f in files])
        place = np.argsort(matching_rows(ids, dataset, where), kind="stable").astype(np.int64)
    one_list = len(keep) == 1 and is_list(schema.field(keep[0]).type)
    kind: type[np.floating[Any]] = np.float32
    dim = len(keep)
    if one_list:
        kind = np.float16 if schema.field(keep[0]).type.value_type == pa.float16() else np.float32
        dim = _width(files, keep[0], where)

    def blocks() -> Blocks:
        first = 0
        for batch in _batches(files, keep):
            if one_list:
                block = lists_to_matrix(pa.chunked_array([batch.column(0)]), where, dim)
            else:
                block = np.column_stack(
                    [pc.cast(c, pa.float32()).to_numpy(zero_copy_only=False) for c in batch.columns]
                )
            rows = np.arange(first, first + len(block), dtype=np.int64)
            first += len(block)
            yield rows if place is None else place[rows], block

    checksum = fp.of([checksum_of(f) for f in files])
    return PrecomputedEmbeddings(dataset.n, dim, kind, checksum, blocks, where.name)


def _batches(files: list[Path], columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Read record batches of some columns; a row group is never held whole."""
    for path in files:
        yield from pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20).iter_batches(_BLOCK, columns=columns)


def _width(files: list[Path], column: str, where: Path) -> int:
    """Length of the first vector in the files."""
    for batch in _batches(files, [column]):
        widths = list_widths(batch.column(0))
        if widths:
            return widths[0]
    raise JoinError(f"{where.name} holds no embeddings: every cell of {column!r} is empty.")
