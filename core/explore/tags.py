"""Several labels a sample: each tag's counts and rates, and what is suspected of every pair of sample and tag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from ..errors import QueryError, choices
from ..storage.atomic import atomic_file
from ..storage.effective_tags import EffectiveTags
from ..storage.scan_context import ScanContext
from ..storage.tag_tables import EDITS, TagTables, pairs_table
from .filter import Filter
from .query import SampleQuery

_PAIRS = 1 << 21
"""Pairs of sample and tag that are written at a time."""

_ROWS = 65_536
"""Samples whose beliefs are read at a time."""


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

    def rows(self, query: SampleQuery) -> list[TagRow]:
        """Every tag with its counts and rates, those with most faults first.

        Parameters
        ----------
        query
            Of the same workspace.
        """
        info, counts = self.tables.info, self.now.counts()
        edits = query.tag_edits(Filter(state="undecided"))
        rates = {n: p for n, *p in zip(self.names, info["rate_missing"], info["rate_extra"], strict=True)}
        rows = [
            TagRow(name, n, *(edits[kind].get(name, 0) for kind in EDITS), *rates.get(name, (None, None)))
            for name, n in counts.items()
        ]
        return sorted(rows, key=lambda row: (-row.missing - row.extra, -row.now, row.name))

    def pairs(self, limit: int = 60) -> list[TagPair]:
        """Pairs of tags among the commonest ``limit``: given together, and expected to be by the models."""
        carried = np.bincount(self.tables.given.indices, minlength=len(self.names))
        top = np.sort(np.argsort(-carried, kind="stable")[:limit])
        given = self.tables.given[:, top].astype(np.float32)
        together = (given.T @ given).toarray()
        expected = np.zeros_like(together)
        for start in range(0, len(self._scan.ids), _ROWS):
            belief = np.nan_to_num(np.asarray(self.tables.belief[start : start + _ROWS][:, top], np.float32))
            expected += belief.T @ belief
        return [
            TagPair(self.names[top[i]], self.names[top[j]], int(together[i, j]), float(expected[i, j]))
            for i, j in zip(*np.triu_indices(len(top), 1), strict=True)
        ]

    def typical(self, tag: str, limit: int = 8) -> list[str]:
        """Ids of samples that carry a tag and should, the surest first. Raises QueryError for an unknown tag."""
        if tag not in self.names:
            raise QueryError(f"No tag is called {tag!r}. There are: {choices(self.names)}.")
        t = self.names.index(tag)
        rows = np.flatnonzero(self.tables.given[:, [t]].toarray().ravel())
        belief = np.nan_to_num(np.asarray(self.tables.belief[rows, t], np.float32))
        return [str(self._scan.ids[row]) for row in rows[np.argsort(-belief, kind="stable")][:limit]]

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


@dataclass(frozen=True)
class TagRow:
    """One tag.

    Attributes
    ----------
    name
        The tag.
    now
        How many samples carry it now.
    missing, extra
        How many undecided samples the scan would give it, or take it from.
    rate_missing, rate_extra
        Share of the samples that should carry it and do not, and of those that do and should not, by the scan; None
        for tags that people made.
    """

    name: str
    now: int
    missing: int
    extra: int
    rate_missing: float | None
    rate_extra: float | None


@dataclass(frozen=True)
class TagPair:
    """Two tags: how many samples were given both, and how many should carry both by the models."""

    first: str
    second: str
    given: int
    expected: float

    @property
    def lift(self) -> float:
        """Given / expected, each with 3 added, so that few samples say little."""
        return (self.given + 3.0) / (self.expected + 3.0)


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
