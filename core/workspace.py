"""The one door to a workspace, for the app, the command line and notebooks.

>>> from winnow.core import Workspace                                       # doctest: +SKIP
>>> ws = Workspace.scan("photos/", "photos.winnow")                         # doctest: +SKIP
>>> suspects = ws.scores().query("verdict == 'noisy_label'")                # doctest: +SKIP
>>> ws.decide(suspects.id.iloc[0], "relabel", label="deer")                 # doctest: +SKIP
>>> ws.export("curated.parquet")                                            # doctest: +SKIP
"""

from __future__ import annotations

import getpass
import shutil
import threading
import uuid
from collections.abc import Iterable, Sequence
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa

from . import exporters
from .answers import BatchResult, Colours, Points, SignalMeta, WorkspaceInfo
from .atlas import SCORE_COLUMNS, Atlas
from .cards import CardMaker, as_json
from .class_ops import ClassOps
from .class_view import ClassView, codes_of
from .config import ScanConfig
from .demo import planted_found
from .desk import Desk
from .errors import QueryError, WorkspaceError
from .exporters import ExportResult
from .flags import FlagList, check_kind, flags
from .layout import Layout, check_format
from .log_place import checked_address, log_of, place_log
from .log_view import LogView
from .lookup import RowReader
from .media import Thumbs
from .outlets import Outlets
from .pairs import Pairs
from .people import People
from .plugins import described
from .query import Counts, Filter, SampleQuery
from .queues import learnt_table
from .roles import Right, Roles
from .rounds import Rounds
from .row_index import RowIndex
from .search import Search, Searcher
from .selections import Selections
from .set_tables import sets_of
from .signals import SIGNALS
from .sources.media import MediaReader
from .store.artifacts import StageStore, load_array, load_json, load_table, save_table
from .store.decisions import DecisionStore
from .store.transfer import copy_log
from .types import (
    Action,
    ColumnMap,
    Dataset,
    Decision,
    Int32,
    MediaRef,
    Modality,
    Neighbors,
    ProgressFn,
    Strings,
    quiet,
)
from .words import TextMarks
from .zero_shot import ZeroShot

if TYPE_CHECKING:  # these bring scipy and faiss along; opening a workspace does without
    from .chooser import Chooser


