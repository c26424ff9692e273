"""Embeddings and predicted probabilities that a person brings, joined to a dataset's rows by id or by order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt
from numpy.typing import NDArray

from ..errors import JoinError, SourceError, choices
from ..types import Bool, Dataset, Float32, Strings
from .build import strings_of
from .columns import USUAL_NAMES, is_list, is_vector, normal
from .parquet import vector_columns
from .vectors import load_npy

_BLOCK = 65_536


def load_embeddings(path: Path | str, dataset: Dataset) -> tuple[NDArray[Any], Bool, tuple[str, ...]]:
    """Read embeddings for every sample of ``dataset``.

    A Parquet file is joined by its id column (the dataset's own id column, or a usual name): one list column of
    floats, or many float columns. A ``.npy`` array, or a Parquet file without ids, is taken in row order and must
    have as many rows as the dataset.

    Returns
    -------
    vectors : (n, d) float16 where the file holds float16, else float32; as brought (not normalised), zeros where not ok.
    ok : (n,) bool: finite and not all zero.
    notices : sentences for the person.

    Raises
    ------
    JoinError : other length, unknown or missing or repeated ids (with counts and examples), or no vectors in the file.
    SourceError : the file is missing or unreadable.
    """
    where = _there(path)
    if where.suffix.lower() == ".npy":
        array = load_npy(where)
        _same_length(where, array.shape[0], dataset)
        values = np.array(array, np.float16 if array.dtype == np.float16 else np.float32)
    else:
        table, ids = _read(where, dataset, vectors=True)
        values = _matrix(table, where)
        values = values if ids is None else values[_order(ids, dataset, where)]
    ok = _usable(values)
    values[~ok] = 0
    notices = []
    if not ok.all():
        bad = np.flatnonzero(~ok)
        notices.append(
            f"{len(bad):,} of {dataset.n:,} embeddings are NaN, infinite or zero (first: {dataset.sample_ids[bad[0]]!r}). "
            "These samples are kept, without neighbours."
        )
    return values, ok, tuple(notices)


def load_probabilities(path: Path | str, dataset: Dataset) -> dict[str, Float32]:
    """Predicted class probabilities brought by a person: model name → (n, C) float32, rows sum to 1.

    Parquet with one column per class name (joined by id), with list columns (one model each; order of
    ``dataset.class_names``), or several models as ``model/class`` columns; or a ``.npy`` array (n, C) or (models, n, C)
    in row order. Rows that do not sum to 1 are divided by their sum; a row that is NaN or all zero becomes uniform.

    Raises
    ------
    JoinError : other length, unknown or missing ids, unknown or missing classes, or negative values.
    """
    return load_probabilities_with_notices(path, dataset)[0]


def load_probabilities_with_notices(path: Path | str, dataset: Dataset) -> tuple[dict[str, Float32], tuple[str, ...]]:
    """:func:`load_probabilities`, and the sentences for the person (what was renormalised)."""
    where = _there(path)
    if not dataset.n_classes:
        raise JoinError(f"{where.name} holds probabilities, but the dataset has no labels to compare them with.")
    if where.suffix.lower() == ".npy":
        models = _npy_models(where, dataset)
    else:
        table, ids = _read(where, dataset, vectors=False)
        models = _table_models(table, where, dataset)
        if ids is not None:
            order = _order(ids, dataset, where)
            models = {name: matrix[order] for name, matrix in models.items()}
    notices: list[str] = []
    return {name: _renormalised(name, matrix, where, notices) for name, matrix in models.items()}, tuple(notices)


def _there(path: Path | str) -> Path:
    where = Path(path).expanduser()
    if not where.is_file():
        raise SourceError(f"{str(path)!r} is not a file. Give a Parquet file with an id column, or a .npy array.")
    return where


def _same_length(path: Path, rows: int, dataset: Dataset) -> None:
    if rows != dataset.n:
        raise JoinError(
            f"{path.name} has {rows:,} rows and the dataset has {dataset.n:,}. Without ids the rows must be the same, in the "
            "same order; bring a Parquet file with an id column instead."
        )


def _read(path: Path, dataset: Dataset, vectors: bool) -> tuple[pa.Table, Strings | None]:
    """The table without its id column, and the ids (None = by row order)."""
    try:
        file = pq.ParquetFile(path)
        schema = file.schema_arrow
        id_column = _id_column(schema, dataset)
        keep = [n for n in schema.names if n != id_column]
        if vectors:
            keep = list(vector_columns(schema)) or [f.name for f in schema if _number(f.type) and f.name != id_column]
        table = file.read(columns=[*([id_column] if id_column else []), *keep])
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path.name} cannot be read as Parquet ({error}). Write or copy it again.") from error
    if id_column is None:
        _same_length(path, table.num_rows, dataset)
        return table, None
    return table.select(keep), strings_of(table.column(id_column))


def _number(kind: pa.DataType) -> bool:
    return bool(pt.is_floating(kind))


def _id_column(schema: pa.Schema, dataset: Dataset) -> str | None:
    own = dataset.columns.id
    if own is not None and own in schema.names and not is_list(schema.field(own).type):
        return own
    by_name = {normal(f.name): f.name for f in schema if not is_list(f.type) and not pt.is_floating(f.type)}
    return next((by_name[usual] for usual in (*USUAL_NAMES["id"], "path") if usual in by_name), None)


def _matrix(table: pa.Table, path: Path) -> NDArray[Any]:
    """(rows, d) of the embedding columns; null rows are NaN."""
    if not table.num_columns:
        raise JoinError(f"{path.name} holds no embeddings: a list column of floats, or many float columns, are needed.")
    if table.num_columns == 1 and is_list(table.schema.field(0).type):
        return lists_to_matrix(table.column(0), path)
    return np.column_stack([pc.cast(c, pa.float32()).to_numpy() for c in table.columns])


def lists_to_matrix(column: pa.ChunkedArray, path: Path) -> NDArray[Any]:
    """A column of equally long lists as (rows, d); null lists are NaN. Raises JoinError for lists of several lengths."""
    lengths = pc.list_value_length(column)
    sizes = pc.unique(lengths.drop_null()).to_pylist()
    sizes = [s for s in sizes if s] or [0]
    if len(sizes) > 1 or not sizes[0]:
        raise JoinError(
            f"The vectors of {path.name} have several lengths ({choices(sorted(sizes), 6)}); one is needed."
        )
    width = int(sizes[0])
    half = column.type.value_type == pa.float16()
    out = np.full((len(column), width), np.nan, np.float16 if half else np.float32)
    at = 0
    for chunk in column.chunks:
        for start in range(0, len(chunk), _BLOCK):
            part = chunk.slice(start, _BLOCK)
            size = pc.fill_null(pc.list_value_length(part), 0).to_numpy(zero_copy_only=False)
            flat = pc.list_flatten(part)
            values = flat.to_numpy(zero_copy_only=False).astype(out.dtype, copy=False).reshape(-1, width)
            out[at + np.flatnonzero(size == width)] = values
            at += len(part)
    return out


def _order(ids: Strings, dataset: Dataset, path: Path) -> NDArray[np.int64]:
    """(n,) the row of the brought table for every sample."""
    place = {value: row for row, value in enumerate(ids)}
    if len(place) != len(ids):
        seen: set[str] = set()
        twice = [v for v in ids if v in seen or seen.add(v)]  # type: ignore[func-returns-value]
        raise JoinError(
            f"{len(twice):,} ids occur more than once in {path.name} ({choices(twice, 5)}). Make them unique."
        )
    mine = set(dataset.sample_ids.tolist())
    unknown = [v for v in place if v not in mine]
    missing = [v for v in dataset.sample_ids if v not in place]
    if unknown or missing:
        parts = []
        if missing:
            parts.append(f"{len(missing):,} of the dataset's {dataset.n:,} ids are missing ({choices(missing, 5)})")
        if unknown:
            parts.append(f"{len(unknown):,} of its ids are not in the dataset ({choices(unknown, 5)})")
        raise JoinError(f"{path.name} does not fit the dataset: {'; '.join(parts)}. Write one row for every id.")
    return np.fromiter((place[v] for v in dataset.sample_ids), np.int64, dataset.n)


def _usable(values: NDArray[Any]) -> Bool:
    ok = np.empty(len(values), bool)
    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK]
        ok[start : start + _BLOCK] = np.isfinite(block).all(1) & (block != 0).any(1)
    return ok


def _npy_models(path: Path, dataset: Dataset) -> dict[str, Float32]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise SourceError(f"{path.name} cannot be read as a NumPy array ({error}).") from error
    stack = array if array.ndim == 3 else array[None]
    if stack.ndim != 3 or stack.dtype.kind != "f" or stack.shape[2] != dataset.n_classes:
        raise JoinError(
            f"{path.name} has shape {array.shape} and type {array.dtype}; (n, classes) = ({dataset.n}, {dataset.n_classes}) "
            "floats are needed."
        )
    _same_length(path, stack.shape[1], dataset)
    single = len(stack) == 1
    return {path.stem if single else f"{path.stem}/{i + 1}": np.array(m, np.float32) for i, m in enumerate(stack)}


def _table_models(table: pa.Table, path: Path, dataset: Dataset) -> dict[str, Float32]:
    lists = [name for name in table.column_names if is_vector(table.schema.field(name).type)]
    if lists:
        models = {name: np.asarray(lists_to_matrix(table.column(name), path), np.float32) for name in lists}
        for name, matrix in models.items():
            if matrix.shape[1] != dataset.n_classes:
                raise JoinError(
                    f"Column {name!r} of {path.name} has {matrix.shape[1]} probabilities per row and the dataset has "
                    f"{dataset.n_classes} classes."
                )
        return models
    prefixes = sorted({name.rpartition("/")[0] for name in table.column_names if _class_of(name, dataset)})
    if not prefixes:
        raise JoinError(
            f"No column of {path.name} is called like a class. Its columns are {choices(table.column_names)}; the classes "
            f"are {choices(dataset.class_names)}."
        )
    return {p or path.stem: _class_columns(table, p, path, dataset) for p in prefixes}


def _class_of(column: str, dataset: Dataset) -> bool:
    return column in dataset.class_names or column.rpartition("/")[2] in dataset.class_names


def _class_columns(table: pa.Table, prefix: str, path: Path, dataset: Dataset) -> Float32:
    names = [f"{prefix}/{c}" if prefix else c for c in dataset.class_names]
    missing = [c for c in names if c not in table.column_names]
    if missing:
        raise JoinError(f"{path.name} lacks a column for {len(missing)} of the classes ({choices(missing, 5)}).")
    return np.column_stack([pc.cast(table.column(c), pa.float32()).to_numpy() for c in names])


def _renormalised(name: str, matrix: Float32, path: Path, notices: list[str]) -> Float32:
    if np.nanmin(matrix, initial=0.0) < -1e-6:
        raise JoinError(f"{path.name} ({name}) holds negative values: probabilities are needed, not logits.")
    matrix = np.clip(matrix, 0, None)
    total = matrix.sum(1)
    lost = ~np.isfinite(total) | (total <= 0)
    off = ~lost & (np.abs(total - 1) > 1e-3)
    matrix[lost] = 1.0 / matrix.shape[1]
    matrix /= matrix.sum(1, keepdims=True)
    if off.any():
        notices.append(f"{int(off.sum()):,} rows of {name!r} did not sum to 1 and were divided by their sum.")
    if lost.any():
        notices.append(f"{int(lost.sum()):,} rows of {name!r} are NaN or zero and count as undecided.")
    return matrix
