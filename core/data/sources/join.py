"""Given probabilities, and how a given table is joined to a dataset's rows: by id or by order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt
from numpy.typing import NDArray

from ...errors import JoinError, SourceError, choices, plural
from ...types import Dataset, Float32, Strings
from .build import strings_of
from .columns import USUAL_NAMES, is_list, is_vector, normalized

_BLOCK = 65_536


def load_probabilities(path: Path | str, dataset: Dataset) -> tuple[dict[str, Float32], tuple[str, ...]]:
    """Read predicted class probabilities, of one model or several.

    Parquet with one column per class name (joined by id), with list columns (one model each; order of
    ``dataset.class_names``), or several models as ``model/class`` columns; or a ``.npy`` array (n, C) or (models, n, C)
    in row order. Rows that do not sum to 1 are divided by their sum; a row that is NaN or all zero becomes uniform.

    Parameters
    ----------
    path
        A Parquet or ``.npy`` file.
    dataset
        The n samples and C classes that the file must fit.

    Returns
    -------
    models
        Model name → (n, C) float32, rows sum to 1.
    notices
        Sentences for the person: which rows were renormalised.

    Raises
    ------
    JoinError
        Another length, unknown or missing ids, unknown or missing classes, or negative values.
    SourceError
        The file is missing or cannot be read.
    """
    where = existing_file(path)
    if not dataset.n_classes:
        raise JoinError(f"{where.name} holds probabilities, but the dataset has no labels to compare them with.")
    if where.suffix.lower() == ".npy":
        models = _npy_models(where, dataset)
    else:
        table, ids = _read(where, dataset)
        models = _table_models(table, where, dataset)
        if ids is not None:
            order = matching_rows(ids, dataset, where)
            models = {name: matrix[order] for name, matrix in models.items()}
    notices: list[str] = []
    return {name: _renormalised(name, matrix, where, notices) for name, matrix in models.items()}, tuple(notices)


def existing_file(path: Path | str) -> Path:
    """Check that a given file is there, and return its path. Raises SourceError when it is not."""
    where = Path(path).expanduser()
    if not where.is_file():
        raise SourceError(f"{str(path)!r} is not a file. Give a Parquet file with an id column, or a .npy array.")
    return where


def check_length(path: Path, rows: int, dataset: Dataset) -> None:
    """Raise JoinError unless a table without ids has as many rows as the dataset."""
    if rows != dataset.n:
        raise JoinError(
            f"{path.name} has {plural(rows, 'row')} and the dataset has {dataset.n:,}. Without ids the rows "
            f"must be the same, "
            "in the same order; give a Parquet file with an id column instead."
        )


def _read(path: Path, dataset: Dataset) -> tuple[pa.Table, Strings | None]:
    """Read the table without its id column, and the ids (None = by row order)."""
    try:
        file = pq.ParquetFile(path)
        name = id_column(file.schema_arrow, dataset)
        keep = [n for n in file.schema_arrow.names if n != name]
        table = file.read(columns=[*([name] if name else []), *keep])
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path.name} cannot be read as Parquet ({error}). Write or copy it again.") from error
    if name is None:
        check_length(path, table.num_rows, dataset)
        return table, None
    return table.select(keep), strings_of(table.column(name))


def id_column(schema: pa.Schema, dataset: Dataset) -> str | None:
    """Find the column of a given table with sample ids: the dataset's own, or a usual name; None = by row order."""
    own = dataset.columns.id
    if own is not None and own in schema.names and not is_list(schema.field(own).type):
        return own
    by_name = {normalized(f.name): f.name for f in schema if not is_list(f.type) and not pt.is_floating(f.type)}
    return next((by_name[usual] for usual in (*USUAL_NAMES["id"], "path") if usual in by_name), None)


def list_widths(column: pa.ChunkedArray | pa.Array) -> list[int]:
    """List the different lengths of a column's lists, ascending, without zero."""
    return sorted(int(s) for s in pc.unique(pc.list_value_length(column).drop_null()).to_pylist() if s)


def lists_to_matrix(column: pa.ChunkedArray, path: Path, width: int | None = None) -> NDArray[Any]:
    """Turn a column of equally long lists into a matrix.

    Parameters
    ----------
    column
        (rows,) lists of floats.
    path
        Of the file, for messages.
    width
        The length of the lists; None = of those that are there.

    Returns
    -------
    (rows, width) float16 or float32; rows of null lists are NaN.

    Raises
    ------
    JoinError
        The lists have several lengths.
    """
    sizes = sorted({*list_widths(column), *([width] if width else [])})
    if len(sizes) != 1:
        raise JoinError(f"The vectors of {path.name} have several lengths ({choices(sizes or [0], 6)}); one is needed.")
    width = sizes[0]
    half = column.type.value_type == pa.float16()
    out = np.full((len(column), width), np.nan, np.float16 if half else np.float32)
    first = 0
    for chunk in column.chunks:
        for start in range(0, len(chunk), _BLOCK):
            part = chunk.slice(start, _BLOCK)
            size = pc.fill_null(pc.list_value_length(part), 0).to_numpy(zero_copy_only=False)
            flat = pc.list_flatten(part)
            values = flat.to_numpy(zero_copy_only=False).astype(out.dtype, copy=False).reshape(-1, width)
            out[first + np.flatnonzero(size == width)] = values
            first += len(part)
    return out


def matching_rows(ids: Strings, dataset: Dataset, path: Path) -> NDArray[np.int64]:
    """(n,) int64 row of the given table for every sample. Raises JoinError for missing, unknown or repeated ids."""
    place = {value: row for row, value in enumerate(ids)}
    if len(place) != len(ids):
        seen: set[str] = set()
        repeated = [v for v in ids if v in seen or seen.add(v)]  # type: ignore[func-returns-value]
        raise JoinError(
            f"{len(repeated):,} ids occur more than once in {path.name} ({choices(repeated, 5)}). Make them unique."
        )
    known = set(dataset.sample_ids.tolist())
    unknown = [v for v in place if v not in known]
    missing = [v for v in dataset.sample_ids if v not in place]
    if unknown or missing:
        parts = []
        if missing:
            parts.append(f"{len(missing):,} of the dataset's {dataset.n:,} ids are missing ({choices(missing, 5)})")
        if unknown:
            parts.append(f"{len(unknown):,} of its ids are not in the dataset ({choices(unknown, 5)})")
        raise JoinError(f"{path.name} does not fit the dataset: {'; '.join(parts)}. Write one row for every id.")
    return np.fromiter((place[v] for v in dataset.sample_ids), np.int64, dataset.n)


def _npy_models(path: Path, dataset: Dataset) -> dict[str, Float32]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise SourceError(f"{path.name} cannot be read as a NumPy array ({error}).") from error
    stack = array if array.ndim == 3 else array[None]
    if stack.ndim != 3 or stack.dtype.kind != "f" or stack.shape[2] != dataset.n_classes:
        raise JoinError(
            f"{path.name} has shape {array.shape} and type {array.dtype}; "
            f"(n, classes) = ({dataset.n}, {dataset.n_classes}) floats are needed."
        )
    check_length(path, stack.shape[1], dataset)
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
            f"No column of {path.name} is called like a class. Its columns are {choices(table.column_names)}; "
            f"the classes are {choices(dataset.class_names)}."
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
        notices.append(f"{plural(int(off.sum()), 'row')} of {name!r} did not sum to 1: each was divided by its sum.")
    if lost.any():
        notices.append(
            f"{plural(int(lost.sum()), 'row')} of {name!r} without a probability: all classes count as equal."
        )
    return matrix
