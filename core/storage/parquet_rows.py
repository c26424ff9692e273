"""Rows of a Parquet file by number, quickly and without holding the file."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


class RowReader:
    """Reads rows by number through a small cache of row groups (least recently used goes first).

    Rows are counted from 0 in file order. Memory: at most ``groups`` row groups. Safe to share between threads.
    """

    def __init__(self, path: Path, groups: int = 8) -> None:
        self._file = pq.ParquetFile(path, memory_map=True)
        meta = self._file.metadata
        self._starts = np.cumsum([0, *(meta.row_group(i).num_rows for i in range(meta.num_row_groups))])
        self._groups = groups
        self._cache: OrderedDict[int, pa.Table] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def columns(self) -> list[str]:
        return list(self._file.schema_arrow.names)

    def take(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """The rows as dictionaries, in the order asked for. Raises IndexError for a row that is not there."""
        wanted = np.asarray(rows, np.int64)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise IndexError(f"rows {wanted.min()}..{wanted.max()} asked of a table with {len(self)}")
        out: list[dict[str, Any]] = [{} for _ in range(len(wanted))]
        group_of = np.searchsorted(self._starts, wanted, side="right") - 1
        for group in np.unique(group_of):
            where = np.flatnonzero(group_of == group)
            part = self._group(int(group)).take(pa.array(wanted[where] - self._starts[group]))
            for i, row in zip(where, part.to_pylist(), strict=True):
                out[i] = row
        return out

    def _group(self, group: int) -> pa.Table:
        with self._lock:
            if group in self._cache:
                self._cache.move_to_end(group)
                return self._cache[group]
            table = self._file.read_row_group(group)
            self._cache[group] = table
            while len(self._cache) > self._groups:
                self._cache.popitem(last=False)
            return table

    def column(self, name: str) -> pa.ChunkedArray:
        """One whole column."""
        with self._lock:  # one file is never read by two threads at once: that ends in a crash
            return self._file.read(columns=[name]).column(0)
