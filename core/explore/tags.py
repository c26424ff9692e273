"""Several labels a sample: each tag's counts and rates, and what is suspected of every pair of sample and tag."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ..errors import QueryError
from ..storage.atomic import atomic_file
from ..storage.effective_tags import EffectiveTags
from ..storage.scan_context import ScanContext
from ..storage.tag_tables import TagTables, pairs_table

_PAIRS = 1 << 21
"""Pairs of sample and tag that are written at a time."""


def no_tags(name: str) -> QueryError:
    """Make the error of a dataset without tags."""
    return QueryError(
        f"The samples of {name!r} have no tags: scan with --tags COLUMN where they have several labels each."
    )


class TagReview:
    """The tags of one workspace.

    Parameters
    ----------
    scan
        The scan and its log. Where its samples have no tags, every question raises QueryError.
    """

    def __init__(self, scan: ScanContext) -> None:
        self._scan = scan

    @property
    def tables(self) -> TagTables:
        """What the scan knows of the tags. Raises QueryError where samples have none."""
        tables = self._scan.files.tags
        if tables is None:
            raise no_tags(self._scan.name)
        return tables

    @property
    def names(self) -> tuple[str, ...]:
        """(T,) the tags of the dataset."""
        return self.tables.names

    @property
    def now(self) -> EffectiveTags:
        """The tags as they are now, by the decisions in force."""
        tags = self._scan.tags
        if tags is None:
            raise no_tags(self._scan.name)
        return tags

    def edits(self, ids: Sequence[str], add: Sequence[str] = (), remove: Sequence[str] = ()) -> list[dict[str, Any]]:
        """For each sample that these edits change: its id and its final tags.

        Raises
        ------
        QueryError
            There is no such sample.
        """
        out, drop = [], frozenset(remove)
        for sample_id, tags in zip(ids, self.now.at([self._scan.row(i) for i in ids]), strict=True):
            final = list(dict.fromkeys([*(t for t in tags if t not in drop), *add]))
            if set(final) != set(tags):
                out.append({"sample_id": sample_id, "tags": final})
        return out


def write_pairs(scan: ScanContext, path: str | Path) -> int:
    """Write one row per annotated pair as Parquet: id, tag, given, score, flag. Returns the number of rows.

    Raises
    ------
    QueryError
        The samples have no tags.
    """
    tables, ids = TagReview(scan).tables, scan.ids
    n, step = len(ids), max(1, _PAIRS // max(len(tables.names), 1))
    written = 0
    with atomic_file(Path(path), "the scores") as stream:
        writer = None
        for first in range(0, max(n, 1), step):
            table = pairs_table(tables, ids, first, min(first + step, n))
            writer = writer or pq.ParquetWriter(stream, table.schema, compression="zstd")
            writer.write_table(table)
            written += table.num_rows
        if writer is not None:
            writer.close()
    return written