class Workspace:
    """An opened workspace. Safe to share between threads; close it (or use ``with``) when done.

    Parameters
    ----------
    path : the workspace directory. actor : who decides (default: the login name).
    """

    def __init__(self, path: str | Path, actor: str | None = None) -> None:
        self.path = Path(path).expanduser().absolute()
        self.actor = actor or default_actor()
        self._layout = Layout(self.path)
        if not self._layout.header.exists():
            raise WorkspaceError(
                f"There is no Winnow workspace at {self.path}. Make one with `winnow scan SOURCE --out {self.path}`."
            )
        check_format(self._layout)
        if not self._layout.verdicts.exists():
            raise WorkspaceError(
                f"The scan of {self.path} has not come far enough to be looked at. Run the same `winnow scan` again: "
                "it goes on where it was cut."
            )
        self._header = load_json(self._layout.header)
        self._lock = threading.RLock()
        self._store = DecisionStore(log_of(self._layout))
        self._generation = self._stamp()
        self._seen = self._marks()
        self._store.know_labels(lambda sample_id: self._class_view.given_of(sample_id))

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def open(cls, path: str | Path, *, actor: str | None = None) -> Workspace:
        """Open a workspace that was scanned before. Raises WorkspaceError if there is none."""
        return cls(path, actor)

    @classmethod
    def scan(
        cls, source: str | Path, out: str | Path, *, progress: ProgressFn = quiet, actor: str | None = None,
        columns: ColumnMap | None = None, store: str | None = None, **options: Any,
    ) -> Workspace:  # fmt: skip
        """Scan a source into ``out`` and open it. ``store``: a PostgreSQL address for the decisions (see
        :func:`winnow.core.log_place.place_log`). Options: see :class:`winnow.core.config.ScanConfig`."""
        from .pipeline import scan as run_scan  # opening a workspace does without torch

        Roles(Layout(Path(out).expanduser().absolute()).roles).require(actor or default_actor(), Right.SCAN)
        config = ScanConfig.of(source, columns=columns or ColumnMap(), **options)
        address = checked_address(store) if store else None
        path = run_scan(config, out, progress)
        if address:
            place_log(path, address)
        return cls(path, actor)

    def backup(self, path: str | Path) -> int:
        """Copy the decision log to a new SQLite file while others go on deciding. Returns how many decisions it holds.

        Raises WorkspaceError where there is such a file already.
        """
        if Path(path).exists():
            raise WorkspaceError(f"{str(path)!r} exists already. A backup never writes over a file: give another name.")
        return copy_log(log_of(self._layout), Path(path))

    def close(self) -> None:
        """Let go of the decision log."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _stamp(self) -> str:
        record = StageStore(self.path).read("assemble")
        return record.fingerprint if record else "none"

    def _marks(self) -> tuple[str, int, int]:
        return self._generation, self._store.head()[0], self._store.registry().version

    def sync(self) -> bool:
        """Look again: whether a new scan or other people's decisions changed anything since the last look."""
        before = self._seen
        stamp = self._stamp()
        with self._lock:
            if stamp != self._generation:
                for name in list(self.__dict__):
                    if isinstance(getattr(type(self), name, None), cached_property):
                        del self.__dict__[name]
                self._generation = stamp
                self._store.know_labels(lambda sample_id: self._class_view.given_of(sample_id))
            self._seen = self._marks()
            return before != self._seen

    # ── what lies in it ─────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _results(self) -> dict[str, Any]:
        found: dict[str, Any] = load_json(self._layout.results)
        return found

    @cached_property
    def _dataset(self) -> RowReader:
        return RowReader(self._layout.dataset)

    @cached_property
    def _verdicts(self) -> RowReader:
        return RowReader(self._layout.verdicts)

    @cached_property
    def _ids(self) -> Strings:
        return np.array(self._dataset.column("sample_id").to_pylist(), object)

    @cached_property
    def _row_of(self) -> RowIndex:
        return RowIndex(self._dataset.column("sample_id"))

    @cached_property
    def _labels(self) -> Int32:
        return codes_of(self._dataset.column("label"), self._results["class_names"])

    @cached_property
    def _class_view(self) -> ClassView:
        labels, suggested = self._dataset.column("label"), self._verdicts.column("suggested_label")
        return ClassView(labels, suggested, self._row_of, self._store.registry, self._store.state_table)

    @cached_property
    def roles(self) -> Roles:
        """Who may do what here: see :mod:`winnow.core.roles`."""
        return Roles(self._layout.roles)

    def _allow(self, right: Right, actor: str | None = None) -> str:
        """Who acts; raises NotAllowed where they may not."""
        self.roles.require(actor or self.actor, right)
        return actor or self.actor

    @cached_property
    def class_ops(self) -> ClassOps:
        """Merge, rename, split off or delete a class, as a decision in the log that undo takes back."""
        allow = partial(self._allow, Right.CLASSES)
        return ClassOps(self._store, self._query, lambda: self._results["class_names"], lambda: self.actor, allow)

    @cached_property
    def people(self) -> People:
        """Who agrees with whom, a consensus where people disagree, and settling it."""
        names, probs = self._results["class_names"], self._layout.probe / "probs.npy"
        return People(self._store, self._class_view, self._row_of, names, probs, self.record)

    @cached_property
    def journal(self) -> LogView:
        """The log in pages, what of it can be taken back, and writing it to a file."""
        return LogView(self._store, lambda: self.actor, partial(self._allow, Right.DECIDE))

    def labels(self) -> Strings:
        """(n,) effective label of each sample in row order, None = none: a relabel in force, else the given label; by the
        class registry."""
        return self._class_view.labels()

    @cached_property
    def _graph(self) -> Neighbors | None:
        folder = self._layout.neighbors
        if not (folder / "graphs.json").exists():
            return None
        info = load_json(folder / "graphs.json")["label"]
        return Neighbors(load_array(folder / "label_indices.npy"), load_array(folder / "label_distances.npy"), **info)

    @cached_property
    def _cards(self) -> CardMaker:
        meta = RowReader(self._layout.meta) if self._layout.meta.exists() else None
        signals = RowReader(self._layout.signals) if self._layout.signals.exists() else None
        return CardMaker(
            self._dataset, self._verdicts, signals, meta, self._ids, self._class_view, self._graph, self._results["modality"]
        )  # fmt: skip

    @cached_property
    def _query(self) -> SampleQuery:
        return SampleQuery(
            dataset=self._layout.dataset, verdicts=self._layout.verdicts, signals=self._layout.signals,
            state=self._store.state_table,
            meta=self._layout.meta if self._layout.meta.exists() else None, classes=self._class_view,
            learnt=self._learnt, find=lambda search, only: self.searcher.find(search, only=only),
        )  # fmt: skip

    def _learnt(self) -> pa.Table | None:
        _, now = self.rounds.now()
        return learnt_table(now.probability, now.clicks)

    @cached_property
    def rounds(self) -> Rounds:
        """What the decisions teach: the order of what is left, precision so far, when to stop, samples like these."""
        names = self._results["class_names"]
        return Rounds(
            self._layout, self._ids, self._row_of, names, self._store.state_table, self._marks, self._class_view.now
        )

    @cached_property
    def text_marks(self) -> TextMarks:
        """Which words to mark in a text: see :class:`winnow.core.words.TextMarks`."""
        return TextMarks(self._dataset, self._verdicts, self._labels, self._results["class_names"], self.row)

    @cached_property
    def selections(self) -> Selections:
        """Selections that people saved under a name."""
        return Selections(self.path / "selections", partial(self._allow, Right.DECIDE))

    @cached_property
    def selection(self) -> Chooser:
        """Choosing a subset by a method: what it costs and gains, its measured payoff, keeping it under a name."""
        from .chooser import Chooser

        return Chooser(
            self._layout, self._ids, self._row_of, self.labels, self._class_view.given, self.classes,
            self._store.state_table, self.sets, self.selections, self._generation, lambda: self.actor,
        )  # fmt: skip

    @cached_property
    def outlets(self) -> Outlets:
        """Every way out: all formats, parts of the data, a datasheet."""
        from .facts import facts_of

        facts = partial(facts_of, self)
        return Outlets(self._layout, self._store, self._results, self.classes, lambda: self._media, facts)

    @cached_property
    def searcher(self) -> Searcher:
        """See :mod:`winnow.core.search`."""
        return Searcher(self._layout, self._results["encoder"], self._results["fingerprint"], self.row)

    @cached_property
    def pairs(self) -> Pairs:
        """Image–text pairs: see :mod:`winnow.core.pairs`."""
        return Pairs(self._layout, self._dataset, self._ids, self.row)

    @cached_property
    def zero_shot(self) -> ZeroShot:
        """Classes by their names alone: see :mod:`winnow.core.zero_shot`."""
        allow = partial(self._allow, Right.CLASSES)
        return ZeroShot(self._layout, self._results, self._ids, self._labels, self.searcher, allow)

    def row(self, sample_id: str) -> int:
        """The row of a sample in this scan. Raises QueryError for an unknown id."""
        try:
            return self._row_of[sample_id]
        except KeyError:
            raise QueryError(f"No sample is called {sample_id!r} in {self._header['name']!r}.") from None

    def info(self) -> WorkspaceInfo:
        """What this workspace is."""
        manifest = load_json(self._layout.manifest) if self._layout.manifest.exists() else {}
        r = self._results
        return WorkspaceInfo(
            path=str(self.path),
            name=self._header["name"],
            n=r["n"],
            n_labelled=r["n_labelled"],
            modality=r["modality"],
            class_names=tuple(r["class_names"]),
            encoder=r["encoder"]["name"],
            created=manifest.get("created", self._header["created"]),
            generation=self._generation,
            verdict_counts=r["verdict_counts"],
            n_decisions=self._store.head()[0],
            n_class_changes=self._store.registry().version,
            has_map=self._layout.projection.exists(),
            notices=tuple(manifest.get("notices", ())),
            failures=manifest.get("failures", {}),
            seconds=manifest.get("seconds", {}),
            manifest=manifest,
            results=r,
        )

    def classes(self) -> list[str]:
        """The classes there are: the dataset's, then those that people made; without those merged, renamed or deleted."""
        return self._store.classes(self._results["class_names"])

    def signals(self) -> list[SignalMeta]:
        """Every signal, whether it ran here and if not, why."""
        record = StageStore(self.path).read("signals")
        info = record.info if record else {}
        ran, skipped, failed = set(self._results["signals"]), info.get("skipped", {}), info.get("failed", {})
        return [
            SignalMeta(
                s.name, s.kind.value, s.title, s.explain, s.name in ran, failed.get(s.name) or skipped.get(s.name, "")
            )
            for s in SIGNALS
        ] + described(info, ran)

    def sets(self) -> list[dict[str, Any]]:
        """Facts about the dataset as a whole: which classes are mixed up, class sizes, properties that give the label
        away, rare and troubled groups. Each a table with example ids (see :func:`winnow.core.set_tables.answer`)."""
        return self._sets

    @cached_property
    def _sets(self) -> list[dict[str, Any]]:
        return sets_of(self._layout, self._generation, self._ids)

    def scores(self) -> pd.DataFrame:
        """One row per sample: id, verdict, confidence, reasons, suggested_label, duplicate_of, a score in [0, 1] and
        a flag per kind (1 = surely so, never NaN)."""
        return self._score_table().to_pandas()

    def _score_table(self) -> pa.Table:
        head = ["sample_id", "verdict", "confidence", "reasons", "suggested_label", "duplicate_of"]
        flags = [f"{kind}_flag" for kind in SCORE_COLUMNS]
        table = load_table(self._layout.verdicts, columns=[*head, *SCORE_COLUMNS, *flags])
        return table.select([*head, *SCORE_COLUMNS, *flags]).rename_columns(["id", *head[1:], *SCORE_COLUMNS, *flags])

    def write_scores(self, path: str | Path) -> int:
        """Write :meth:`scores` as Parquet. Returns the number of rows."""
        table = self._score_table()
        save_table(path, table)
        return int(table.num_rows)

    def plant(self, path: str | Path) -> None:
        """Keep a table of planted problems (id, kind, true_label, dup_of) beside the workspace, for the demo."""
        shutil.copyfile(path, self.path / "planted.parquet")

    def planted(self) -> pd.DataFrame | None:
        """For a demo: kind, how many were planted, how many of these the scan flagged. None elsewhere."""
        path = self.path / "planted.parquet"
        return planted_found(load_table(path).to_pandas(), self.scores()) if path.exists() else None

    # ── queries ─────────────────────────────────────────────────────────────────────────────────────────────────

    def counts(self, filter: Filter | None = None) -> Counts:
        """How many samples match, and how they spread over verdicts, classes, splits, sources, clusters and states."""
        return self._query.counts(filter or Filter())

    def ids(self, filter: Filter | None = None, sort: str = "row", group: str = "") -> list[str]:
        """Every matching id in order. ``sort``: a score or column; "-" in front = descending; "pick" = the order of
        ``filter.pick``. ``group``: first by these groups, as in :meth:`groups`."""
        return self._query.ids(filter or Filter(), sort, group)

    @property
    def query(self) -> SampleQuery:
        """Questions about very many samples, with compact answers: ``id_set``, ``numbers``, ``matching``, ``outlined``."""
        return self._query

    def groups(self, filter: Filter | None = None, by: str = "label") -> list[tuple[Any, int]]:
        """(value, count) of the matching samples by label, cluster, duplicate_group or verdict, the largest first."""
        return self._query.groups(filter or Filter(), by)

    def strict_counts(self, filter: Filter, rates: Sequence[float]) -> dict[float, int]:
        """How many samples ``filter`` would match with ``strict`` at each of these false-flag rates."""
        return self._query.strict_counts(filter, rates)

    def flag_list(self, kind: str, rate: float = 0.05, *, ordinary: Sequence[str] | None = None) -> FlagList:
        """Samples of a kind, of which at most a share ``rate`` is expected to be listed wrongly. ``ordinary``: ids drawn
        at random and known not to be of the kind; with them the rate holds however the scan's probabilities err."""
        known = None if ordinary is None else [self.row(i) for i in ordinary]
        return flags(kind, rate, self._verdicts.column(check_kind(kind)).to_numpy(), self._ids, known)

    def rows(
        self, filter: Filter | None = None, sort: str = "row", offset: int = 0, limit: int = 100, group: str = ""
    ) -> list[dict[str, Any]]:
        """One page of matching samples, for tiles."""
        return self._query.rows(filter or Filter(), sort, offset, limit, group)

    def confusion(self, filter: Filter | None = None) -> pd.DataFrame:
        """Given (rows) × suggested (columns) label, counted over the samples whose label looks wrong."""
        return self._query.confusion(filter or Filter())

    def cards(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Everything a review card shows, in the order asked for; with the decisions in force and the history."""
        rows = [self.row(i) for i in ids]
        current = self._store.current(list(ids))
        cards = self._cards.make(rows, current)
        for card in cards:
            mine = current.get(card["id"], {}).get(self.actor)
            card["decision"] = as_json(mine) if mine else None
        return cards

    @cached_property
    def _atlas(self) -> Atlas:
        return Atlas(
            self._layout, self._dataset, self._verdicts, self._ids, self._row_of, self._class_view, self._results,
            self._store.state_table,
        )  # fmt: skip

    def points(self) -> Points:
        """The map's geometry with its clusters. Raises WorkspaceError where no map was drawn."""
        return self._atlas.points()

    def colours(self, name: str) -> Colours:
        """Values to colour the map by: verdict, label, suggested_label, split, source, cluster, decision, or any score."""
        return self._atlas.colours(name)

    def map(self, colour: str = "verdict") -> Any:
        """The map as a plotly figure, coloured by verdict, label, split or any score."""
        return self._atlas.figure(colour, self._header["name"])

    def inside(self, polygons: Sequence[Sequence[Sequence[float]]], filter: Filter | None = None) -> list[str]:
        """Ids of all samples within a polygon (or several) of map coordinates, over all points, drawn or not."""
        return self._query.inside(polygons, filter or Filter())

    def search(self, *, text: str | None = None, like: str | None = None, limit: int = 100) -> list[tuple[str, float]]:
        """Samples nearest to a sample (``like``: its id), to a description (``text``) or to both, with their cosine."""
        found = self.searcher.find(Search(text or "", like or ""), limit)
        return [(self._ids[r], float(c)) for r, c in zip(found.rows, found.scores, strict=True)]

    # ── pictures ────────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _thumbs(self) -> Thumbs | None:
        return Thumbs(self._layout.media) if self._layout.media.exists() else None

    def thumbnail(self, sample_id: str) -> tuple[bytes, str] | None:
        """A small picture (bytes, media type), or None where the sample has none."""
        return self._thumbs.get(self.row(sample_id)) if self._thumbs else None

    @cached_property
    def _media(self) -> MediaReader:
        r = self._results
        uris = np.array([u or "" for u in self._dataset.column("uri").to_pylist()], object)
        empty = np.full(r["n"], "", object)
        return MediaReader(
            Dataset(
                dataset_id="", name="", sample_ids=self._ids, content_hash=empty, labels=self._labels,
                class_names=tuple(r["class_names"]), modality=Modality(r["modality"]),
                media=MediaRef(**r["media"]), fingerprint=r["fingerprint"], uris=uris,
            )
        )  # fmt: skip

    def image(self, sample_id: str) -> bytes:
        """The original bytes of an image. Raises SourceError where the source has gone or changed place."""
        return self._media.read(self.row(sample_id))

    # ── decisions ───────────────────────────────────────────────────────────────────────────────────────────────

    def decide(
        self, sample_id: str, action: str | Action, *, label: str | None = None, reason: str | None = None,
        actor: str | None = None, decision_id: str | None = None,
    ) -> Decision:  # fmt: skip
        """Record one decision. *Accept* keeps the given label; *relabel* needs ``label``; *exclude* leaves it out.

        Raises
        ------
        DecisionError : an unknown action or sample, or a relabel without a label. NotAllowed : the person is no reviewer.
        """
        item = {"sample_id": sample_id, "action": action, "label": label, "reason": reason, "decision_id": decision_id}
        return self._desk.append([item], self._allow(Right.DECIDE, actor))[0]

    def decide_many(
        self, ids: Iterable[str], action: str | Action, *, label: str | None = None, reason: str | None = None,
        actor: str | None = None, batch_id: str | None = None,
    ) -> BatchResult:  # fmt: skip
        """Record the same decision for many samples as one batch, which one undo takes back."""
        batch = batch_id or uuid.uuid4().hex
        one = {"action": action, "label": label, "reason": reason, "batch_id": batch}
        made = self._desk.append([{**one, "sample_id": i} for i in ids], self._allow(Right.DECIDE, actor))
        return BatchResult(batch, len(made))

    def record(self, batch: Sequence[dict[str, Any]], actor: str | None = None) -> list[dict[str, Any]]:
        """Record decisions from the browser, in order. A decision id seen before is answered with its row (no-op).

        Each item: sample_id, action, and if there are: label, decision_id, supersedes, reason, and settles (true = this
        speaks for what others decided about the sample so far). One bad item does not cost the others: it is answered
        with its error.
        """
        return self._desk.record(batch, self._allow(Right.DECIDE, actor))

    @cached_property
    def _desk(self) -> Desk:
        said = load_table(self._layout.verdicts, columns=["verdict", "confidence", "suggested_label"])
        return Desk(self._store, self.row, said, self._results["class_names"], self._generation)

    def undo(
        self, actor: str | None = None, *, undo_id: str | None = None, decision_id: str | None = None,
        batch_id: str | None = None,
    ) -> list[Decision]:  # fmt: skip
        """Take back this person's last decision, or their last bulk verdict as a whole. [] = nothing left.

        ``decision_id``, ``batch_id``: take back exactly that, if it is theirs and in force. A call that is repeated
        with the same ``undo_id`` takes nothing more back.
        """
        with self._lock:
            return self._store.undo(
                self._allow(Right.DECIDE, actor), undo_id=undo_id, decision_id=decision_id, batch_id=batch_id
            )

    def history(self, **where: Any) -> list[Decision]:
        """The log, newest first: actor, sample_id, action, since, until, limit, offset."""
        return self._store.history(**where)

    def batch_sizes(self, batch_ids: Iterable[str]) -> dict[str, int]:
        """How many decisions each bulk verdict (or undo of one) holds."""
        return self._store.batch_sizes(batch_ids)

    def current(self, ids: Sequence[str] | None = None) -> dict[str, dict[str, Decision]]:
        """Decisions in force: sample id → person → decision."""
        return self._store.current(list(ids) if ids is not None else None)

    # ── out ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def export(self, path: str | Path, *, include_excluded: bool = False) -> ExportResult:
        """Write the curated dataset (.csv, .parquet or .jsonl by suffix) with its manifest and patch file."""
        return exporters.export_workspace(
            path, layout=self._layout, store=self._store, columns=self._results["columns"],
            manifest=load_json(self._layout.manifest), include_excluded=include_excluded,
        )  # fmt: skip

    def replay(self, patch: str | Path) -> Any:
        """Apply the decisions of a patch file to this scan. Returns how many were applied and which were left out."""
        self._allow(Right.DECIDE)
        hashes = dict(zip(self._ids, self._dataset.column("content_hash").to_pylist(), strict=True))
        return exporters.replay_patch(self._store, patch, hashes, classes=self._results["class_names"])


def default_actor() -> str:
    """The login name, or "me" where there is none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "me"


__all__ = ["BatchResult", "Colours", "Filter", "Points", "SignalMeta", "Workspace", "WorkspaceInfo"]
