"""The curated dataset in batches: the original columns, verdicts, and decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..data.sources.cell_types import type_of, typed
from ..errors import SourceError, WorkspaceError
from ..storage.decision_log.store import Snapshot
from ..types import Progress, ProgressFn, quiet
from .auto_curation import ACTOR, COLUMNS, AutoCuration
from .formats.base import Item
from .tag_columns import TagColumns
from .target import reason_of

BATCH = 16_384
_IMAGES = 256
"""Rows at a time where they hold images."""

ADDED = {
    "label_original": pa.string(),
    "label_final": pa.string(),
    "verdict": pa.string(),
    "confidence": pa.float32(),
    "reasons": pa.string(),
    "sample_weight": pa.float32(),
    "label_source": pa.string(),
    "label_probability": pa.float32(),
    "decision": pa.string(),
    "actor": pa.string(),
    "decided_at": pa.string(),
}
"""Columns that an export adds after the original ones; a name that is taken gets the prefix ``winnow_``."""

_PREFIX = "winnow_"
_DISTRUST = "label_trust"
"""The signal whose score is 1 − weight."""


@dataclass(frozen=True)
class ImageColumn:
    """The column of a table that holds the images.

    Attributes
    ----------
    name
        Of the column.
    place
        Its index among the original columns.
    read
        Row → bytes (raises OSError or SourceError).
    """

    name: str
    place: int
    read: Callable[[int], bytes]


class CuratedRows:
    """The rows of a workspace as they are exported, in the original order, ``BATCH`` at a time.

    ``label_original`` is the given label. ``label_final`` is the new label of a relabelled sample, else the given one,
    both mapped by the class registry (merged, renamed, deleted classes); where people disagree it stays as given
    (decision = disputed). Excluded samples are left out, or kept with decision = exclude. Where no original column
    holds the sample's id, ``sample_id`` is added. ``sample_weight`` in [0, 1] is the weight of ``label_final`` in
    training: 1 − the label_trust signal; 1 where that did not score and where a person accepted or relabelled; the
    probability of a propagated label.
    ``label_source`` is "given", "person", "propagated" or "automatic", null where there is no label;
    ``label_probability`` is that at which a propagated or automatic label was accepted.

    Parameters
    ----------
    dataset, verdicts
        Parquet files of the workspace.
    meta
        The original columns, after the id; None = there are none.
    snapshot
        The decisions in force.
    id_column
        The original column that is the sample's id, if any.
    include_excluded
        Whether excluded samples are kept.
    signals
        Parquet file with the signals' scores, in the same order; None = all weights are 1.
    only
        Ids to export, None = all.
    images
        The column of images, which tables then hold at its place; None = they do not.
    auto
        What is done with flagged samples that nobody has decided about; None = nothing.
    label_column
        The original column that takes over ``label_final``; None = every original column stays as it is.
    with_types
        Whether numbers and truth values of a table without types (CSV) get their type; otherwise they are texts as they
        were written.
    progress
        Called as rows are produced.
    tags
        How the tags are written, where samples have some.
    """

    def __init__(
        self,
        dataset: Path,
        verdicts: Path,
        meta: Path | None,
        snapshot: Snapshot,
        id_column: str | None = None,
        include_excluded: bool = False,
        signals: Path | None = None,
        only: Collection[str] | None = None,
        images: ImageColumn | None = None,
        auto: AutoCuration | None = None,
        label_column: str | None = None,
        with_types: bool = True,
        progress: ProgressFn = quiet,
        tags: TagColumns | None = None,
    ) -> None:
        self._progress = progress
        self._tags = tags
        self._paths = (dataset, verdicts, meta)
        self._signals = signals if signals is not None and _DISTRUST in pq.read_schema(signals).names else None
        self._registry = snapshot.registry
        self._state = snapshot.table.select(
            ["state", "label", "tags", "actor", "at", "label_source", "label_probability"]
        )
        self._place = {sample_id: i for i, sample_id in enumerate(snapshot.table.column("sample_id").to_pylist())}
        self._include_excluded = include_excluded
        self._only = None if only is None else pa.array(sorted(set(only)), pa.string())
        self.id_column = id_column
        given = list(pq.read_schema(meta))[1:] if meta is not None else []
        original = [pa.field(f.name, type_of(f) if with_types else f.type, f.nullable) for f in given]
        self._label_at = [f.name for f in given].index(label_column) if label_column is not None else None
        if self._label_at is not None:
            original[self._label_at] = pa.field(original[self._label_at].name, pa.string())
        self._auto, self._automatic = auto, Counter[str]()
        self.original_columns = [field.name for field in original]
        if images is not None:
            self.original_columns.insert(images.place, images.name)
        self._images = images
        self._unreadable: dict[str, str] = {}
        wanted = {**ADDED, **(tags.fields if tags is not None else {})}
        if id_column is None or id_column not in self.original_columns:
            wanted = {"sample_id": pa.string(), **wanted}
        if "sample_id" in wanted:
            self.id_column = _free("sample_id", self.original_columns)
        self._names = {name: _free(name, self.original_columns) for name in wanted}
        self._schema = pa.schema([*original, *(pa.field(self._names[name], kind) for name, kind in wanted.items())])
        self._decided: Counter[str] = Counter()
        self._changed = 0
        self._left_out = 0
        self.content_hashes: dict[str, str] = {}
        """Content hash of each decided sample, complete after the rows were read."""

    @property
    def schema(self) -> pa.Schema:
        """Columns of the export."""
        if self._images is None:
            return self._schema
        return self._schema.insert(self._images.place, pa.field(self._images.name, pa.binary()))

    @property
    def added_columns(self) -> dict[str, str]:
        """Added column → its name in the export."""
        return dict(self._names)

    def summary(self) -> Mapping[str, Any]:
        """Counts for the manifest, complete after the rows were read."""
        decided = dict(sorted(self._decided.items()))
        return {
            "excluded": decided.get("exclude", 0),
            "decisions": decided,
            "labels_changed": self._changed,
            **(self._tags.summary() if self._tags is not None else {}),
            "left_out": self._left_out,
            **({"auto_curation": {**self._auto.to_json(), **self._automatic}} if self._auto is not None else {}),
            "decided_but_not_in_this_scan": len(self._place) - sum(decided.values()),
            **({"left_out_samples": dict(self._unreadable)} if self._unreadable else {}),
        }

    def __iter__(self) -> Iterator[pa.Table]:
        done = 0
        for table, samples in self._batches(["row", "sample_id", "label", "content_hash"]):
            step = BATCH if self._images is None else _IMAGES
            for start in range(0, max(table.num_rows, 1), step):
                self._progress(Progress("export", done, 0, "rows"))
                part = table.slice(start, step)
                done += part.num_rows
                yield part if self._images is None else self._with_images(part, samples.slice(start, step))
        self._progress(Progress("export", done, done, "rows"))

    def _with_images(self, table: pa.Table, samples: pa.Table) -> pa.Table:
        assert self._images is not None
        cells: list[bytes | None] = []
        for row, sample_id in zip(samples["row"].to_pylist(), samples["sample_id"].to_pylist(), strict=True):
            try:
                cells.append(self._images.read(row))
            except (OSError, SourceError) as error:
                self._unreadable[sample_id] = reason_of(error)
                cells.append(None)
        return table.add_column(
            self._images.place, pa.field(self._images.name, pa.binary()), pa.array(cells, pa.binary())
        )

    def items(self) -> Iterator[Item]:
        """The same rows one by one, for folders. Reads the tables again."""
        done = 0
        for table, samples in self._batches(
            ["row", "sample_id", "label", "content_hash", "split", "text", "width", "height"]
        ):
            added = {name: table.column(self._names[name]).to_pylist() for name in ADDED}
            sample = {name: samples.column(name).to_pylist() for name in samples.column_names}
            tags = self._final_tags(sample["row"], sample["sample_id"])
            for i in range(table.num_rows):
                if done % 100 == 0:
                    self._progress(Progress("export", done, 0, "samples"))
                done += 1
                yield Item(
                    row=sample["row"][i],
                    sample_id=sample["sample_id"][i],
                    label=added["label_final"][i],
                    given=added["label_original"][i],
                    weight=float(added["sample_weight"][i]),
                    verdict=added["verdict"][i] or "",
                    decision=added["decision"][i],
                    source=added["label_source"][i],
                    split=sample["split"][i] or "",
                    text=sample["text"][i],
                    width=sample["width"][i] or 0,
                    height=sample["height"][i] or 0,
                    tags=tags[i],
                )
        self._progress(Progress("export", done, done, "samples"))

    def _final_tags(self, rows: list[int], ids: list[str]) -> list[list[str] | None]:
        if self._tags is None:
            return [None] * len(rows)
        places = pa.array([self._place.get(sample_id) for sample_id in ids], pa.int64())
        return self._tags.final(rows, self._state.column("tags").take(places).to_pylist())

    def _batches(self, columns_read: list[str]) -> Iterator[tuple[pa.Table, pa.Table]]:
        """Batches of the export, each with the same rows and ``columns_read`` of the dataset table."""
        dataset, verdicts, meta = self._paths
        # the same dictionary, cleared: whoever writes the patch holds it already
        self._decided, self._changed, self._left_out = Counter(), 0, 0
        self._automatic = Counter(excluded=0, relabelled=0)
        if self._tags is not None:
            self._tags.begin()
        self.content_hashes.clear()
        dataset_reader = _Reader(dataset, columns_read)
        verdict_reader = _Reader(
            verdicts, ["sample_id", "confidence", "reasons", *(COLUMNS if self._auto else ["verdict"])]
        )
        original = _Reader(meta) if meta is not None else None
        distrust = _Reader(self._signals, [_DISTRUST]) if self._signals is not None else None
        first = True
        while True:
            samples, verdict_rows = dataset_reader.read(BATCH), verdict_reader.read(BATCH)
            columns = original.read(BATCH) if original is not None else None
            doubt = distrust.read(BATCH).column(0) if distrust is not None else None
            ids = samples.column("sample_id")
            for name, other in (("verdicts", verdict_rows.column(0)), ("meta", columns.column(0) if columns else ids)):
                if not ids.equals(other.cast(pa.string())):
                    raise WorkspaceError(
                        f"The tables of the workspace do not fit together ({name}.parquet holds other samples than "
                        "dataset.parquet). Run the scan again: it rebuilds what does not fit."
                    )
            if doubt is not None and len(doubt) != len(ids):
                raise WorkspaceError(
                    "The tables of the workspace do not fit together (signals.parquet has another number of rows than "
                    "dataset.parquet). Run the scan again: it rebuilds what does not fit."
                )
            if samples.num_rows or first:
                yield self._table(samples, verdict_rows, columns, doubt)
            first = False
            if samples.num_rows < BATCH:
                return

    def _table(
        self, samples: pa.Table, verdicts: pa.Table, columns: pa.Table | None, doubt: Any
    ) -> tuple[pa.Table, pa.Table]:
        ids = samples.column("sample_id").to_pylist()
        places = [self._place.get(sample_id) for sample_id in ids]
        state = self._state.take(pa.array(places, pa.int64()))
        decision, label = state.column("state"), samples.column("label")
        relabelled = pc.fill_null(pc.equal(decision, "relabel"), False)
        # a relabel that gives tags alone leaves the label as it is
        changes_label = pc.and_(relabelled, pc.or_(state.column("label").is_valid(), state.column("tags").is_null()))
        final = pc.if_else(changes_label, state.column("label"), self._by_registry(label))
        actor, weight = state.column("actor"), _weight(doubt, decision)
        source, p = pc.coalesce(state.column("label_source"), "given"), state.column("label_probability")
        weight = pc.coalesce(p, weight)
        people = decision
        if self._auto is not None:
            excluded, changed = self._auto.apply(verdicts, decision)
            self._automatic.update(excluded=pc.sum(excluded).as_py() or 0, relabelled=pc.sum(changed).as_py() or 0)
            final = pc.if_else(changed, self._by_registry(verdicts.column("suggested_label")), final)
            p = pc.if_else(changed, _first(verdicts.column("suggested_prob")), p)
            weight, source = pc.if_else(changed, p, weight), pc.if_else(changed, "automatic", source)
            actor = pc.if_else(pc.or_(excluded, changed), ACTOR, actor)
            decision = pc.if_else(excluded, "exclude", pc.if_else(changed, "relabel", decision))
        self._count(ids, places, people, samples.column("content_hash"), label, final)
        added = {
            "sample_id": samples.column("sample_id"),
            "label_original": label,
            "label_final": final,
            "verdict": verdicts.column("verdict"),
            "confidence": verdicts.column("confidence"),
            "reasons": verdicts.column("reasons"),
            "sample_weight": weight,
            "label_source": pc.if_else(pc.is_valid(final), source, None),
            "label_probability": p,
            "decision": decision,
            "actor": actor,
            "decided_at": state.column("at"),
        }
        original = columns.columns[1:] if columns is not None else []
        if self._label_at is not None:
            original[self._label_at] = final
        if self._tags is not None:
            rows, decided = samples.column("row").to_pylist(), state.column("tags").to_pylist()
            added |= self._tags.added(rows, decided)
            if self._tags.replace and columns is not None:
                names = columns.column_names[1:]
                cells = {name: columns.column(name) for name in self._tags.tables.form.columns if name in names}
                for name, column in self._tags.in_place(cells, rows, decided).items():
                    original[names.index(name)] = column
        out = [*original, *(added[name] for name in self._names)]
        table = pa.Table.from_arrays(
            [typed(column, field.type) for column, field in zip(out, self._schema, strict=True)], schema=self._schema
        )
        keep = pc.fill_null(pc.not_equal(decision, "exclude"), True)
        if self._include_excluded:
            keep = pc.is_valid(samples.column("sample_id"))
        if self._only is not None:
            keep = pc.and_(keep, pc.is_in(samples.column("sample_id"), value_set=self._only))
        self._left_out += pc.sum(pc.invert(keep)).as_py() or 0
        return table.filter(keep), samples.filter(keep)

    def _by_registry(self, label: Any) -> Any:
        if not self._registry.renames:
            return label
        return pa.array([self._registry.resolve(name) for name in label.to_pylist()], pa.string())

    def _count(self, ids: list[str], places: list[int | None], decision: Any, hashes: Any, old: Any, new: Any) -> None:
        self._decided.update(d for d in decision.to_pylist() if d is not None)
        self._changed += pc.sum(pc.not_equal(pc.fill_null(new, ""), pc.fill_null(old, ""))).as_py() or 0
        for sample_id, place, content in zip(ids, places, hashes.to_pylist(), strict=True):
            if place is not None:
                self.content_hashes[sample_id] = content or ""


class _Reader:
    """Reads a Parquet file in batches of any number of rows."""

    def __init__(self, path: Path, columns: list[str] | None = None) -> None:
        self._batches = pq.ParquetFile(path, memory_map=True).iter_batches(BATCH, columns=columns)
        self._left: pa.Table | None = None
        self._schema = pq.read_schema(path)
        if columns is not None:
            self._schema = pa.schema([self._schema.field(name) for name in columns])

    def read(self, n: int) -> pa.Table:
        """The next ``n`` rows, fewer at the end."""
        parts, have = ([self._left], self._left.num_rows) if self._left is not None else ([], 0)
        while have < n:
            batch = next(self._batches, None)
            if batch is None:
                break
            parts.append(pa.Table.from_batches([batch]))
            have += batch.num_rows
        whole = pa.concat_tables(parts) if parts else self._schema.empty_table()
        self._left = whole.slice(n) if have > n else None
        return whole.slice(0, n)


def _weight(doubt: Any, decision: Any) -> Any:
    """1 − doubt; 1 where there is no doubt (null or NaN) and where a person confirmed or gave the label."""
    one = pa.scalar(1.0, pa.float32())
    sure = pc.fill_null(pc.is_in(decision, value_set=pa.array(["accept", "relabel"], decision.type)), False)
    if doubt is None:
        return pa.repeat(one, len(decision))
    sure = pc.or_(sure, pc.is_null(doubt, nan_is_null=True))
    return pc.if_else(sure, one, pc.subtract(one, doubt.cast(pa.float32())))


def _first(lists: Any) -> Any:
    """The first element of each list; null where there is none."""
    return pa.array([values[0] if values else None for values in lists.to_pylist()], pa.float32())


def _free(name: str, taken: list[str]) -> str:
    while name in taken:
        name = _PREFIX + name
    return name
