"""The decision log as a file: a row for every decision and every change of classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa

from ..review.history import FIELDS, as_row
from ..storage.atomic import atomic_file
from ..storage.decision_log.store import DecisionStore
from .curated_file import exporter_for
from .target import check_file, check_place

_AT_ONCE = 10_000


def write_log(
    store: DecisionStore, path: str | Path, *, source: str = "", overwrite: bool = False, **where: Any
) -> int:
    """Write every matching row of the log, the oldest first, in the format of the suffix, whole or not at all.

    Parameters
    ----------
    store
        The decision log.
    path
        The file to write; its suffix chooses the format (see :mod:`winnow.core.export.formats`).
    source
        What was scanned, which is never replaced; "" = unknown.
    overwrite
        Whether an existing file is replaced.
    **where
        Filters as of :meth:`winnow.core.review.history.DecisionHistory.page`.

    Returns
    -------
    int
        The number of rows written.

    Raises
    ------
    ExportError
        The suffix names no format, or the file exists and may not be overwritten.
    """
    path = Path(path).expanduser()
    exporter = exporter_for(path)
    check_place(path, source)
    check_file(path, ours=False, overwrite=overwrite)
    with atomic_file(path, "the log") as stream:
        return exporter.write(cast(BinaryIO, stream), _LogRows(store, where))[0]


class _LogRows:
    """The log as the rows of an export. Rows added while it is written come after the last one and are left out."""

    def __init__(self, store: DecisionStore, where: dict[str, Any]) -> None:
        self._store, self._where = store, where

    @property
    def schema(self) -> pa.Schema:
        """Columns of the log."""
        return pa.schema([pa.field(name, pa.int64() if name == "place" else pa.string()) for name in FIELDS])

    def __iter__(self) -> Iterator[pa.Table]:
        total = self._store.count(**self._where)
        for start in range(0, max(total, 1), _AT_ONCE):
            part = self._store.timeline(
                **self._where, limit=min(_AT_ONCE, total - start), offset=start, newest_first=False
            )
            yield pa.Table.from_pylist([as_row(item) for item in part], self.schema)

    def summary(self) -> Mapping[str, Any]:
        """No sample is excluded."""
        return {"excluded": 0}
