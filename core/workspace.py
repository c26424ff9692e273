"""The one door to a workspace, for the app, the command line and notebooks.

In: a workspace directory. Out: what the rooms offer about it. The flat verbs (``decide``, ``export`` …) do the usual
thing; the attributes (``exports``, ``subsets``, ``annotators`` …) hold everything else about their subject.

>>> from winnow.core import Workspace                                       # doctest: +SKIP
>>> ws = Workspace.scan("photos/", "photos.winnow")                         # doctest: +SKIP
>>> flagged = ws.scores().query("verdict == 'noisy_label'")                # doctest: +SKIP
>>> ws.decide(flagged.id.iloc[0], "relabel", label="deer")                 # doctest: +SKIP
>>> ws.export("curated.parquet")                                            # doctest: +SKIP
"""

from __future__ import annotations

import threading
import uuid
import warnings
from collections.abc import Iterable, Sequence
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa

from .data.demo import PLANTED, planted_found
from .data.media import PictureDetails, Thumbnails, picture_details
from .data.sources import MediaReader
from .detection.fdr import LOOKED_AT, FlagList, check_kind, flag_list, next_in_rank
from .errors import QueryError, SourceError, WorkspaceError, choices, plural
from .explore.cards import CardBuilder, as_json
from .explore.filter import Filter
from .explore.image_text_pairs import ImageTextPairs
from .explore.map import MapView
from .explore.map_figure import map_widget
from .explore.query import SampleQuery
from .explore.queues import revised_table
from .explore.results import BatchResult, Colours, Counts, Points, SampleRows, WorkspaceInfo, workspace_info
from .explore.search import Search, Searcher
from .explore.signal_evidence import SignalEvidence, evidence_of, score_table, signal_list, suggestions_of
from .explore.summary import Summarised, SummaryTable
from .explore.tags import TagReview, write_pairs
from .explore.verdict_style import STATUSES
from .explore.word_evidence import TextHighlights
from .explore.zero_shot import ZeroShot
from .export.curated_file import ExportResult
from .export.exports import DatasetExports
from .export.log import write_log
from .export.patch import ReplayReport, replay_patch
from .pipeline.config import ScanConfig
from .pipeline.stages.dataset_checks import dataset_checks
from .pipeline.tqdm_progress import TqdmProgress
from .review.active_learning import Auditor, Labeller, QueueRanker
from .review.annotators import Annotators
from .review.class_editor import ClassEditor
from .review.class_keys import ClassKeys
from .review.history import DecisionHistory
from .review.label_import import LabelImport, import_labels
from .review.recorder import DecisionRecorder
from .review.roles import Right, Roles, default_actor
from .review.saved_selections import SavedSelections
from .review.saved_views import SavedViews
from .review.suggested_decisions import SuggestedDecisions
from .storage.artifacts import StageStore, load_json, load_table, save_table
from .storage.decision_log.copy import copy_log
from .storage.decision_log.location import checked_address, log_of, open_log, place_log
from .storage.layout import Layout, check_format
from .storage.parquet_rows import RowReader
from .storage.scan_context import ScanContext
from .types import (
    ISSUE_KINDS,
    PROBLEMS,
    Action,
    ColumnMap,
    Decision,
    Kind,
    MediaRef,
    ProgressFn,
    SignalMeta,
    Strings,
)

if TYPE_CHECKING:  # these import scipy and faiss, which opening a workspace does without
    from .subsets.selector import SubsetSelector

RENAMED = {
    "class_ops": "class_editor",
    "journal": "decision_history",
    "outlets": "exports",
    "pairs": "image_text_pairs",
    "people": "annotators",
    "rounds": "queue_ranker",
    "selection": "subsets",
    "selections": "saved_selections",
    "sets": "dataset_checks",
    "text_marks": "text_highlights",
}
"""Attributes of :class:`Workspace` by their old name. They warn, and go with the next release."""


