"""Queries about the samples of a workspace, answered by DuckDB on its Parquet files.

Nothing is loaded as a whole: each query reads the columns that it names. The decisions are an Arrow table that is
registered for each query. Values are always bound; identifiers come only from the columns that the files have.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import QueryError
from ..storage.id_set import IdSet
from ..types import ISSUE_KINDS, Int32, Kind
from .filter import Filter
from .filter_schema import EDIT_SIGNS
from .filter_sql import FilterSql, Where
from .lasso import Outline, combined
from .metadata import ColumnSpread, read_spread
from .results import Counts
from .signal_evidence import read_percentiles
from .sql import (
    EFFECTIVE_CLASS,
    EFFECTIVE_TAGS,
    LABEL_SOURCE,
    quote,
)
from .tiles import tiles

__all__ = ["Filter", "SampleQuery"]

_FACETS = {
    "class": ("d", "label"),
    "split": ("d", "split"),
    "source": ("d", "source"),
    "verdict": ("v", "verdict"),
    "suggested": ("v", "suggested_label"),
    "cluster": ("v", "cluster"),
    "state": ("s", "state"),
    "label_source": ("s", "label_source"),
}


class SampleQuery(FilterSql):
    """Counts, ids, pages and tables of the samples that match a :class:`Filter`."""

    def counts(self, filter: Filter | None = None) -> Counts:
        """How many match, and how they spread. One pass over the columns that the filter and the facets name."""
        where = self._where(filter or Filter())
        where.aliases |= {"v", "s"}
        facets = {name: quote(alias, column) for name, (alias, column) in _FACETS.items()}
        facets |= {"class": EFFECTIVE_CLASS, "verdict": where.status, "label_source": LABEL_SOURCE}
        sets = ", ".join(f"({column})" for column in facets.values())
        flags = ", ".join(f"count(*) FILTER (WHERE {quote('v', f'{k.value}_flag')})" for k in ISSUE_KINDS)
        sql = (
            f"SELECT grouping({', '.join(facets.values())}), {', '.join(facets.values())}, count(*), {flags} "
            f"{self._from(where)} {where.sql} GROUP BY GROUPING SETS ({sets}, ())"
        )
        with self._ask(where) as ask:
            rows = ask(sql, where.values)
            total = ask("SELECT count(*) FROM dataset", [])[0][0]
        tags = dict(self._tag_counts(where)) if "tags" in self._paths else {}
        spread: dict[str, dict[Any, int]] = {name: {} for name in facets}
        matching, by_kind = 0, dict.fromkeys((k.value for k in ISSUE_KINDS), 0)
        m = len(facets)
        for mask, *rest in rows:
            count = rest[m]
            grouped = [i for i in range(m) if not mask >> (m - 1 - i) & 1]
            if not grouped:
                matching, by_kind = count, dict(zip(by_kind, rest[m + 1 :], strict=True))
                continue
            name = list(facets)[grouped[0]]
            empty: Any = {"cluster": -1, "state": "undecided"}.get(name, "")
            key = empty if rest[grouped[0]] is None else rest[grouped[0]]
            spread[name][key] = spread[name].get(key, 0) + count
        by = {f"by_{name}": dict(sorted(counts.items(), key=_most_first)) for name, counts in spread.items()}
        return Counts(total=total, matching=matching, by_kind=by_kind, **by, by_tag=tags)

    def _tag_counts(self, where: Where) -> list[tuple[str, int]]:
        """Each tag, and how many of the matching samples carry it now, the commonest first."""
        where = replace(where, aliases={*where.aliases, "t"})
        sql = (
            f"SELECT tag, count(*) FROM (SELECT unnest({EFFECTIVE_TAGS}) AS tag {self._from(where)} {where.sql}) "
            "GROUP BY tag ORDER BY count(*) DESC, tag"
        )
        with self._ask(where) as ask:
            return [(str(tag), int(n)) for tag, n in ask(sql, where.values)]

    def tag_edits(self, filter: Filter | None = None) -> dict[str, dict[str, int]]:
        """How many of the matching samples the scan would give each tag ("missing"), or take it from ("extra").

        Raises
        ------
        QueryError
            Samples have no tags.
        """
        where = self._where(filter or Filter())
        where.aliases.add("t")
        out = {}
        with self._ask(where) as ask:
            for kind in EDIT_SIGNS.values():
                sql = f"SELECT tag, count(*) FROM (SELECT unnest(t.{kind}) AS tag {self._from(where)} {where.sql})"
                out[kind] = {str(t): int(n) for t, n in ask(f"{sql} GROUP BY tag ORDER BY count(*) DESC", where.values)}
        return out

    def ids(self, filter: Filter | None = None, sort: str = "row", group: str = "") -> list[str]:
        """Every matching id in order.

        Parameters
        ----------
        filter
            None = all samples.
        sort
            A column or score, "-" in front = descending; ties go by row, and samples without a value come last.
            "pick" = the order of ``filter.pick``, "match" = that of a search. "-confidence" and "-suspicion", by
            which people review, list broken samples after all others: there is nothing to see in them.
        group
            First by these groups: see :meth:`groups`.
        """
        return self.id_set(filter, sort, group)[:]

    def id_set(self, filter: Filter | None = None, sort: str = "row", group: str = "") -> IdSet:
        """What :meth:`ids` gives, in a compact form."""
        where = self._where(filter or Filter())
        order = self._order(sort, where, group)
        with self._ask(where) as ask:
            return IdSet(
                ask.column(f"SELECT d.sample_id {self._from(where)} {where.sql} ORDER BY {order}", where.values)
            )

    def numbers(self, filter: Filter) -> Int32:
        """Rows of the matching samples, ascending."""
        where = self._where(filter)
        with self._ask(where) as ask:
            rows = ask.column(f"SELECT d.row {self._from(where)} {where.sql}", where.values)
        return np.sort(rows.to_numpy()).astype(np.int32)

    def in_duplicate_groups(self, groups: Collection[int]) -> IdSet:
        """Every member of these groups in order of row: the keepers, the copies and the possible copies."""
        where = Where()
        where.add("v", "v.duplicate_group IN (SELECT unnest(?))", list(groups))
        with self._ask(where) as ask:
            return IdSet(ask.column(f"SELECT d.sample_id {self._from(where)} {where.sql} ORDER BY d.row", where.values))

    def id_at(self, row: int) -> str:
        """The id of a row. Raises QueryError where there is none."""
        if not 0 <= row < len(self._ids):
            raise QueryError(f"There is no point {row}; the map has {len(self._ids):,}.")
        return str(self._ids[row].as_py())

    def matching(self, filter: Filter) -> int:
        """How many samples match: :attr:`Counts.matching` without its facets."""
        where = self._where(filter)
        with self._ask(where) as ask:
            return int(ask(f"SELECT count(*) {self._from(where)} {where.sql}", where.values)[0][0])

    def outlined(
        self, outlines: Sequence[Outline], filter: Filter | None = None, base: Sequence[str] | None = None
    ) -> IdSet:
        """Ids, in order of row, of the matching samples inside outlines on the map.

        Parameters
        ----------
        outlines
            See :func:`winnow.core.explore.lasso.combined`.
        filter
            None = all samples.
        base
            Ids that are selected before the first outline.
        """
        allowed = self.numbers(filter) if filter is not None and filter.active else None
        begin = self.numbers(Filter(ids=IdSet.of(base))) if base is not None else None
        rows = np.flatnonzero(combined(self._points, outlines, allowed, begin)).astype(np.int32)
        return IdSet(self._ids.take(pa.array(rows)), rows, self._scan)

    def rows(
        self, filter: Filter | None = None, sort: str = "row", offset: int = 0, limit: int = 100, group: str = ""
    ) -> list[dict[str, Any]]:
        """One page of matching samples, for tiles, in the order of :meth:`ids`.

        Each: sample_id, row, label (given), label_now (effective), suggested, suggested_prob, verdict, confidence,
        reasons, flags (kinds), scores {kind: probability, and the score sorted by}, decision {action, label, actor, at,
        reason, n_people} or None, where samples have tags also tags (now), tags_given, missing and extra, text (at most
        TILE_TEXT characters), split, source, cluster, duplicate_of, duplicate_group, width, height.
        """
        where = self._where(filter or Filter())
        order = self._order(sort, where, group)
        page = f"SELECT d.row {self._from(where)} {where.sql} ORDER BY {order} LIMIT ? OFFSET ?"
        with self._ask(where) as ask:
            numbers = [r[0] for r in ask(page, [*where.values, max(int(limit), 0), max(int(offset), 0)])]
            score = sort.removeprefix("-")
            kept = {*(k.value for k in ISSUE_KINDS), "confidence"}
            further = (score, self._scores[score]) if score in self._scores.keys() - kept else None
            tagged = "tags" in self._paths
            shown = Where(aliases={"v", "s", *("g" for _ in [further] if further), *("t" for _ in [1] if tagged)})
            page_of_tiles = tiles(ask, self._from(shown), numbers, further, tagged) if numbers else []
        if (matches := where.views.get("found")) is not None:
            match_of = dict(zip(matches.column("row").to_pylist(), matches.column("score").to_pylist(), strict=True))
            for tile in page_of_tiles:
                tile["scores"]["match"] = match_of[tile["row"]]
        return page_of_tiles

    def groups(self, filter: Filter | None = None, by: str = "label") -> list[tuple[Any, int]]:
        """(value, count) of the groups that matching samples fall into, the largest first, "in none" (None) last.

        These are the sections of ``ids(…, group=by)``, in its order. ``by``: label, cluster, duplicate_group or
        verdict.
        """
        where = self._where(filter or Filter())
        value = self._group(by, where)
        sql = (
            f"SELECT {value} AS value, count(*) AS n {self._from(where)} {where.sql} GROUP BY 1 "
            "ORDER BY value IS NULL, n DESC, value"
        )
        with self._ask(where) as ask:
            return [(value, int(n)) for value, n in ask(sql, where.values)]

    def strict_counts(self, filter: Filter, rates: Sequence[float]) -> dict[float, int]:
        """How many samples match at each false-flag rate, the rest of the filter unchanged. Read in one pass."""
        where = self._where(replace(filter, verdicts=(), kinds=(), strict=None))
        where.aliases |= {"v", "s"}
        for kind in {*filter.verdicts, *filter.kinds} & {k.value for k in ISSUE_KINDS}:
            self._threshold(kind, *rates)
        parts = ", ".join(
            f"count(*) FILTER (WHERE ({self._strict(filter.verdicts, rate, where.status)}) "
            f"AND ({self._strict(filter.kinds, rate)}))"
            for rate in rates
        )
        with self._ask(where) as ask:
            counts = ask(f"SELECT {parts} {self._from(where)} {where.sql}", where.values)[0]
        return {rate: int(n) for rate, n in zip(rates, counts, strict=True)}

    def confusion(self, filter: Filter | None = None) -> pd.DataFrame:
        """Given (rows) × suggested (columns) label: how many of the matching samples are noisy labels."""
        where = self._where(filter or Filter())
        noisy = f"{where.status} = '{Kind.NOISY_LABEL}' AND d.label IS NOT NULL AND v.suggested_label IS NOT NULL"
        where.add("v", noisy)
        where.aliases.add("s")
        sql = f"SELECT d.label, v.suggested_label, count(*) {self._from(where)} {where.sql} GROUP BY ALL"
        with self._ask(where) as ask:
            pairs = ask(sql, where.values)
        names = sorted({name for given, suggested, _ in pairs for name in (given, suggested)})
        code = {name: i for i, name in enumerate(names)}
        counts = np.zeros((len(names), len(names)), np.int64)
        for given, suggested, count in pairs:
            counts[code[given], code[suggested]] = count
        return pd.DataFrame(counts, index=pd.Index(names, name="given"), columns=pd.Index(names, name="suggested"))

    @property
    def metadata_columns(self) -> list[str]:
        """The columns of the metadata that filters, orders, groups and colours can name."""
        return list(self._metadata)

    def spread(self, name: str, filter: Filter | None = None) -> ColumnSpread:
        """How the values of a column of the metadata spread among the matching samples.

        Raises
        ------
        QueryError
            There is no such column; the message names the choices.
        """
        where = self._where(filter or Filter())
        alias, column = self._column(self._metadata, name, "column")
        number = self._number(name)
        where.aliases.add(alias)
        source = f"SELECT {number or column} AS value {self._from(where)} {where.sql}"
        with self._ask(where) as ask:
            return read_spread(ask, name, source, where.values, number is not None)

    def percentiles(self, row: int, scores: Sequence[str]) -> dict[str, tuple[float, float]]:
        """The value of each score for one sample, and the share of the scored samples with a lower value.

        Scores that this sample does not have are left out.

        Raises
        ------
        QueryError
            There is no such score; the message names the choices.
        """
        where = Where()
        columns = {name: self._column(self._scores, name, "score") for name in scores}
        where.aliases |= {alias for alias, _ in columns.values()}
        with self._ask(where) as ask:
            return read_percentiles(ask, {name: sql for name, (_, sql) in columns.items()}, self._from(where), row)

    def metadata_values(self, name: str) -> pa.ChunkedArray:
        """(n,) values of a column of the metadata in order of row; numbers as float64.

        Raises
        ------
        QueryError
            There is no such column; the message names the choices.
        """
        where = Where()
        alias, column = self._column(self._metadata, name, "column")
        where.aliases.add(alias)
        value = self._number(name) or f"({column})::VARCHAR"
        with self._ask(where) as ask:
            return ask.column(f"SELECT {value} {self._from(where)} ORDER BY d.row", [])

    @cached_property
    def _ids(self) -> pa.ChunkedArray:
        return pq.read_table(self._paths["dataset"], columns=["row", "sample_id"]).sort_by("row").column("sample_id")


def _most_first(item: tuple[Any, int]) -> tuple[int, str]:
    return -item[1], str(item[0])
