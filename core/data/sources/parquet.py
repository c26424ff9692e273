"""Parquet tables: image bytes, Hugging Face image structs, image paths, text, or embeddings alone."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from ...errors import SourceError, choices, plural
from ...types import ColumnMap, MediaRef, Progress, ProgressFn, Strings
from ..media.reader import READERS, BatchedReader
from .base import MAX_RATIO, MAX_REPEATED, MAX_UNPACKED, SOURCES, RawTable, check_width
from .columns import (
    cell_note,
    is_binary,
    is_image_struct,
    is_text,
    looks_like_images,
    odd_notice,
    read_texts,
    vector_columns,
    with_storable_types,
)
from .folder import read_export

_SUFFIXES = (".parquet", ".pq", ".parq")
_PEEK = 16
_SHORT = 1024
"""Bytes of a cell that may repeat in every row."""
_BATCH_BYTES = 32 << 20
"""Image bytes are read in batches of about this size."""
_CACHE_BYTES = 256 << 20
"""Row groups of image bytes up to this size are kept whole for reading single rows."""


def parquet_files(path: Path) -> list[Path]:
    """List the files of a Parquet dataset: the file itself, or a folder's ``*.parquet`` in order of their names."""
    if path.is_dir():
        return sorted(p for p in path.rglob("*.parquet") if not any(part.startswith(".") for part in p.parts[-2:]))
    return [path]


class ParquetSource:
    """A Parquet file, or a folder of ``*.parquet`` parts. Image bytes stay in the file until they are decoded.

    A folder may be a repository of Hugging Face (``data/<split>-00000-of-00001.parquet``): the split is a column then,
    and integer codes get the names that the ``ClassLabel`` in the schema gives them.

    References
    ----------
    Hugging Face datasets documentation, "Repository structure"; `datasets.Features.arrow_schema`.
    """

    name = "parquet"
    title = "a Parquet table"
    rank = 1

    def accepts(self, path: Path) -> bool:
        """Whether this source reads ``path``."""
        if path.is_dir():
            return path.suffix.lower() in _SUFFIXES or _only_parquet(path) or any((path / "data").glob("*.parquet"))
        if not path.is_file():
            return False
        if path.suffix.lower() in _SUFFIXES:
            return True
        with path.open("rb") as stream:
            return stream.read(4) == b"PAR1"

    def read(self, path: Path, limit: int | None, progress: ProgressFn) -> RawTable:
        """Read the rows, or the first ``limit`` of them."""
        progress(Progress("source", message=f"reading {path.name}"))
        try:
            paths = parquet_files(path)
            files = [pq.ParquetFile(p) for p in paths]
            for file, where in zip(files, paths, strict=True):
                check_unpacked(file, where)
            return self._read(path, paths, files, limit)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise SourceError(
                f"{path.name} cannot be read as Parquet ({str(error).splitlines()[0][:200]}). It may be cut short: "
                "write or copy it again."
            ) from error

    def _read(self, path: Path, paths: list[Path], files: list[pq.ParquetFile], limit: int | None) -> RawTable:
        if not files:
            raise SourceError(f"{str(path)!r} holds no .parquet file.")
        schema = files[0].schema_arrow
        other = next((f for f in files if f.schema_arrow.names != schema.names), None)
        if other is not None:
            raise SourceError(
                f"{str(path)!r} holds Parquet files with different columns ({choices(schema.names)} and "
                f"{choices(other.schema_arrow.names)}). Give the path of one of them."
            )
        check_width(path.name, len(schema))
        total = sum(f.metadata.num_rows for f in files)
        if not total:
            raise SourceError(f"{path.name} has columns ({', '.join(schema.names)[:200]}) but no rows.")
        packed = [f.name for f in schema if is_binary(f.type) or is_image_struct(f.type)]
        first = {name: _first_cells(paths, name) for name in packed}
        strange = [name for name, cells in first.items() if cells is not None and not looks_like_images(cells)]
        words = [name for name in strange if (cells := first[name]) and all(map(_is_utf8, cells))]
        if words:
            for file, where in zip(files, paths, strict=True):
                check_unpacked(file, where, words)
        images = tuple(name for name in packed if name not in words)
        notices: list[str] = []

        def rows(columns: list[str]) -> pa.Table:
            notices.clear()
            return with_storable_types(_with_texts(_rows(files, columns, limit), words, notices), notices)

        vectors = vector_columns(schema)
        light = [name for name in schema.names if name not in images and name not in vectors]
        splits = None if "split" in schema.names else _splits(path, paths)

        def with_split(table: pa.Table) -> pa.Table:
            if splits is None:
                return table
            cells = [s for s, file in zip(splits, files, strict=True) for _ in range(file.metadata.num_rows)]
            return table.append_column("split", pa.array(cells[: table.num_rows], pa.string()))

        table = rows(light)
        types = {f.name: table.schema.field(f.name).type if f.name in light else f.type for f in schema}
        types |= {} if splits is None else {"split": pa.string()}
        stat = path.stat()
        return RawTable(
            source=self.name,
            path=path,
            n=total if limit is None else min(limit, total),
            table=with_split(table),
            order=tuple(types),
            types=types,
            root=path if path.is_dir() else path.parent,
            total=total,
            identity=f"{stat.st_size}:{stat.st_mtime_ns}",
            image_columns=images,
            not_images=frozenset(strange) & frozenset(images),
            text_bytes=frozenset(words),
            media=lambda column: MediaRef("parquet", str(path.resolve()), column),
            bytes_size={name: _size(files, name) for name in packed},
            vector_columns=vectors,
            full=lambda: with_split(rows([n for n in schema.names if n not in images])),
            roles=ColumnMap() if splits is None else ColumnMap(split="split"),
            class_names={} if splits is None else _class_names(schema),
            head={name: _notes(files[0], name, limit or 0) for name in (*images, *vectors[:1])} if limit else {},
            notices=notices,
        )