class Workspace(Summarised):
    """An opened workspace. Safe to share between threads; close it (or use ``with``) when done.

    Parameters
    ----------
    path
        The workspace directory.
    actor
        Who decides (default: :func:`winnow.core.review.roles.default_actor`).

    Attributes
    ----------
    path : Path
        The workspace directory, absolute.
    actor : str
        Who decides where a call names nobody else.

    Raises
    ------
    WorkspaceError
        There is no workspace, its scan has not come far enough, or a newer release wrote it.
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
        self._store = open_log(self._layout)
        self._generation = self._stamp()
        self._seen = self._marks()
        self._set_given()

    if not TYPE_CHECKING:  # type checkers are to report an unknown attribute

        def __getattr__(self, name: str) -> Any:
            if name not in RENAMED:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            warnings.warn(
                f"Workspace.{name} is now Workspace.{RENAMED[name]}; the old name goes with the next release.",
                DeprecationWarning,
                stacklevel=2,
            )
            return getattr(self, RENAMED[name])

    # ── opening and closing ─────────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def open(cls, path: str | Path, *, actor: str | None = None) -> Workspace:
        """Open a workspace that was scanned before: the same as ``Workspace(path, actor)``."""
        return cls(path, actor)

    @classmethod
    def scan(
        cls,
        source: str | Path,
        out: str | Path,
        *,
        progress: ProgressFn | None = None,
        actor: str | None = None,
        columns: ColumnMap | None = None,
        store: str | None = None,
        **options: Any,
    ) -> Workspace:
        """Scan a source and open the workspace. Run again, it does only what changed.

        Parameters
        ----------
        source
            A folder, table, saved Hugging Face dataset or file of embeddings.
        out
            The workspace directory to write.
        progress
            Called with a :class:`winnow.core.types.Progress` several times a second; None = bars of :mod:`tqdm` in a
            notebook and on a terminal, :func:`winnow.core.types.quiet` = nothing.
        actor
            Who scans, and decides afterwards (default: the login name).
        columns
            Which column is what; None = by the usual names.
        store
            ``postgresql://user@host/database``: keep the decisions there, for a team.
        **options
            Fields of :class:`winnow.core.ScanConfig`: encoder, embeddings, probabilities, device, seed …

        Raises
        ------
        SourceError
            The source cannot be read as a dataset.
        EncoderError
            The encoder is unknown, or cannot be loaded.
        WorkspaceBusy
            Another scan of the same workspace is running.
        NotAllowed
            The person may not scan here.
        DiskFull
            The disk ran out of room; finished stages are kept.
        Cancelled
            Somebody stopped the scan; finished stages are kept.
        """
        from .pipeline.scan import scan as run_scan  # opening a workspace does without torch

        Roles(Layout(Path(out).expanduser().absolute()).roles).require(actor or default_actor(), Right.SCAN)
        config = ScanConfig.of(source, columns=columns or ColumnMap(), **options)
        address = checked_address(store) if store else None
        with TqdmProgress() as bars:
            path = run_scan(config, out, progress or bars)
        if address:
            place_log(path, address)
        return cls(path, actor)

    def backup(self, path: str | Path, *, actor: str | None = None) -> int:
        """Copy the decision log to a new SQLite file while others go on deciding.

        Parameters
        ----------
        path
            A new file.
        actor
            Who copies it (default: who opened the workspace).

        Returns
        -------
        int
            How many decisions the copy holds.

        Raises
        ------
        WorkspaceError
            The file exists already.
        """
        self._allow_export(actor)
        if Path(path).exists():
            raise WorkspaceError(f"{str(path)!r} exists already. A backup never writes over a file: give another name.")
        return copy_log(log_of(self._layout), Path(path))

    def close(self) -> None:
        """Close the decision log and the queries' connection."""
        self._close_query()
        self._store.close()

    def _close_query(self) -> None:
        if (query := self.__dict__.pop("_query", None)) is not None:
            query.close()

    def __repr__(self) -> str:
        # of the scan alone, so that a workspace that is closed shows itself too
        results = self._scan.results
        counts = ", ".join(f"{n:,} {STATUSES[kind].name.lower()}" for kind, n in results["verdict_counts"].items())
        return f"<Workspace {self._header['name']!r} at {self.path}: {plural(results['n'], 'sample')} ({counts})>"

    def summary_table(self) -> SummaryTable:
        """What is open of each verdict, with the likeliest problems: what a notebook shows."""
        counts = self.counts()
        decided = sum(n for state, n in counts.by_state.items() if state != "undecided")
        rows = [(STATUSES[v].name, f"{n:,}", f"{n / max(counts.total, 1):.1%}") for v, n in counts.by_verdict.items()]
        first = self.rows(Filter(verdicts=PROBLEMS), "-suspicion", limit=8).summary_table().pictures
        title = f"{self._header['name']}: {plural(counts.total, 'sample')}"
        note = f"{decided:,} decided · {self.path}"
        return SummaryTable(title, ("verdict", "samples", "share"), rows, note, first)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _set_given(self) -> None:
        """Tell the log what each sample was given."""
        tags = self._scan.tags
        self._store.set_given_labels(
            lambda sample_id: self._scan.labels.given_of(sample_id), tags.given_of if tags is not None else None
        )

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
                self._close_query()
                for name in list(self.__dict__):
                    if isinstance(getattr(type(self), name, None), cached_property):
                        del self.__dict__[name]
                self._generation = stamp
                self._set_given()
            self._seen = self._marks()
            self._store.remember()
            return before != self._seen

    # ── the scan, and what the rooms offer about it ─────────────────────────────────────────────────────────────

    @cached_property
    def _scan(self) -> ScanContext:
        return ScanContext(self._layout, self._store, self._header["name"], self._generation)

    def row(self, sample_id: str) -> int:
        """The row of a sample in this scan. Raises QueryError for an unknown id."""
        return self._scan.row(sample_id)

    @cached_property
    def roles(self) -> Roles:
        """Who may do what here: see :mod:`winnow.core.review.roles`."""
        return Roles(self._layout.roles)

    @cached_property
    def class_editor(self) -> ClassEditor:
        """Merge, rename, split off or delete a class, as a decision in the log that undo takes back."""
        return ClassEditor(self._store, self._query, self.roles, lambda: self._scan.class_names)

    @cached_property
    def class_keys(self) -> ClassKeys:
        """Keys that stay with a class in Review and Label."""
        return ClassKeys(self._layout.class_keys, self.roles, self.classes, lambda: self._scan.labels.renames())

    @cached_property
    def annotators(self) -> Annotators:
        """Who agrees with whom, a consensus where people disagree, and settling it."""
        return Annotators(self._scan, self._recorder.record)

    @cached_property
    def decision_history(self) -> DecisionHistory:
        """The log in pages, and what of it can be taken back."""
        return DecisionHistory(self._store, self.roles)

    def write_log(self, path: str | Path, *, by: str | None = None, overwrite: bool = False, **where: Any) -> int:
        """Write the log to a file (see :func:`winnow.core.export.log.write_log`). Returns the number of rows.

        ``by`` is who writes it, None = who opened the workspace; ``actor`` is a filter. Raises NotAllowed.
        """
        self._allow_export(by)
        return write_log(self._store, path, source=self.exports.source, overwrite=overwrite, **where)

    def _allow_export(self, actor: str | None) -> None:
        self.roles.require(actor or self.actor, Right.EXPORT)

    def labels(self) -> Strings:
        """(n,) effective label of each sample in row order: a relabel in force, else the given label; None = none.

        Classes that were merged or renamed stand under their name of today.
        """
        return self._scan.labels.effective()

    @cached_property
    def _card_builder(self) -> CardBuilder:
        return CardBuilder(self._scan)

    @cached_property
    def _query(self) -> SampleQuery:
        return SampleQuery(
            dataset=self._layout.dataset,
            verdicts=self._layout.verdicts,
            signals=self._layout.signals,
            state=self._store.state_table,
            meta=self._layout.meta if self._layout.meta.exists() else None,
            classes=self._scan.labels,
            revised=self._revised,
            find=lambda search, only: self.searcher.find(search, only=only),
            tags=self._layout.tags / "samples.parquet" if self.has_tags else None,
        )

    def _revised(self) -> pa.Table | None:
        _, now = self.queue_ranker.now()
        return revised_table(now.probability, now.n_decisions)

    @cached_property
    def queue_ranker(self) -> QueueRanker:
        """What the decisions teach: the order of what is left, precision so far, when to stop, samples like these."""
        return QueueRanker(self._scan, self._marks, lambda names: self.labeller.probability_of(names))

    @cached_property
    def suggested_decisions(self) -> SuggestedDecisions:
        """What the verdicts propose for many samples at once, and taking it as one batch."""
        return SuggestedDecisions(self._scan, self.queue_ranker, self._recorder.append)

    @cached_property
    def labeller(self) -> Labeller:
        """Labelling with help: suggestions, what to label next, accepting many labels at once."""
        return Labeller(
            self._scan, self._marks, self._recorder.append, lambda names: self.zero_shot.probabilities(names)
        )

    @property
    def has_tags(self) -> bool:
        """Whether the samples have tags: several labels each."""
        return self._scan.files.tags is not None

    @cached_property
    def tags(self) -> TagReview:
        """Several labels a sample: what is missing, what is one too many (:mod:`winnow.core.explore.tags`)."""
        return TagReview(self._scan)

    @cached_property
    def audit(self) -> Auditor:
        """Blind audits: samples drawn at random, and what they say about labels and flags."""
        return Auditor(self._scan, partial(self.roles.require, right=Right.DECIDE))

    @cached_property
    def text_highlights(self) -> TextHighlights:
        """Which words of a text to highlight: those that speak for one label against another."""
        scan = self._scan
        return TextHighlights(scan.dataset, scan.verdicts, scan.label_codes, scan.class_names, self.row)

    @cached_property
    def saved_selections(self) -> SavedSelections:
        """Selections that people saved under a name."""
        return SavedSelections(self.path / "selections", self.roles)

    @cached_property
    def saved_views(self) -> SavedViews:
        """Pages with their filter, order and colour that people saved under a name."""
        return SavedViews(self.path / "views", self.roles)

    @cached_property
    def subsets(self) -> SubsetSelector:
        """Choosing a subset by a method: what it costs and gains, its measured payoff, keeping it under a name."""
        from .subsets.selector import SubsetSelector

        return SubsetSelector(self._scan, self.dataset_checks, self.saved_selections)

    @cached_property
    def exports(self) -> DatasetExports:
        """Every way out: all formats, parts of the data, a datasheet."""
        from .export.datasheet_facts import facts_of

        return DatasetExports(self._scan, lambda: self._media, partial(facts_of, self), self._allow_export)

    @cached_property
    def searcher(self) -> Searcher:
        """Search by words, by a sample or by a file (:mod:`winnow.core.explore.search`)."""
        results = self._scan.results
        return Searcher(self._layout, results["encoder"], results["fingerprint"], self.row)

    @cached_property
    def image_text_pairs(self) -> ImageTextPairs:
        """How well captions fit their images, and captions that would fit better."""
        return ImageTextPairs(self._scan)

    @cached_property
    def zero_shot(self) -> ZeroShot:
        """Classes by their names alone: prompts, negative words, new classes."""
        return ZeroShot(self._scan, self.searcher, partial(self.roles.require, right=Right.CLASSES))

    def info(self) -> WorkspaceInfo:
        """What this workspace is."""
        return workspace_info(
            self._layout,
            self._header,
            self._scan.results,
            generation=self._generation,
            n_decisions=self._store.head()[0],
            n_class_changes=self._store.registry().version,
        )

    def classes(self) -> list[str]:
        """The classes: the dataset's, then those that people added; without those merged, renamed or deleted."""
        return self._scan.classes()

    def signals(self) -> list[SignalMeta]:
        """Every signal, whether it ran here and if not, why."""
        return signal_list(self.path, self._scan.results["signals"])

    def evidence(self, sample_id: str, kind: str) -> list[SignalEvidence]:
        """What the signals of one kind say of a sample, the most suspicious first.

        Parameters
        ----------
        sample_id
            The sample.
        kind
            noisy_label, ood, duplicate, broken, hard or naive.

        Raises
        ------
        QueryError
            There is no such sample, or no such kind; the message names the choices.
        """
        if kind not in {k.value for k in ISSUE_KINDS}:
            raise QueryError(f"No kind is called {kind!r}. There are: {choices(k.value for k in ISSUE_KINDS)}.")
        signals = [s for s in self.signals() if s.ran and s.kind == kind]
        (scored,) = self._signal_rows.take([row := self.row(sample_id)])
        names = [self._scan.labels.renames().get(name, name) for name in self._scan.results["class_names"]]
        suggested = suggestions_of(signals, scored, names)
        return evidence_of(signals, self.query.percentiles(row, [s.name for s in signals]), suggested)

    @cached_property
    def _signal_rows(self) -> RowReader:
        return RowReader(self._layout.signals)

    def dataset_checks(self) -> list[dict[str, Any]]:
        """Tables about the dataset as a whole: class confusions, class sizes, spurious correlations, rare slices.

        Returns
        -------
        list of dict
            For each check: name, title, explain, summary, skipped (why it was left out, "" = it was not), columns
            (key → title) and rows, with ids of examples.
        """
        return self._dataset_checks

    @cached_property
    def _dataset_checks(self) -> list[dict[str, Any]]:
        return dataset_checks(self._layout, self._generation, self._scan.ids)

    def scores(self, *, signals: bool = False) -> pd.DataFrame:
        """What the scan says of every sample.

        Parameters
        ----------
        signals
            Also the signals behind the verdicts.

        Returns
        -------
        DataFrame
            One row per sample: id, verdict, confidence, reasons, suggested_label, duplicate_of, and for every kind a
            probability in [0, 1] (1 = certainly so, never NaN) and a flag. With ``signals`` also signal_1 to signal_3,
            the signals that speak most for the verdict, with their percentiles, and every signal's score in [0, 1]
            (NaN = not scored) under its own name.
        """
        return self._score_table(signals).to_pandas()

    def _score_table(self, signals: bool = False) -> pa.Table:
        return score_table(self._layout, [s for s in self.signals() if s.ran] if signals else None)

    def write_scores(
        self, path: str | Path, *, signals: bool = False, by: str = "sample", actor: str | None = None
    ) -> int:
        """Write scores as Parquet. Returns the number of rows.

        Parameters
        ----------
        path
            The file.
        signals
            By sample also the signals, as :meth:`scores` has them.
        by
            "sample": what :meth:`scores` holds. "tag": one row per sample and tag that somebody looked at, with id,
            tag, given, score in [0, 1] (1 = what is given is surely wrong) and flag.
        actor
            Who writes it (default: who opened the workspace).

        Raises
        ------
        QueryError
            There are no tags here, or ``by`` is neither.
        NotAllowed
            The person may not export.
        """
        self._allow_export(actor)
        if by == "tag":
            return write_pairs(self._scan, path)
        if by != "sample":
            raise QueryError(f"Scores are written by sample or by tag, not by {by!r}.")
        table = self._score_table(signals)
        save_table(path, table)
        return int(table.num_rows)

    def planted(self) -> pd.DataFrame | None:
        """For a demo: kind, how many were planted, how many of these the scan flagged. None elsewhere."""
        path = self.path / PLANTED
        return planted_found(load_table(path).to_pandas(), self.scores()) if path.exists() else None

    # ── queries ─────────────────────────────────────────────────────────────────────────────────────────────────

    def counts(self, filter: Filter | None = None) -> Counts:
        """How many samples match, and how they spread over verdicts, classes, splits, sources, clusters and states."""
        return self._query.counts(filter or Filter())

    def ids(self, filter: Filter | None = None, sort: str = "row", group: str = "") -> list[str]:
        """Every matching id in order.

        Parameters
        ----------
        filter
            None = every sample.
        sort
            A score or column; "-" in front = descending; "pick" = the order of ``filter.pick``.
        group
            Sort by these groups first, as in :meth:`groups`.

        Raises
        ------
        QueryError
            The filter or the order names something that is not there.
        """
        return self._query.ids(filter or Filter(), sort, group)

    @property
    def query(self) -> SampleQuery:
        """Compact answers about very many samples: ``id_set``, ``numbers``, ``matching``, ``outlined``."""
        return self._query

    def groups(self, filter: Filter | None = None, by: str = "label") -> list[tuple[Any, int]]:
        """(value, count) of the matching samples by label, cluster, duplicate_group or verdict, the largest first."""
        return self._query.groups(filter or Filter(), by)

    def strict_counts(self, filter: Filter, rates: Sequence[float]) -> dict[float, int]:
        """How many samples ``filter`` would match with ``strict`` at each of these false-flag rates."""
        return self._query.strict_counts(filter, rates)

    def flag_list(self, kind: str, rate: float = 0.05, *, ordinary: Sequence[str] | None = None) -> FlagList:
        """Samples of a kind at a stated false-flag rate.

        Parameters
        ----------
        kind
            broken, duplicate, ood, noisy_label, hard or naive.
        rate
            Largest expected share of samples listed wrongly, above 0 and below 1.
        ordinary
            Ids drawn at random and known not to be of the kind. With them the rate holds even where the scan's
            probabilities err.
        """
        known = None if ordinary is None else [self.row(i) for i in ordinary]
        probability, flag = (self._scan.verdicts.column(check_kind(kind) + end).to_numpy() for end in ("", "_flag"))
        return flag_list(kind, rate, probability, self._scan.ids, known, flag)

    def worth_a_look(self) -> dict[Kind, tuple[int, float]]:
        """The next in rank below the verdicts of each kind: how many, and the share expected to be of the kind.

        Kinds without any are left out. ``Filter(pick="look")`` finds those among them that have no verdict at all.
        """
        out = {}
        for kind in LOOKED_AT:
            probability, flag = (self._scan.verdicts.column(kind + end).to_numpy() for end in ("", "_flag"))
            rows = next_in_rank(probability, flag)
            if len(rows):
                out[kind] = (len(rows), float(probability[rows].mean()))
        return out

    def rows(
        self, filter: Filter | None = None, sort: str = "row", offset: int = 0, limit: int = 100, group: str = ""
    ) -> SampleRows:
        """One page of matching samples, for tiles; in a notebook with their pictures."""
        return SampleRows(self._query.rows(filter or Filter(), sort, offset, limit, group), self.thumbnail)

    def confusion(self, filter: Filter | None = None) -> pd.DataFrame:
        """Given (rows) × suggested (columns) label, counted over the samples with a noisy label."""
        return self._query.confusion(filter or Filter())

    def cards(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Everything a review card shows, in the order asked for; with the decisions in force and the history."""
        rows = [self.row(i) for i in ids]
        current = self._store.current(list(ids))
        cards = self._card_builder.make(rows, current)
        for card in cards:
            decision = current.get(card["id"], {}).get(self.actor)
            card["decision"] = as_json(decision) if decision else None
            if card["label"] is None and (self._scan.class_names or not self.has_tags):
                card.update(self.labeller.card_parts(card["id"]))
            else:
                new = self.queue_ranker.new_suggestions(self.row(card["id"]))
                card["suggestions"] = sorted([*card["suggestions"], *new], key=lambda s: -s[1])
        return cards

    @cached_property
    def _map_view(self) -> MapView:
        return MapView(self._scan, self.query.metadata_values)

    def points(self) -> Points:
        """The map's geometry with its clusters. Raises WorkspaceError where no map was drawn."""
        return self._map_view.points()

    def colours(self, name: str) -> Colours:
        """Values to colour the map by: verdict, label, suggested_label, split, source, cluster, decision or a score."""
        return self._map_view.colours(name)

    def map(self, colour: str = "verdict") -> Any:
        """The map as a plotly figure, coloured by verdict, label, split or any score."""
        return self._map_view.figure(colour, self._header["name"])

    def map_widget(self, colour: str = "verdict") -> Any:
        """The map in a notebook; ``selected`` holds the ids that a lasso or box drawn on it encloses.

        >>> widget = ws.map_widget()                                            # doctest: +SKIP
        >>> ws.decide_many(widget.selected, "exclude", reason="screenshots")    # doctest: +SKIP

        Raises
        ------
        WorkspaceError
            The packages of ``winnow[notebook]`` are not installed, or no map was drawn.
        """
        return map_widget(self.map(colour))

    def inside(self, polygons: Sequence[Sequence[Sequence[float]]], filter: Filter | None = None) -> list[str]:
        """Ids of all samples within a polygon (or several) of map coordinates, over all points, drawn or not."""
        return self._query.outlined([("add", polygon) for polygon in polygons], filter)[:]

    def search(self, *, text: str | None = None, like: str | None = None, limit: int = 100) -> list[tuple[str, float]]:
        """Samples nearest to a sample (``like``: its id), to a description (``text``) or to both, with their cosine."""
        nearest = self.searcher.find(Search(text or "", like or ""), limit)
        return [(self._scan.ids[row], float(score)) for row, score in zip(nearest.rows, nearest.scores, strict=True)]

    # ── pictures ────────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _thumbs(self) -> Thumbnails | None:
        return Thumbnails(self._layout.media) if self._layout.media.exists() else None

    def thumbnail(self, sample_id: str) -> tuple[bytes, str] | None:
        """A small picture (bytes, media type), or None where the sample has none."""
        return self._thumbs.get(self.row(sample_id)) if self._thumbs else None

    @cached_property
    def _media(self) -> MediaReader:
        uris = np.array([u or "" for u in self._scan.dataset.column("uri").to_pylist()], object)
        return MediaReader.of(MediaRef(**self._scan.results["media"]), uris)

    def image(self, sample_id: str) -> bytes:
        """The original bytes of an image. Raises SourceError where the source has been moved or removed."""
        return self._media.read(self.row(sample_id))

    def picture_details(self, sample_id: str) -> tuple[str, PictureDetails]:
        """The file of a sample's image ("" = its bytes lie in a table), and what the file says of itself: size, EXIF.

        Raises
        ------
        SourceError
            The image is not there any more, or cannot be read.
        """
        row = self.row(sample_id)
        try:
            return str(self._media.path(row) or ""), picture_details(self._media.read(row))
        except OSError as error:
            raise SourceError(f"The image of {sample_id!r} cannot be read: {error}.") from error

    # ── decisions ───────────────────────────────────────────────────────────────────────────────────────────────

    def decide(
        self,
        sample_id: str,
        action: str | Action,
        *,
        label: str | None = None,
        tags: Sequence[str] | None = None,
        reason: str | None = None,
        actor: str | None = None,
        decision_id: str | None = None,
    ) -> Decision:
        """Record one decision.

        Parameters
        ----------
        sample_id
            The sample.
        action
            "accept" keeps the given label and tags, "relabel" needs ``label`` or ``tags``, "exclude" leaves the sample
            out.
        label
            The new label; one that is no class yet becomes one.
        tags
            All tags that the sample is to carry, where samples have tags: [] = none of them.
        reason
            Why, in the person's words.
        actor
            Who decides (default: who opened the workspace).
        decision_id
            A call repeated with the same id records nothing more and returns the same decision.

        Raises
        ------
        DecisionError
            An unknown action, a relabel without a label or tags, or tags where samples have none.
        QueryError
            There is no such sample.
        NotAllowed
            The person is no reviewer.
        """
        item = {"sample_id": sample_id, "action": action, "label": label, "tags": tags, "reason": reason}
        item["decision_id"] = decision_id
        return self._recorder.append([item], actor or self.actor)[0]

    def decide_many(
        self,
        ids: Iterable[str],
        action: str | Action,
        *,
        label: str | None = None,
        tags: Sequence[str] | None = None,
        reason: str | None = None,
        actor: str | None = None,
        batch_id: str | None = None,
    ) -> BatchResult:
        """Record the same decision for many samples as one batch, which one undo takes back."""
        batch = batch_id or uuid.uuid4().hex
        item = {"action": action, "label": label, "tags": tags, "reason": reason, "batch_id": batch}
        decisions = self._recorder.append([{**item, "sample_id": i} for i in ids], actor or self.actor)
        return BatchResult(batch, len(decisions))

    def edit_tags(
        self,
        ids: Iterable[str],
        *,
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
        reason: str | None = None,
        actor: str | None = None,
        batch_id: str | None = None,
    ) -> BatchResult:
        """Add tags to many samples and take others away, as one batch, which one undo takes back.

        Samples that have the first and lack the second already are left alone.

        Raises
        ------
        QueryError
            There is no such sample, or samples have no tags here.
        NotAllowed
            The person is no reviewer.
        """
        self.roles.require(actor or self.actor, Right.DECIDE)
        batch = batch_id or uuid.uuid4().hex
        items = self.tags.edits(list(ids), add, remove)
        more = {"action": Action.RELABEL, "reason": reason, "batch_id": batch}
        decisions = self._recorder.append([{**item, **more} for item in items], actor or self.actor)
        return BatchResult(batch, len(decisions))

    def import_labels(self, path: str | Path, *, actor: str | None = None) -> LabelImport:
        """Bring labels that were made elsewhere (a table, Label Studio, COCO, CVAT) into the log, by who made them.

        Nothing that a person decided is replaced; a second import adds nothing.
        """
        self.roles.require(actor or self.actor, Right.DECIDE)
        return import_labels(path, self._scan, self._recorder.append, actor or self.actor)

    def record(self, batch: Sequence[dict[str, Any]], actor: str | None = None) -> list[dict[str, Any]]:
        """Record decisions from the browser, in order.

        Parameters
        ----------
        batch
            For each decision: sample_id, action, and optionally label, tags, decision_id, supersedes, reason, settles
            (true = it also replaces what others decided about the sample so far) and audit (the id of the blind audit
            that it answers).
        actor
            Who decides (default: who opened the workspace).

        Returns
        -------
        list of dict
            One answer per item. A decision id seen before is answered with its row, a bad item with its error; the
            others are recorded all the same.
        """
        return self._recorder.record(self.audit.answers(batch), actor or self.actor)

    @cached_property
    def _recorder(self) -> DecisionRecorder:
        return DecisionRecorder(self._scan, self.roles)

    def undo(
        self,
        actor: str | None = None,
        *,
        undo_id: str | None = None,
        decision_id: str | None = None,
        batch_id: str | None = None,
    ) -> list[Decision]:
        """Take back this person's last decision, or their last bulk verdict as a whole.

        Parameters
        ----------
        actor
            Whose decision (default: who opened the workspace).
        undo_id
            A call repeated with the same id takes nothing more back.
        decision_id, batch_id
            Take back exactly that, if it is theirs and in force.

        Returns
        -------
        list of Decision
            What was taken back; [] = there was nothing.
        """
        actor = actor or self.actor
        self.roles.require(actor, Right.DECIDE)
        with self._lock:
            return self._store.undo(actor, undo_id=undo_id, decision_id=decision_id, batch_id=batch_id)

    def redo(
        self, actor: str | None = None, *, undo_id: str | None = None, redo_id: str | None = None
    ) -> list[Decision]:
        """Decide again what an undo took back, where nothing else has been decided since.

        Parameters
        ----------
        actor
            Whose undo (default: who opened the workspace).
        undo_id
            Which one: the ``batch_id`` of its rows. None = their latest, unless they have decided something since.
        redo_id
            A call repeated with the same id adds nothing more.

        Returns
        -------
        list of Decision
            The new rows; [] = there was nothing to redo.
        """
        actor = actor or self.actor
        self.roles.require(actor, Right.DECIDE)
        with self._lock:
            return self._store.redo(actor, undo_id, redo_id)

    def history(self, **where: Any) -> list[Decision]:
        """The log, newest first: actor, sample_id, action, since, until, limit, offset."""
        return self._store.history(**where)

    def batch_sizes(self, batch_ids: Iterable[str]) -> dict[str, int]:
        """How many decisions each bulk verdict (or undo of one) holds."""
        return self._store.batch_sizes(batch_ids)

    def current(self, ids: Sequence[str] | None = None) -> dict[str, dict[str, Decision]]:
        """Decisions in force: sample id → person → decision."""
        return self._store.current(list(ids) if ids is not None else None)

    # ── export ──────────────────────────────────────────────────────────────────────────────────────────────────

    def export(
        self,
        path: str | Path,
        *,
        include_excluded: bool = False,
        actor: str | None = None,
        overwrite: bool = False,
        csv_plain: bool = False,
    ) -> ExportResult:
        """Write the curated dataset (.csv, .parquet or .jsonl by suffix) with its manifest and patch file.

        See ``exports.export`` for other formats, for parts of the dataset, and for ``csv_plain``.
        """
        return self.exports.export(
            path, include_excluded=include_excluded, actor=actor, overwrite=overwrite, csv_plain=csv_plain
        )

    def replay(self, patch: str | Path, *, actor: str | None = None) -> ReplayReport:
        """Apply the decisions of a patch file to this scan. Returns how many were applied and which were left out.

        ``actor`` is who replays it, None = who opened the workspace; the decisions keep who made them.
        """
        self.roles.require(actor or self.actor, Right.DECIDE)
        hashes = dict(zip(self._scan.ids, self._scan.dataset.column("content_hash").to_pylist(), strict=True))
        return replay_patch(self._store, patch, hashes, classes=self._scan.class_names, tagged=self.has_tags)


__all__ = ["BatchResult", "Colours", "Filter", "Points", "SignalMeta", "Workspace", "WorkspaceInfo"]
