"""Reads rows of a Parquet file by number, quickly and without holding the whole file in memory."""

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
    """Reads rows by number, counted from 0 in file order. Safe to share between threads.

    Parameters
    ----------
    path
        The Parquet file.
    groups
        How many row groups are kept in memory; the least recently used one is dropped first.
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
        """Names of the columns."""
        return list(self._file.schema_arrow.names)

    def take(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """Read rows as dictionaries, in the order of ``rows``. Raises IndexError for a row that is not there."""
        wanted = np.asarray(rows, np.int64)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise IndexError(f"rows {wanted.min()}..{wanted.max()} asked of a table with {len(self)}")
        records: list[dict[str, Any]] = [{} for _ in range(len(wanted))]
        group_of = np.searchsorted(self._starts, wanted, side="right") - 1
        for group in np.unique(group_of):
            members = np.flatnonzero(group_of == group)
            part = self._group(int(group)).take(pa.array(wanted[members] - self._starts[group]))
            for i, record in zip(members, part.to_pylist(), strict=True):
                records[i] = record
        return records

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
        """Read one whole column."""
        with self._lock:  # reading one file from two threads at once crashes
            return self._file.read(columns=[name]).column(0)