def _splits(path: Path, paths: list[Path]) -> list[str] | None:
    """The split of each file of a repository of Hugging Face, None = it is none."""
    if not path.is_dir() or any(p.parent != path / "data" for p in paths):
        return None
    parts = [re.fullmatch(r"(.+?)-\d{5}(?:-of-\d{5})?", p.stem) for p in paths]
    names = read_export(path).splits
    return [names.get(m[1], m[1]) for m in parts if m] if all(parts) else None


def _class_names(schema: pa.Schema) -> dict[str, tuple[str, ...]]:
    """Column → names of its integer codes, as Hugging Face writes them into the schema."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        labels = {str(name): _class_label(feature) for name, feature in features.items() if name in schema.names}
        return {name: tuple(map(str, names)) for name, names in labels.items() if names is not None}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}


def _class_label(feature: Any) -> list[str] | None:
    """The names of a ``ClassLabel``, or of a list of these; older releases wrote such a list as ``[feature]``."""
    if isinstance(feature, list):
        feature = feature[0]
    if feature.get("_type") in ("Sequence", "List", "LargeList"):
        feature = feature["feature"]
    return feature["names"] if feature.get("_type") == "ClassLabel" else None


def _first_cells(paths: list[Path], name: str) -> list[Any] | None:
    """Read the first cells of a column that are not null, without whole row groups. None where a page is damaged."""
    cells: list[Any] = []
    try:
        for path in paths:
            file = pq.ParquetFile(path, buffer_size=1 << 20)
            for batch in file.iter_batches(_PEEK, columns=[name], use_threads=False):
                cells += batch.column(0).drop_null().to_pylist()
                if len(cells) >= _PEEK:
                    return cells[:_PEEK]
    except (pa.ArrowException, OSError):  # found again, and said, when the rows are read
        return None
    return cells


def _is_utf8(cell: Any) -> bool:
    try:
        return isinstance(cell, bytes) and all(c.isprintable() or c.isspace() for c in cell.decode())
    except UnicodeDecodeError:
        return False


def _is_damaged(column: pa.ChunkedArray) -> bool:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return True
    return False


def _with_texts(table: pa.Table, columns: list[str], notices: list[str]) -> pa.Table:
    """Make text of columns of bytes, and of strings that are not UTF-8 though they should be."""
    odd = {}
    for place, name in enumerate(table.column_names):
        column = table.column(place)
        if name not in columns and not (is_text(column.type) and _is_damaged(column)):
            continue
        kind = pa.large_binary() if pt.is_large_string(column.type) else pa.binary()
        values, odd[name] = read_texts(pc.cast(column, kind).to_pylist())
        table = table.set_column(place, name, pa.chunked_array([values], pa.string()))
    notices += odd_notice(odd, table.num_rows)
    return table


def check_unpacked(file: pq.ParquetFile, path: Path, texts: Collection[str] = ()) -> None:
    """Raise SourceError for a file that unpacks to far more than any table does.

    Such a file has rows without content, or a few long texts repeated by a dictionary. Looked at are columns of text,
    and the columns of bytes that ``texts`` names.
    """
    size, meta = path.stat().st_size, file.metadata
    most, most_repeated = (max(least, MAX_RATIO * size) for least in (MAX_UNPACKED, MAX_REPEATED))
    rows = meta.num_rows
    if rows > max(10_000_000, MAX_RATIO * size):
        raise SourceError(
            f"{path.name} has {plural(size, 'byte')} and claims {plural(rows, 'row')}: there can be nothing in them."
        )
    leaves = {meta.schema.column(i).path: i for i in range(meta.num_columns)}
    for field in file.schema_arrow:
        if field.name not in leaves or not (is_text(field.type) or field.name in texts):
            continue
        chunks = [meta.row_group(g).column(leaves[field.name]) for g in range(meta.num_row_groups)]
        whole = sum(c.total_uncompressed_size for c in chunks)
        long = 0
        if whole <= most_repeated and max((c.num_values * c.total_uncompressed_size for c in chunks), default=0) > most:
            packed = pq.ParquetFile(path, read_dictionary=[field.name]).read(columns=[field.name]).column(0)
            whole = 0
            for chunk in packed.chunks:
                if pt.is_dictionary(chunk.type):
                    lengths = pc.take(pc.binary_length(chunk.dictionary).cast(pa.int64()), chunk.indices)
                    whole += pc.sum(lengths).as_py() or 0
                    long += pc.sum(pc.if_else(pc.greater(lengths, _SHORT), lengths, 0)).as_py() or 0
        if whole > most_repeated or long > most:
            raise SourceError(
                f"The column {field.name!r} of {path.name} unpacks to {whole >> 20:,} MiB, over {MAX_RATIO} times the "
                "file: no table does. If it is one, give it without that column."
            )


def _only_parquet(folder: Path) -> bool:
    names = [p.name.lower() for p in folder.iterdir() if not p.name.startswith((".", "_"))]
    return bool(names) and all(name.endswith(_SUFFIXES) for name in names)


def _rows(files: list[pq.ParquetFile], columns: list[str], limit: int | None) -> pa.Table:
    """Read the first rows of some columns over all files."""
    tables, left = [], limit
    for file in files:
        table = file.read(columns=columns) if left is None else _head(file, columns, left)
        tables.append(table)
        left = None if left is None else left - table.num_rows
        if left is not None and left <= 0:
            break
    return pa.concat_tables(tables, promote_options="permissive").replace_schema_metadata(None)


def _head(file: pq.ParquetFile, columns: list[str], rows: int) -> pa.Table:
    batches, schema = itertools.islice(file.iter_batches(rows, columns=columns), 1), file.schema_arrow
    return pa.Table.from_batches(list(batches), pa.schema([schema.field(c) for c in columns]))


def _size(files: list[pq.ParquetFile], name: str) -> int:
    """Uncompressed bytes of a column."""
    size = 0
    for file in files:
        meta = file.metadata
        leaves = [i for i in range(meta.num_columns) if meta.schema.column(i).path.split(".")[0] == name]
        size += sum(
            meta.row_group(g).column(i).total_uncompressed_size for g in range(meta.num_row_groups) for i in leaves
        )
    return size


def _notes(file: pq.ParquetFile, name: str, rows: int) -> list[Any]:
    return [cell_note(v) for v in _cells(file, name, rows)]


def _cells(file: pq.ParquetFile, name: str, rows: int) -> Iterator[Any]:
    for batch in itertools.islice(file.iter_batches(rows, columns=[name]), 1):
        yield from batch.column(0).to_pylist()


class ParquetImages(BatchedReader):
    """Image bytes in a column of Parquet files; the groups are row groups."""

    def __init__(self, media: MediaRef, _: Strings | None) -> None:
        super().__init__()
        path = Path(media.root)
        self.root = path if path.is_dir() else path.parent
        self._column = media.column
        self._groups: list[tuple[pq.ParquetFile, int]] = []
        self.starts, self._sizes, self._rows = [], [], []
        row = 0
        for file in parquet_files(path):
            opened = pq.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False)
            for group in range(opened.metadata.num_row_groups):
                meta = opened.metadata.row_group(group)
                columns = [meta.column(i) for i in range(meta.num_columns)]
                own = [c for c in columns if c.path_in_schema.split(".")[0] == media.column]
                self._groups.append((opened, group))
                self.starts.append(row)
                self._sizes.append(sum(c.total_uncompressed_size for c in own))
                self._rows.append(meta.num_rows)
                row += meta.num_rows

    def small(self, group: int) -> bool:
        """Whether the row group may be kept in memory."""
        return bool(self._sizes[group] <= _CACHE_BYTES)

    def batches(self, group: int, rows: list[int]) -> Iterator[tuple[int, pa.Array]]:
        """Yield (first row, cells) of the row group's batches."""
        file, number = self._groups[group]
        mean = max(1, self._sizes[group] // max(1, self._rows[group]))
        size = int(np.clip(_BATCH_BYTES // mean, 1, 4096))
        first = self.starts[group]
        for batch in file.iter_batches(size, row_groups=[number], columns=[self._column], use_threads=False):
            yield first, batch.column(0)
            first += batch.num_rows


SOURCES.register(ParquetSource.name)(ParquetSource())
READERS.register("parquet")(ParquetImages)
