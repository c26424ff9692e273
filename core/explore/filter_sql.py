"""From a filter to a condition in SQL over the Parquet files of a scan: what questions about samples begin with."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..detection.fdr import thresholds
from ..errors import QueryError, WorkspaceError, choices
from ..storage.artifacts import load_schema
from ..storage.effective_labels import EffectiveLabels
from ..storage.id_set import IdSet
from ..types import ISSUE_KINDS, Int64, Kind
from .filter import Filter
from .filter_schema import Span
from .lasso import PointIndex
from .metadata import Condition, column_sql, condition_sql, finite_number, is_number
from .queues import pick_sql
from .search import Search, SearchResult
from .sql import (
    BY_REGISTRY,
    EFFECTIVE_CLASS,
    NOTHING_DECIDED,
    STATUS,
    Cursor,
    finite,
    literal,
    quote,
    status_under,
)

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


@dataclass
class Where:
    """A condition being put together: SQL with placeholders, their values, what it reads, and what a verdict is."""

    clauses: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    aliases: set[str] = field(default_factory=set)
    views: dict[str, pa.Table] = field(default_factory=dict)
    status: str = STATUS

    def add(self, alias: str, clause: str, *values: Any) -> None:
        """And another clause, with its values, about the columns of ``alias``."""
        self.aliases.add(alias)
        self.clauses.append(clause)
        self.values.extend(values)

    @property
    def sql(self) -> str:
        """The clauses as WHERE …; "" where there are none."""
        return f"WHERE {' AND '.join(f'({c})' for c in self.clauses)}" if self.clauses else ""


class FilterSql:
    """Conditions, columns and orders of the samples, and the connection that answers. Safe to share between threads.

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
                with self._ask(Where()) as ask:
                    numbers, values = ask(f"SELECT count({number}), count({column}) FROM meta m", [])[0]
                self._numbers[name] = number if 0 < numbers == values else None
            else:
                self._numbers[name] = number
        return self._numbers[name]

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

    def _where(self, f: Filter) -> Where:
        """The condition of a filter. A search and then a pick choose among what matches everything else."""
        where = Where(status=status_under(f.state))
        looked_up: dict[str, Callable[[Where, Any], None]] = {
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
    def _add_verdicts(where: Where, verdicts: Sequence[str]) -> None:
        where.add("v", f"{where.status} IN (SELECT unnest(?))", list(verdicts))
        where.aliases.add("s")

    def _add_scores(self, where: Where, scores: Mapping[str, Span]) -> None:
        for name, (low, high) in scores.items():
            alias, score = self._column(self._scores, name, "score")
            where.add(alias, f"{score} IS NOT NULL")
            if low is not None:
                where.add(alias, f"{score} >= ?", low)
            if high is not None:
                where.add(alias, f"{score} <= ?", high)

    def _add_metadata(self, where: Where, conditions: Mapping[str, Condition]) -> None:
        for name, condition in conditions.items():
            alias, column = self._column(self._metadata, name, "column")
            number = self._number(name) if condition[0] in ("range", "missing") else None
            if condition[0] == "range" and number is None:
                raise QueryError(
                    f"The column {name!r} holds no numbers, so it has no range. Ask for values or words in it."
                )
            clause, values = condition_sql(number or column, condition)
            where.add(alias, clause, *values)

    def _add_ids(self, where: Where, ids: IdSet | Sequence[str]) -> None:
        wanted = IdSet.of(ids)
        rows = wanted.rows(self._scan)
        key, column = ("sample_id", wanted.column) if rows is None else ("row", pa.array(rows))
        where.views["wanted"] = pa.table({key: column})
        where.add("d", f"d.{key} IN (SELECT {key} FROM wanted)")

    def _add_polygon(self, where: Where, polygon: Sequence[Sequence[float]]) -> None:
        rows = np.flatnonzero(self._points.inside(polygon)).astype(np.int32)
        where.views["lassoed"] = pa.table({"row": rows})
        where.add("d", "d.row IN (SELECT row FROM lassoed)")

    def _found(self, search: Search, where: Where) -> pa.Table:
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

    def _picked(self, pick: str, where: Where) -> pa.Table:
        """(row, place) of a pick among the samples that match so far."""
        where.aliases |= {"v", "s"}
        table = self._revised() if self._revised is not None else None
        kinds = [] if table is None else [name for name in table.column_names if name != "row"]
        with_revised = where if table is None else replace(where, views={**where.views, "revised": table})
        with self._ask(with_revised) as ask:
            picked = ask(pick_sql(pick, self._from(where), where.sql, kinds), where.values)
        rows, places = zip(*picked, strict=True) if picked else ((), ())
        return pa.table({"row": pa.array(rows, pa.int32()), "place": pa.array(places, pa.int32())})

    def _add_text(self, where: Where, text: str) -> None:
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

    def _group(self, by: str, where: Where) -> str:
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

    def _order(self, sort: str, where: Where, group: str = "") -> str:
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

    def _from(self, where: Where) -> str:
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
    def _ask(self, where: Where) -> Iterator[Cursor]:
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
