"""Queries about the samples of a workspace, answered by DuckDB on its Parquet files.

Nothing is loaded as a whole: each query reads the columns that it names. The decisions are an Arrow table that is
registered for each query. Values are always bound; identifiers come only from the columns that the files have.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..detection.fdr import thresholds
from ..errors import QueryError, WorkspaceError, choices
from ..storage.artifacts import load_schema
from ..storage.effective_labels import EffectiveLabels
from ..storage.id_set import IdSet
from ..types import ISSUE_KINDS, Int32, Int64, Kind
from .filter import Filter
from .filter_schema import EDIT_SIGNS, Span
from .lasso import Outline, PointIndex, combined
from .metadata import ColumnSpread, Condition, column_sql, condition_sql, finite_number, is_number, read_spread
from .queues import pick_sql
from .results import Counts
from .search import Search, SearchResult
from .signal_evidence import read_percentiles
from .sql import (
    BY_REGISTRY,
    EFFECTIVE_CLASS,
    EFFECTIVE_TAGS,
    LABEL_SOURCE,
    NOTHING_DECIDED,
    STATUS,
    Cursor,
    finite,
    literal,
    quote,
    status_under,
)
from .tiles import tiles

__all__ = ["Filter", "SampleQuery"]

_SORTABLE = {
    "dataset": ("row", "sample_id", "label", "split", "source", "width", "height"),
    "verdicts": ("verdict", "suggested_label", "cluster", "cluster_fine", "duplicate_group"),
}
_ALIAS = {"dataset": "d", "verdicts": "v", "signals": "g", "meta": "m"}
_QUALIFIED = re.compile(r"\b([dvgms])\.\"")
"""The first column in a piece of SQL; what a quoted name holds comes after it."""

_GROUPS = {
    "label": ("s", "label", "NULL"),
    "cluster": ("v", "cluster", "-1"),
    "duplicate_group": ("v", "duplicate_group", "-1"),
    "verdict": ("v", "verdict", "NULL"),
}
"""What samples can be grouped by → (alias, column, what "in none" is)."""

_PLACES = {"pick": ("picked", "a pick, such as pick=thirty"), "match": ("found", "a search, such as find=words")}
"""Orders that come with a filter → (its view, what the filter must hold)."""

_SUSPICION = "greatest(v.noisy_label, v.ood, v.broken, CASE WHEN v.duplicate_of IS NULL THEN 0 ELSE v.duplicate END)"
"""Order: the likeliest problem of each sample; the keeper of a duplicate group is no duplicate."""

BROKEN_LAST = frozenset({"-confidence", "-suspicion"})
"""Orders in which broken samples come last."""

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


@dataclass
class _Where:
    """A condition being put together: SQL with placeholders, their values, what it reads, and what a verdict is."""

    clauses: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    aliases: set[str] = field(default_factory=set)
    views: dict[str, pa.Table] = field(default_factory=dict)
    status: str = STATUS

    def add(self, alias: str, clause: str, *values: Any) -> None:
        self.aliases.add(alias)
        self.clauses.append(clause)
        self.values.extend(values)

    @property
    def sql(self) -> str:
        return f"WHERE {' AND '.join(f'({c})' for c in self.clauses)}" if self.clauses else ""


class SampleQuery:
    """Counts, ids, pages and tables of the samples that match a :class:`Filter`. Safe to share between threads.

    Parameters
    ----------
    dataset, verdicts
        Parquet files with one row per sample and its number in ``row``.
    signals, meta
        The same, where they exist (signals by ``row``; meta begins with the sample's id and holds the original
        columns).
    state
        Called for each query; returns the decisions in force (``store.state.STATE_SCHEMA``), or None.
    threads
        Of DuckDB; None = one per core.
    classes
        What labels mean by the class registry; None = themselves.
    revised
        The probabilities re-estimated from the decisions, for picks (``queues.revised_table``), or None.
    find
        Answers a search among these rows (None = all).
    tags
        Parquet file with the tags of every sample (by ``row``), where there are any.
    """

    def __init__(
        self,
        dataset: str | Path,
        verdicts: str | Path,
        signals: str | Path | None = None,
        state: Callable[[], pa.Table] | None = None,
        meta: str | Path | None = None,
        threads: int | None = None,
        classes: EffectiveLabels | None = None,
        revised: Callable[[], pa.Table | None] | None = None,
        find: Callable[[Search, Int64 | None], SearchResult] | None = None,
        tags: str | Path | None = None,
    ) -> None:
        paths = {"dataset": dataset, "verdicts": verdicts, "signals": signals, "meta": meta, "tags": tags}
        self._paths = {name: Path(p) for name, p in paths.items() if p is not None and Path(p).exists()}
        for name in ("dataset", "verdicts"):
            if name not in self._paths:
                raise WorkspaceError(
                    f"{str(paths[name])!r} is missing. Run the scan again: it rebuilds what is not there."
                )
        self._schemas = {name: load_schema(path) for name, path in self._paths.items()}
        self._state, self._classes, self._revised, self._find = state, classes, revised, find
        self._lock, self._threads = threading.Lock(), threads
        self._scan = object()  # what rows of an IdSet belong to

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        # No extension is ever downloaded; nothing is spilled into the current folder.
        config: dict[str, Any] = {
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "temp_directory": "",
            # the statistics of Parquet leave NaN out, and the optimizer concludes from them that nothing is NaN
            "disabled_optimizers": "statistics_propagation",
        }
        if self._threads is not None:
            config["threads"] = self._threads
        connection = duckdb.connect(":memory:", config=config)
        for name, path in self._paths.items():
            connection.execute(f"CREATE VIEW scanned_{name} AS SELECT * FROM read_parquet({literal(path)})")
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM scanned_{name}")
        return connection

    def close(self) -> None:
        """Close the connection. A thread that asks again, because it still holds this object, opens another."""
        with self._lock:
            if (connection := self.__dict__.pop("_connection", None)) is not None:
                connection.close()

    # --- questions -----------------------------------------------------------------------------------------------

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

    def _tag_counts(self, where: _Where) -> list[tuple[str, int]]:
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
        where = _Where()
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
            shown = _Where(aliases={"v", "s", *("g" for _ in [further] if further), *("t" for _ in [1] if tagged)})
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

    # --- how -----------------------------------------------------------------------------------------------------

    @cached_property
    def _scores(self) -> dict[str, str]:
        """Name → quoted column, NaN as NULL."""
        verdicts, columns = self._schemas["verdicts"], {}
        for name in [*(k.value for k in ISSUE_KINDS), "confidence"]:
            if name in verdicts.names:
                columns[name] = finite("v", name)
        if "signals" in self._schemas:
            for column in self._schemas["signals"]:
                if pa.types.is_floating(column.type) and column.name not in columns:
                    columns[column.name] = finite("g", column.name)
        columns["label_probability"] = quote("s", "label_probability")  # of a propagated label
        return columns

    @cached_property
    def _metadata(self) -> dict[str, str]:
        """Name → SQL of every column of the metadata that can be compared, and of the size of images."""
        schema = self._schemas.get("meta", pa.schema([]))
        every = {f.name: column_sql("m", f) for f in list(schema)[1:] if schema.names.count(f.name) == 1}
        columns = {name: sql for name, sql in every.items() if sql is not None}
        if self._has_sizes:
            columns = {name: f"nullif({quote('d', name)}, 0)" for name in ("width", "height")} | columns
        return columns

    @cached_property
    def _has_sizes(self) -> bool:
        """Whether any sample is an image whose size is known."""
        if not {"width", "height"} <= set(self._schemas["dataset"].names):
            return False
        with self._lock:
            row = self._connection.execute("SELECT max(width) > 0 FROM scanned_dataset").fetchone()
        return bool(row and row[0])

    @cached_property
    def _numbers(self) -> dict[str, str | None]:
        """What :meth:`_number` has answered so far."""
        return {}

    def _number(self, name: str) -> str | None:
        """The SQL of a column of the metadata as DOUBLE, NULL = no finite number; None where it holds other values.

        A column of texts is read once, when it is first asked for: CSV writes numbers as texts.
        """
        if name not in self._numbers:
            column, schema = self._metadata[name], self._schemas.get("meta", pa.schema([]))
            number = finite_number(column)
            if name in schema.names and not is_number(schema.field(name).type):
                with self._ask(_Where()) as ask:
                    numbers, values = ask(f"SELECT count({number}), count({column}) FROM meta m", [])[0]
                self._numbers[name] = number if 0 < numbers == values else None
            else:
                self._numbers[name] = number
        return self._numbers[name]

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
        where = _Where()
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
        where = _Where()
        alias, column = self._column(self._metadata, name, "column")
        where.aliases.add(alias)
        value = self._number(name) or f"({column})::VARCHAR"
        with self._ask(where) as ask:
            return ask.column(f"SELECT {value} {self._from(where)} ORDER BY d.row", [])

    @cached_property
    def _sorts(self) -> dict[str, str]:
        columns = {
            name: quote(_ALIAS[table], name)
            for table, names in _SORTABLE.items()
            for name in names
            if name in self._schemas[table].names
        }
        return {
            **columns,
            **self._scores,
            "suspicion": _SUSPICION,
            **{f"meta.{n}": c for n, c in self._metadata.items()},
        }

    @cached_property
    def _ids(self) -> pa.ChunkedArray:
        return pq.read_table(self._paths["dataset"], columns=["row", "sample_id"]).sort_by("row").column("sample_id")

    @cached_property
    def _points(self) -> PointIndex:
        table = pq.read_table(self._paths["verdicts"], columns=["row", "x", "y"]).sort_by("row")
        return PointIndex(table.column("x").to_numpy(), table.column("y").to_numpy())

    @cached_property
    def _meta_texts(self) -> tuple[str, list[str]]:
        """The id column of the metadata and its text columns."""
        schema = self._schemas["meta"]
        texts = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
        return schema.names[0], [t for t in texts if t != schema.names[0] and schema.names.count(t) == 1]

    @cached_property
    def _thresholds(self) -> dict[tuple[str, float], float]:
        return {}

    def _threshold(self, kind: str, *rates: float) -> float:
        """Least probability of a kind's list at the first rate, infinite where nothing can be listed.

        The other rates are computed along with it. The keeper of a duplicate group is as similar as its copies and is
        never listed.
        """
        if new := [rate for rate in rates if (kind, rate) not in self._thresholds]:
            only = ["duplicate_of"] if kind == Kind.DUPLICATE else []
            table = pq.read_table(self._paths["verdicts"], columns=[kind, *only])
            p = np.nan_to_num(table.column(kind).to_numpy(), nan=0.0)
            if only:
                p = np.where(table.column("duplicate_of").is_valid().to_numpy(), p, 0.0)
            self._thresholds.update({(kind, rate): least for rate, least in thresholds(p, new).items()})
        return self._thresholds[kind, rates[0]]

    def _strict(self, wanted: Sequence[str], rate: float, status: str = "") -> str:
        """The condition "listed as one of these at this rate"; what is no problem (clean) stays a verdict.

        With a status, only samples that are open under it are listed.
        """
        clauses = []
        still_open = " AND s.state IS NULL" if status == STATUS else ""
        for kind in dict.fromkeys(wanted):
            if kind not in {k.value for k in ISSUE_KINDS}:
                clauses.append(f"{status or 'v.verdict'} = '{kind}'")
                continue
            least = self._threshold(kind, rate)
            copy = " AND v.duplicate_of IS NOT NULL" if kind == Kind.DUPLICATE else ""
            # the column is float32: compared as it is stored, so that the last one listed is listed here too
            listed = f"({quote('v', kind)} >= {least!r}::DOUBLE{copy}{still_open})"
            clauses.append(listed if np.isfinite(least) else "false")
        return " OR ".join(clauses) or "true"

    def _where(self, f: Filter) -> _Where:
        """The condition of a filter. A search and then a pick choose among what matches everything else."""
        where = _Where(status=status_under(f.state))
        looked_up: dict[str, Callable[[_Where, Any], None]] = {
            "verdicts": self._add_verdicts,
            "scores": self._add_scores,
            "metadata": self._add_metadata,
            "text": self._add_text,
            "ids": self._add_ids,
            "polygon": self._add_polygon,
        }
        for spec, value in f.given:
            if f.strict is not None and spec.name in ("verdicts", "kinds"):
                where.add("v", self._strict(value, f.strict, where.status if spec.name == "verdicts" else ""))
                where.aliases.add("s")
            elif spec.condition is not None:
                alias, sql, values = spec.condition(value)
                where.add(alias, sql, *values)
            elif spec.name in looked_up:
                looked_up[spec.name](where, value)
        if f.searching:
            where.views["found"] = self._found(Search(f.find, f.like, f.file, f.without), where)
            where.add("d", "d.row IN (SELECT row FROM found)")
        if f.pick:
            where.views["picked"] = self._picked(f.pick, where)
            where.add("d", "d.row IN (SELECT row FROM picked)")
        return where

    @staticmethod
    def _add_verdicts(where: _Where, verdicts: Sequence[str]) -> None:
        where.add("v", f"{where.status} IN (SELECT unnest(?))", list(verdicts))
        where.aliases.add("s")

    def _add_scores(self, where: _Where, scores: Mapping[str, Span]) -> None:
        for name, (low, high) in scores.items():
            alias, score = self._column(self._scores, name, "score")
            where.add(alias, f"{score} IS NOT NULL")
            if low is not None:
                where.add(alias, f"{score} >= ?", low)
            if high is not None:
                where.add(alias, f"{score} <= ?", high)

    def _add_metadata(self, where: _Where, conditions: Mapping[str, Condition]) -> None:
        for name, condition in conditions.items():
            alias, column = self._column(self._metadata, name, "column")
            number = self._number(name) if condition[0] in ("range", "missing") else None
            if condition[0] == "range" and number is None:
                raise QueryError(
                    f"The column {name!r} holds no numbers, so it has no range. Ask for values or words in it."
                )
            clause, values = condition_sql(number or column, condition)
            where.add(alias, clause, *values)

    def _add_ids(self, where: _Where, ids: IdSet | Sequence[str]) -> None:
        wanted = IdSet.of(ids)
        rows = wanted.rows(self._scan)
        key, column = ("sample_id", wanted.column) if rows is None else ("row", pa.array(rows))
        where.views["wanted"] = pa.table({key: column})
        where.add("d", f"d.{key} IN (SELECT {key} FROM wanted)")

    def _add_polygon(self, where: _Where, polygon: Sequence[Sequence[float]]) -> None:
        rows = np.flatnonzero(self._points.inside(polygon)).astype(np.int32)
        where.views["lassoed"] = pa.table({"row": rows})
        where.add("d", "d.row IN (SELECT row FROM lassoed)")

    def _found(self, search: Search, where: _Where) -> pa.Table:
        """(row, place, score) of what a search finds among the samples that match so far."""
        if self._find is None:
            raise QueryError("This table cannot be searched by what samples are like.")
        only = None
        if where.clauses:
            with self._ask(where) as ask:
                rows = ask.first_column(f"SELECT d.row {self._from(where)} {where.sql} ORDER BY d.row", where.values)
            only = np.array(rows, np.int64)
        result = self._find(search, only)
        place = np.arange(len(result.rows), dtype=np.int32)
        return pa.table({"row": result.rows.astype(np.int32), "place": place, "score": result.scores})

    def _picked(self, pick: str, where: _Where) -> pa.Table:
        """(row, place) of a pick among the samples that match so far."""
        where.aliases |= {"v", "s"}
        table = self._revised() if self._revised is not None else None
        kinds = [] if table is None else [name for name in table.column_names if name != "row"]
        with_revised = where if table is None else replace(where, views={**where.views, "revised": table})
        with self._ask(with_revised) as ask:
            picked = ask(pick_sql(pick, self._from(where), where.sql, kinds), where.values)
        rows, places = zip(*picked, strict=True) if picked else ((), ())
        return pa.table({"row": pa.array(rows, pa.int32()), "place": pa.array(places, pa.int32())})

    def _add_text(self, where: _Where, text: str) -> None:
        names = [n for n in ("sample_id", "text", "label") if n in self._schemas["dataset"].names]
        hits, values = [f"contains(lower({quote('d', n)}), lower(?))" for n in names], [text] * len(names)
        if "meta" in self._schemas:
            key, texts = self._meta_texts
            if texts:
                contains = " OR ".join(f"contains(lower({quote('m', t)}), lower(?))" for t in texts)
                hits.append(f"d.sample_id IN (SELECT {quote('m', key)} FROM meta m WHERE {contains})")
                values += [text] * len(texts)
        where.add("d", " OR ".join(f"coalesce({h}, false)" for h in hits), *values)

    def _column(self, known: dict[str, str], name: str, what: str) -> tuple[str, str]:
        """(alias, SQL) of a known column. Raises QueryError naming the choices."""
        try:
            sql = known[name]
        except KeyError:
            raise QueryError(f"No {what} is called {name!r}. There are: {choices(known, 40)}.") from None
        alias = _QUALIFIED.search(sql)
        return alias[1] if alias else "v", sql

    def _group(self, by: str, where: _Where) -> str:
        """The SQL of what samples are grouped by, NULL = in none. Raises QueryError naming the choices."""
        if by.startswith("meta."):
            alias, sql = self._column(self._metadata, by.removeprefix("meta."), "column")
            where.aliases.add(alias)
            return f"CAST({sql} AS VARCHAR)"
        if by not in _GROUPS:
            raise QueryError(f"Samples cannot be grouped by {by!r}. There are: {choices(_GROUPS)}.")
        alias, column, none = _GROUPS[by]
        where.aliases |= {alias, "s"} if by == "verdict" else {alias}
        if by == "label":
            return EFFECTIVE_CLASS
        return where.status if by == "verdict" else f"nullif({quote(alias, column)}, {none})"

    def _order(self, sort: str, where: _Where, group: str = "") -> str:
        if group:
            value = self._group(group, where)
            first = f"{value} IS NULL, count(*) OVER (PARTITION BY {value}) DESC, {value}, "
            return first + self._order(sort, where)
        name = sort.removeprefix("-")
        if name in _PLACES:
            view, needs = _PLACES[name]
            if view not in where.views:
                raise QueryError(f"The order {name!r} needs a filter with {needs}.")
            way = "DESC" if sort.startswith("-") else "ASC"
            return f"(SELECT p.place FROM {view} p WHERE p.row = d.row) {way}, d.row"
        alias, sql = self._column(self._sorts, name or "row", "sort order")
        if name.startswith("meta."):
            sql = self._number(name.removeprefix("meta.")) or sql
        where.aliases.add(alias)
        first = ""
        if sort in BROKEN_LAST:
            where.aliases.add("v")
            first = f"v.verdict = '{Kind.BROKEN.value}', "
        return f"{first}{sql} {'DESC' if sort.startswith('-') else 'ASC'} NULLS LAST, d.row"

    def _from(self, where: _Where) -> str:
        parts = ["FROM dataset d"]
        if "v" in where.aliases:
            parts.append("JOIN verdicts v ON v.row = d.row")
        if "g" in where.aliases:
            parts.append("JOIN signals g ON g.row = d.row")
        if "t" in where.aliases:
            if "tags" not in self._paths:
                raise QueryError("Samples have no tags here. Leave the tags out of the filter.")
            parts.append("JOIN tags t ON t.row = d.row")
        if "m" in where.aliases:
            parts.append(f"LEFT JOIN meta m ON {quote('m', self._schemas['meta'].names[0])} = d.sample_id")
        if where.aliases & {"s", "t"}:
            parts.append("LEFT JOIN decided s ON s.sample_id = d.sample_id")
        return " ".join(parts)

    @contextlib.contextmanager
    def _ask(self, where: _Where) -> Iterator[Cursor]:
        """A cursor of its own, with this question's views. Raises WorkspaceError for damaged files."""
        try:
            with self._lock:
                opened = self._connection.cursor()
            with contextlib.closing(opened) as cursor:
                for name, table in where.views.items():
                    cursor.register(name, table)
                cursor.register("decided", self._state() if self._state is not None else NOTHING_DECIDED)
                if self._classes is not None and (renames := self._classes.renames()):
                    names = pa.array([*renames], pa.string()), pa.array([*renames.values()], pa.string())
                    cursor.register("class_now", pa.table([*names], names=["name", "now"]))
                    merged = np.flatnonzero(self._classes.suggestion_merged()).astype(np.int32)
                    cursor.register("one_class", pa.table({"row": merged}))
                    for view in BY_REGISTRY:
                        cursor.execute(view)
                yield Cursor(cursor)
        except (duckdb.IOException, duckdb.InvalidInputException) as error:
            why = str(error).splitlines()[0]
            raise WorkspaceError(
                f"A table of the workspace cannot be read ({why}). Run the scan again: it rebuilds what is damaged."
            ) from error


def _most_first(item: tuple[Any, int]) -> tuple[int, str]:
    return -item[1], str(item[0])
