"""A Hugging Face dataset saved on disk (``save_to_disk``), one split or several."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ...errors import SourceError
from ...types import ColumnMap, MediaRef, Progress, ProgressFn, Strings
from ..media.reader import READERS, BatchedReader
from .base import SOURCES, RawTable
from .columns import cell_note, is_binary, is_image_struct, is_vector, looks_like_images, with_storable_types

_PEEK = 16


def load_splits(path: Path) -> list[tuple[str, Any]]:
    """Load (split name, dataset) of a saved dataset; one unnamed split for a plain Dataset. Raises SourceError."""
    import datasets

    try:
        loaded = datasets.load_from_disk(str(path))
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise SourceError(
            f"{str(path)!r} looks like a saved Hugging Face dataset but cannot be read ({error}). "
            "Save it again with save_to_disk."
        ) from error
    if isinstance(loaded, datasets.DatasetDict):
        return [(str(key), part) for key, part in loaded.items()]
    return [("", loaded)]


class HuggingFaceSource:
    """``datasets.load_from_disk``: ClassLabel codes get their names, a DatasetDict's keys become the split."""

    name = "huggingface"
    title = "a Hugging Face dataset saved with save_to_disk"
    rank = 0

    def accepts(self, path: Path) -> bool:
        """Whether this source reads ``path``."""
        return path.is_dir() and any((path / name).is_file() for name in ("dataset_dict.json", "state.json"))

    def read(self, path: Path, limit: int | None, progress: ProgressFn) -> RawTable:
        """Read the rows, or the first ``limit`` of them."""
        progress(Progress("source", message=f"reading {path.name}"))
        splits = load_splits(path)
        total = sum(len(part) for _, part in splits)
        if not total:
            raise SourceError(f"The dataset in {str(path)!r} has no rows.")
        features = splits[0][1].features
        types = {
            name: _storage(feature_type) for name, feature_type in zip(features, _types(splits[0][1]), strict=True)
        }
        images = tuple(n for n, t in types.items() if is_binary(t) or is_image_struct(t))
        vectors = tuple(n for n, t in types.items() if is_vector(t))[:1]
        order = list(types)
        light = [name for name in types if name not in images and name not in vectors]
        named = len(splits) > 1 or bool(splits[0][0])
        roles = ColumnMap()
        split_column = "split" if "split" not in types else "split_name"
        notices: list[str] = []
        table = with_storable_types(_rows(splits, light, limit, split_column if named else None), notices)
        types |= {name: table.schema.field(name).type for name in light}
        if named:
            types[split_column] = pa.string()
            roles = ColumnMap(split=split_column)
        return RawTable(
            source=self.name,
            path=path,
            n=total if limit is None else min(limit, total),
            table=table,
            order=tuple(types),
            types=types,
            root=path,
            total=total,
            identity=":".join(str(part._fingerprint) for _, part in splits),
            image_columns=images,
            not_images=frozenset(n for n in images if not looks_like_images(_first_cells(splits, n))),
            media=lambda column: MediaRef("arrow", str(path.resolve()), column),
            bytes_size={name: sum(int(part.data.nbytes) for _, part in splits) for name in images},
            vector_columns=vectors,
            full=lambda: with_storable_types(
                _rows(splits, [n for n in order if n not in images], limit, split_column if named else None), []
            ),
            notices=notices,
            roles=roles,
            class_names={n: names for n, f in features.items() if (names := _class_names(f))},
            head={name: _head(splits[0][1], name, limit) for name in (*images, *vectors)} if limit else {},
        )


def _class_names(feature: Any) -> tuple[str, ...]:
    """The names of a ClassLabel, or of a list of these; () = it is neither."""
    inner = feature[0] if isinstance(feature, list) else getattr(feature, "feature", feature)
    return tuple(inner.names) if hasattr(inner, "names") and hasattr(inner, "str2int") else ()


def _rows(splits: list[tuple[str, Any]], columns: list[str], limit: int | None, split: str | None) -> pa.Table:
    """Read the first rows of some columns over all splits, with the split's name as a column of its own."""
    tables, left = [], limit if limit is not None else sum(len(part) for _, part in splits)
    for key, part in splits:
        rows = min(len(part), left)
        if not rows:
            continue
        table = part.select_columns(columns).with_format("arrow")[:rows] if columns else pa.table({})
        if split is not None:
            name = pa.array([key] * rows, pa.string())
            table = table.append_column(split, name) if columns else pa.table({split: name})
        tables.append(table)
        left -= rows
    return pa.concat_tables(tables, promote_options="permissive").replace_schema_metadata(None)


def _first_cells(splits: list[tuple[str, Any]], name: str) -> list[Any]:
    columns = (part.select_columns([name]).with_format("arrow")[:_PEEK].column(name) for _, part in splits)
    return [cell for column in columns for cell in column.to_pylist() if cell is not None]


def _types(part: Any) -> list[pa.DataType]:
    schema = part.features.arrow_schema
    return [schema.field(name).type for name in part.features]


def _storage(kind: pa.DataType) -> pa.DataType:
    return kind.storage_type if isinstance(kind, pa.ExtensionType) else kind


def _head(part: Any, name: str, limit: int) -> list[Any]:
    column = part.select_columns([name]).with_format("arrow")[:limit].column(name)
    return [cell_note(v) for v in column.to_pylist()]


class ArrowImages(BatchedReader):
    """Image bytes in a Hugging Face dataset saved on disk; the groups are its splits."""

    _STEP = 64

    def __init__(self, media: MediaRef, _: Strings | None) -> None:
        super().__init__()
        self.root = Path(media.root)
        self._column = media.column
        self._parts = [part.select_columns([media.column]).with_format("arrow") for _, part in load_splits(self.root)]
        self.starts = [0, *np.cumsum([len(p) for p in self._parts]).tolist()][:-1]

    def small(self, group: int) -> bool:
        """No: the files are memory-mapped, and any row is read as quickly as another."""
        return False

    def batches(self, group: int, rows: list[int]) -> Iterator[tuple[int, pa.Array]]:
        """Yield (first row, cells) of the pieces of the split that hold ``rows``."""
        part, base = self._parts[group], self.starts[group]
        steps = sorted({(row - base) // self._STEP for row in rows})
        for step in steps:
            at = step * self._STEP
            column = part[at : at + self._STEP].column(self._column)
            kind = column.type
            storage = column.cast(kind.storage_type) if isinstance(kind, pa.ExtensionType) else column
            yield base + at, storage.combine_chunks() if isinstance(storage, pa.ChunkedArray) else storage


SOURCES.register(HuggingFaceSource.name)(HuggingFaceSource())
READERS.register("arrow")(ArrowImages)
