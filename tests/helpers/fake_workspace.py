"""A workspace of 500 synthetic pictures that answers like the real one, for fast tests of pages and routes."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from winnow.core import AgreementReport, DecisionError, Dispute, Filter, IdSet, QueryError, Roles
from winnow.core.explore.query import Counts
from winnow.core.export.exports import ExportFormat
from winnow.core.review.active_learning import Advice, IntervalEstimate, Precision, QueueChange, SimilarOffer
from winnow.core.review.annotators import AnnotatorStats
from winnow.core.review.saved_selections import SavedSelections
from winnow.core.types import Action, Decision, Kind

CLASSES = ("bird", "cat", "deer", "dog", "horse", 'it\'s <b>odd</b>/"é"')
KINDS = [k.value for k in Kind]
ISSUES = KINDS[:-1]


class FakeSearcher:
    """Knows no words, and takes pictures."""

    takes, knows_words = "image", False

    @staticmethod
    def notice() -> str:
        return "Words are looked up in full text."

    @staticmethod
    def keep(content: bytes) -> str:
        if content == b"bad":
            raise QueryError("This file is no picture that can be read.")
        return "0123456789abcdef"


class FakeRounds:
    """Puts the samples with an even number first, as if that were what the decisions taught."""

    def __init__(self, workspace: FakeWorkspace) -> None:
        self._ws = workspace

    @staticmethod
    def can_order(sort: str) -> bool:
        return sort in ("-confidence", "-noisy_label")

    def order(self, ids: list[str], sort: str) -> tuple[list[str], QueueChange]:
        numbers = {sample: n for n, sample in enumerate(self._ws.table["sample_id"])}
        even = [i for i in ids if numbers[i] % 2 == 0]
        return even + [i for i in ids if numbers[i] % 2], QueueChange(len(even), "horse → deer", len(even))

    def precision(self) -> list[Precision]:
        return [Precision("noisy_label", 20, 15, 0.75, 0.53, 0.89, 60)]

    def advice(self, ids: list[str], sort: str) -> Advice:
        return Advice(len(ids), IntervalEstimate(9, 5, 13), 50, IntervalEstimate(8, 4, 12), 3, 50, True, "Stop.")

    def noise_rate(self) -> IntervalEstimate:
        return IntervalEstimate(0.15, 0.12, 0.18)

    def scanned_noise_rate(self) -> float:
        return 0.17

    def similar_offer(self, sample_id: str) -> SimilarOffer | None:
        ids = [i for i in self._ws.table["sample_id"].tolist() if i not in self._ws.current()][:7]
        made = self._ws.current().get(sample_id)
        return SimilarOffer(sample_id, "relabel", "deer", ids, [0.9] * 7, 4, 5, "horse → deer", 6.3) if made else None


@dataclass(frozen=True)
class Info:
    path: str
    name: str
    n: int
    n_labelled: int
    modality: str
    class_names: tuple[str, ...]
    encoder: str
    created: str
    generation: str
    verdict_counts: dict[str, int]
    n_decisions: int
    has_map: bool = True
    notices: tuple[str, ...] = ("CLIP could not be downloaded (offline). Using built-in patch features.",)
    failures: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: {"embed": 4.2, "probe": 2.0})
    manifest: dict[str, Any] = field(default_factory=lambda: {"run_key": "abc123", "params": {"source": "pictures"}})
    results: dict[str, Any] = field(default_factory=dict)
    n_class_changes: int = 0


@dataclass(frozen=True)
class SignalMeta:
    name: str
    kind: str
    title: str
    explain: str
    ran: bool
    why_not: str = ""


@dataclass(frozen=True)
class Points:
    ids: np.ndarray
    xy: np.ndarray
    clusters: list[dict[str, Any]]
    fine: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Colours:
    name: str
    names: tuple[str, ...] | None
    codes: np.ndarray | None
    values: np.ndarray | None


@dataclass(frozen=True)
class Batch:
    batch_id: str
    count: int


def _frame(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    label = rng.integers(0, len(CLASSES), n)
    suggested = (label + rng.integers(1, len(CLASSES), n)) % len(CLASSES)
    verdict = rng.choice(KINDS, n, p=[0.03, 0.05, 0.05, 0.15, 0.1, 0.1, 0.52])
    table = pd.DataFrame(
        {
            "sample_id": [f'dir {i % 3}/it\'s "{i}" é.png' for i in range(n)],
            "label": [CLASSES[c] for c in label],
            "suggested_label": [CLASSES[c] for c in suggested],
            "verdict": verdict,
            "confidence": rng.random(n).round(3),
            "reasons": [f"8 of 10 neighbours are {CLASSES[c]}." for c in suggested],
            "split": rng.choice(["train", "test"], n),
            "source": rng.choice(["camera", "scan"], n),
            "cluster": rng.integers(0, 5, n),
            "duplicate_group": -1,
            "duplicate_of": None,
            "x": rng.normal(size=n),
            "y": rng.normal(size=n),
        }
    )
    for kind in ISSUES:
        table[kind] = np.where(table["verdict"] == kind, 0.6 + 0.4 * rng.random(n), 0.4 * rng.random(n))
    copies = table.index[table["verdict"] == "duplicate"]
    for group, row in enumerate(copies):
        keeper = (row + 1) % n
        table.loc[[row, keeper], "duplicate_group"] = group
        table.loc[row, "duplicate_of"] = table.loc[keeper, "sample_id"]
    return table


class FakeJournal:
    """Follows core.log_view.LogView on a list of decisions, without changes of classes."""

    def __init__(self, workspace: FakeWorkspace) -> None:
        self.ws = workspace

    def page(self, limit: int = 100, offset: int = 0, steps: bool = False, **where: Any) -> list[Decision]:
        found = self.ws.history(**where, limit=10**9)
        if steps:
            found = list({d.batch_id or d.decision_id: d for d in reversed(found)}.values())[::-1]
        return found[offset : offset + limit]

    def count(self, steps: bool = False, **where: Any) -> int:
        return len(self.page(10**9, steps=steps, **where))

    def actors(self) -> list[str]:
        return sorted({d.actor for d in self.ws.log})

    def batches_in_force(self, batches: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        force = [d for people in self.ws.current().values() for d in people.values()]
        return {b: sum((d.actor, d.batch_id) == b for d in force) for b in batches}

    def revertible(self, actor: str | None = None, by: str = "", **where: Any) -> list[str]:
        force = {d.decision_id for people in self.ws.current().values() for d in people.values()}
        mine = self.ws.history(actor=actor, limit=10**9, **where) if by in ("", actor) else []
        return [d.decision_id for d in mine if d.decision_id in force]

    def revert(self, ids: Iterable[str] = (), batches: Iterable[str] = (), actor: str | None = None) -> list[Decision]:
        gone = [self.ws.undo(actor, decision_id=i) for i in ids] + [self.ws.undo(actor, batch_id=b) for b in batches]
        return [d for step in gone for d in step]


class FakeClassOps:
    """Follows core.class_ops.ClassOps where nothing was changed."""

    def events(self) -> list[Any]:
        return []

    def in_force(self) -> set[str]:
        return set()


class FakePeople:
    """Follows core.people.People: counts, no qualities."""

    def __init__(self, workspace: FakeWorkspace) -> None:
        self.ws = workspace
        self.settled: list[str] = []

    def report(self) -> AgreementReport:
        current = self.ws.current()
        shared = {i: by for i, by in current.items() if len(by) > 1}
        differ = [i for i, by in shared.items() if len({(d.action, d.label) for d in by.values()}) > 1]
        people = [
            AnnotatorStats(
                a,
                sum(a in by for by in current.values()),
                sum(a in by for by in shared.values()),
                0,
                0,
                None,
                "too few",
            )
            for a in sorted({a for by in current.values() for a in by})
        ]
        disputes = [
            Dispute(i, {a: (d.action.value, d.label) for a, d in shared[i].items()}, "<i>cat", None) for i in differ
        ]
        return AgreementReport(tuple(people), len(shared), len(shared) - len(differ), len(differ), tuple(disputes))

    def settle(self, ids: Iterable[str], actor: str | None = None) -> list[dict[str, Any]]:
        self.settled += ids
        return []


class FakeOutlets:
    """Formats to choose from; nothing is written."""

    @staticmethod
    def formats() -> list[ExportFormat]:
        return [
            ExportFormat("csv", "CSV", "A table.", ".csv"),
            ExportFormat("parquet", "Parquet", "A table.", ".parquet"),
        ]


class FakeWorkspace:
    """Follows core.workspace.Workspace; decisions live in memory."""

    def __init__(self, path: Path | str = "fake", actor: str = "you", n: int = 500) -> None:
        self.path, self.actor = Path(path), actor
        self.table = _frame(n)
        self.generation = "g1"
        self.log: list[Decision] = []
        self.failures: dict[str, str] = {}
        self.roles = Roles(self.path / "roles.json")
        self.exports = FakeOutlets()
        self.decision_history, self.class_editor, self.annotators = FakeJournal(self), FakeClassOps(), FakePeople(self)

    # -- reading ----------------------------------------------------------------------------------------------

    def sync(self) -> bool:
        return False

    def info(self) -> Info:
        counts = self.table["verdict"].value_counts().to_dict()
        n = len(self.table)
        return Info(
            str(self.path),
            "Pictures",
            n,
            n,
            "image",
            CLASSES,
            "patches",
            "2026-01-01T00:00:00+00:00",
            self.generation,
            counts,
            len(self.log),
            failures=self.failures,
        )

    def classes(self) -> list[str]:
        return [*CLASSES, *sorted({d.label for d in self.log if d.label and d.label not in CLASSES})]

    def signals(self) -> list[SignalMeta]:
        return [
            SignalMeta("label_knn", "noisy_label", "Neighbours disagree", "…", True),
            SignalMeta("text_empty", "broken", "Empty text", "…", False, "there are no texts"),
        ]

    def planted(self) -> pd.DataFrame | None:
        return pd.DataFrame([{"kind": "ood", "planted": 20, "found": 18, "flagged": 25}])

    def _state(self) -> pd.Series:
        state = pd.Series("undecided", index=self.table["sample_id"])
        for sample, by in self.current().items():
            kinds = {(d.action, d.label) for d in by.values()}
            state[sample] = "disputed" if len(kinds) > 1 else next(iter(kinds))[0].value
        return state.reset_index(drop=True)

    def _where(self, flt: Filter | None) -> pd.DataFrame:
        flt, t = flt or Filter(), self.table.assign(state=self._state().to_numpy())
        for name, column in (
            ("verdicts", "verdict"),
            ("classes", "label"),
            ("suggested", "suggested_label"),
            ("splits", "split"),
            ("sources", "source"),
            ("clusters", "cluster"),
        ):
            if name == "verdicts" and flt.verdicts and flt.strict:
                t = t[t[[v for v in flt.verdicts if v in ISSUES]].max(axis=1) >= 1 - flt.strict]
            elif getattr(flt, name):
                t = t[t[column].isin(getattr(flt, name))]
        for kind in flt.kinds or ():
            t = t[t[kind] > 0.5]
        if flt.state == "decided":
            t = t[t["state"] != "undecided"]
        elif flt.state != "any":
            t = t[t["state"] == flt.state]
        for name, (low, high) in flt.scores.items():
            if name not in t:
                raise QueryError(f"No score is called {name!r}.")
            t = t[t[name].between(-np.inf if low is None else low, np.inf if high is None else high)]
        if flt.pair:
            t = t[(t["label"] == flt.pair[0]) & (t["suggested_label"] == flt.pair[1]) & (t["verdict"] == "noisy_label")]
        if flt.duplicate_group is not None:
            t = t[t["duplicate_group"] == flt.duplicate_group]
        if flt.text:
            t = t[t["sample_id"].str.contains(flt.text, regex=False)]
        if flt.pick:
            t = t[(t["state"] == "undecided") & (t["verdict"] != "clean")].head(30)
        if flt.ids is not None:
            t = t[t["sample_id"].isin(set(flt.ids))]
        return t

    def counts(self, filter: Filter | None = None) -> Counts:
        t = self._where(filter)
        by = {
            f"by_{k}": t[c].value_counts().to_dict()
            for k, c in (
                ("verdict", "verdict"),
                ("class", "label"),
                ("split", "split"),
                ("source", "source"),
                ("state", "state"),
                ("cluster", "cluster"),
            )
        }
        return Counts(total=len(self.table), matching=len(t), **by)

    def ids(self, filter: Filter | None = None, sort: str = "row", group: str = "") -> list[str]:
        t = self._where(filter)
        if sort == "-suspicion":
            sort = "-confidence"
        if sort not in ("row", "pick", "match"):
            t = t.sort_values(sort.lstrip("-"), ascending=not sort.startswith("-"), kind="stable")
        if group:
            t = pd.concat([t[t[group] == value] for value, _ in self.groups(filter, group)])
        return t["sample_id"].tolist()

    def groups(self, filter: Filter | None = None, by: str = "label") -> list[tuple[Any, int]]:
        if by not in ("label", "cluster", "duplicate_group", "verdict"):
            raise QueryError(f"Samples cannot be grouped by {by!r}.")
        sizes = self._where(filter)[by].value_counts()
        return [(value, int(n)) for value, n in sizes.items()]

    def strict_counts(self, filter: Filter, rates: Iterable[float]) -> dict[float, int]:
        return {rate: self.counts(replace(filter, strict=rate)).matching for rate in rates}

    def row(self, sample_id: str) -> int:
        return self.table["sample_id"].tolist().index(sample_id)

    @property
    def queue_ranker(self) -> FakeRounds:
        return FakeRounds(self)

    @property
    def saved_selections(self) -> SavedSelections:
        return SavedSelections(self.path, self.roles)

    def rows(
        self, filter: Filter | None = None, sort: str = "row", offset: int = 0, limit: int = 100, group: str = ""
    ) -> list[dict[str, Any]]:
        keep = self.ids(filter, sort, group)[offset : offset + limit]
        if not keep:
            return []
        tiles = self.table.set_index("sample_id", drop=False).loc[keep].to_dict("records")
        current = self.current()
        for tile in tiles:
            said = next(iter(current.get(tile["sample_id"], {}).values()), None)
            tile["decision"] = (
                {"action": said.action.value, "label": said.label, "actor": said.actor, "at": said.at} if said else None
            )
            tile["suggested"] = tile["suggested_label"]
            tile["scores"] = {kind: tile[kind] for kind in ISSUES} | (
                {"match": 0.9} if filter and filter.searching else {}
            )
        return tiles

    def confusion(self, filter: Filter | None = None) -> pd.DataFrame:
        t = self._where(filter)
        t = t[t["verdict"] == "noisy_label"]
        return pd.crosstab(t["label"], t["suggested_label"])

    def cards(self, ids: list[str]) -> list[dict[str, Any]]:
        unknown = set(ids) - set(self.table["sample_id"])
        if unknown:
            raise QueryError(f"No sample is called {min(unknown)!r} in 'Pictures'.")
        rows = self.table.set_index("sample_id", drop=False).loc[list(ids)].to_dict("records")
        others = self.table["sample_id"].tolist()[:8]
        return [
            {
                "id": r["sample_id"],
                "label": r["label"],
                "suggestions": [[r["suggested_label"], 0.8]],
                "verdict": r["verdict"],
                "neighbors": [{"id": o, "label": "bird", "distance": 0.1, "agrees": False} for o in others],
                "text": None,
            }
            for r in rows
        ]

    def points(self) -> Points:
        xy = self.table[["x", "y"]].to_numpy(np.float32)
        return Points(
            self.table["sample_id"].to_numpy(), xy, [{"cluster": 0, "name": "bird", "x": 0.0, "y": 0.0, "size": 9}]
        )

    def colours(self, name: str) -> Colours:
        if name == "verdict":
            return Colours(
                name, tuple(KINDS), np.array([KINDS.index(v) for v in self.table["verdict"]], np.uint16), None
            )
        if name not in self.table:
            raise QueryError(f"The map cannot be coloured by {name!r}.")
        return Colours(name, None, None, self.table[name].to_numpy(np.float32))

    def inside(self, polygons: Any, filter: Filter | None = None) -> list[str]:
        t = self._where(filter)
        ring = np.array(polygons[0])
        low, high = ring.min(0), ring.max(0)
        return t[t["x"].between(low[0], high[0]) & t["y"].between(low[1], high[1])]["sample_id"].tolist()

    @property
    def query(self) -> FakeWorkspace:
        return self

    def id_set(self, filter: Filter | None = None, sort: str = "row", group: str = "") -> IdSet:
        return IdSet.of(self.ids(filter, sort, group))

    def numbers(self, filter: Filter) -> np.ndarray:
        return np.sort(np.array([self.row(i) for i in self.ids(filter)], np.int32))

    def matching(self, filter: Filter) -> int:
        return len(self.ids(filter))

    def id_at(self, row: int) -> str:
        if row >= len(self.table):
            raise QueryError(f"There is no point {row}; the map has {len(self.table)}.")
        return str(self.table["sample_id"][row])

    def outlined(self, outlines: Any, filter: Filter | None = None, base: Any = None) -> IdSet:
        chosen = set(base or ())
        for op, ring in outlines:
            held = set(self.inside([ring], filter))
            chosen = chosen | held if op == "add" else chosen - held
        return IdSet.of([i for i in self.table["sample_id"] if i in chosen])

    @property
    def searcher(self) -> FakeSearcher:
        return FakeSearcher()

    def thumbnail(self, sample_id: str) -> tuple[bytes, str] | None:
        if sample_id not in set(self.table["sample_id"]):
            raise QueryError(f"No sample is called {sample_id!r}.")
        out = io.BytesIO()
        Image.new("RGB", (32, 32), (hash(sample_id) % 255, 120, 90)).save(out, "PNG")
        return out.getvalue(), "image/png"

    def image(self, sample_id: str) -> bytes:
        return b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"

    # -- deciding ---------------------------------------------------------------------------------------------

    def _add(
        self,
        sample_id: str,
        action: str,
        label: str | None,
        actor: str | None,
        decision_id: str | None,
        batch: str | None,
    ) -> Decision:
        for d in self.log:
            if decision_id and d.decision_id == decision_id:
                return d
        if sample_id not in set(self.table["sample_id"]):
            raise DecisionError(f"No sample is called {sample_id!r}.")
        if action not in ("accept", "relabel", "exclude"):
            raise DecisionError(f"{action!r} is not a decision. There are: accept, relabel, exclude.")
        if action == "relabel" and not label:
            raise DecisionError("Relabelling needs a label.")
        made = Decision(
            len(self.log) + 1,
            decision_id or uuid.uuid4().hex,
            sample_id,
            Action(action),
            label,
            None,
            actor or self.actor,
            datetime.now(UTC).isoformat(),
            None,
            batch,
        )
        self.log.append(made)
        return made

    def decide(
        self, sample_id: str, action: str, *, label: str | None = None, actor: str | None = None, **_: Any
    ) -> Decision:
        return self._add(sample_id, action, label, actor, None, None)

    def decide_many(
        self,
        ids: Any,
        action: str,
        *,
        label: str | None = None,
        reason: str | None = None,
        actor: str | None = None,
        batch_id: str | None = None,
    ) -> Batch:
        batch = batch_id or uuid.uuid4().hex
        made = [self._add(i, action, label, actor, None, batch) for i in ids]
        return Batch(batch, len(made))

    def record(self, batch: Any, actor: str | None = None) -> list[dict[str, Any]]:
        answers = []
        for item in batch:
            try:
                d = self._add(
                    item["sample_id"],
                    item["action"],
                    item.get("label"),
                    actor,
                    item.get("decision_id"),
                    item.get("batch_id"),
                )
                answers.append(
                    {"ok": True, "decision_id": d.decision_id, "sample_id": d.sample_id, "actor": d.actor, "seq": d.seq}
                )
            except DecisionError as error:
                answers.append({"ok": False, "decision_id": item.get("decision_id"), "error": str(error)})
        return answers

    def dataset_checks(self) -> list[dict[str, Any]]:
        return [
            {
                "name": "imbalance",
                "title": "Class sizes",
                "explain": "How many samples each class has.",
                "columns": {"class": "Class", "samples": "Samples", "share": "Share"},
                "rows": [{"class": "<b>cat", "samples": 1200, "share": 0.25}],
                "summary": "5 classes; none is rare.",
                "skipped": "",
            }
        ]

    def batch_sizes(self, batch_ids: Iterable[str]) -> dict[str, int]:
        return {b: sum(d.batch_id == b for d in self.log) for b in batch_ids}

    def undo(
        self,
        actor: str | None = None,
        *,
        undo_id: str | None = None,
        decision_id: str | None = None,
        batch_id: str | None = None,
    ) -> list[Decision]:
        undone = {d.supersedes for d in self.log if d.action is Action.UNDO}
        mine = [
            d
            for d in self.log
            if d.actor == (actor or self.actor) and d.action is not Action.UNDO and d.decision_id not in undone
        ]
        if not mine:
            return []
        last = mine[-1]
        gone = [d for d in mine if d.batch_id == last.batch_id] if last.batch_id else [last]
        if decision_id or batch_id:
            gone = [d for d in mine if decision_id == d.decision_id or (batch_id and batch_id == d.batch_id)]
        for d in gone:
            self.log.append(
                Decision(
                    len(self.log) + 1,
                    uuid.uuid4().hex,
                    d.sample_id,
                    Action.UNDO,
                    None,
                    d.decision_id,
                    d.actor,
                    datetime.now(UTC).isoformat(),
                    None,
                    d.batch_id,
                )
            )
        return gone

    def history(
        self,
        *,
        actor: str | None = None,
        sample_id: str | None = None,
        action: str | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[Decision]:
        found = [
            d
            for d in reversed(self.log)
            if (not actor or d.actor == actor)
            and (not action or d.action == action)
            and (not sample_id or d.sample_id == sample_id)
        ]
        return found[offset : offset + limit]

    def current(self, ids: Any = None) -> dict[str, dict[str, Decision]]:
        undone = {d.supersedes for d in self.log if d.action is Action.UNDO}
        out: dict[str, dict[str, Decision]] = {}
        for d in self.log:
            if d.action is not Action.UNDO and d.decision_id not in undone:
                out.setdefault(d.sample_id, {})[d.actor] = d
        return out
