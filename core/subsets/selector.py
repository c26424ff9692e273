"""Choosing a subset of a workspace: methods, constraints, what it costs and gains, and keeping it under a name."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from .. import fingerprint as fp
from ..errors import QueryError, choices
from ..parallel import deterministic_blas
from ..review.saved_selections import SavedSelections, Selection
from ..storage.artifacts import load_table, plain, save_table
from ..storage.scan_context import ScanContext
from ..types import Bool, Float32, Int32, Int64, Neighbors
from .constraints import ConstrainedResult, Constraints, choose, narrowed
from .curricula import curriculum
from .holdout import held_out
from .measures import Coverage, Share, coverage, gradient_vendi, share_table, vendi
from .methods import SELECTORS, Need, SelectionInputs

_DIM = 512
"""Embeddings are cut to so many principal directions before subsets are chosen."""

_SAMPLE = 20_000
"""So many embeddings say which directions are the principal ones."""

_CARDS = 64
"""Scorecards of random subsets and of the pool that are kept."""


@dataclass(frozen=True)
class SubsetRequest:
    """What subset is wanted: kept with it, so that it can be made again.

    Attributes
    ----------
    budget
        "500", "30%" or "auto".
    per_class, keep_groups, guard, deduplicate
        The constraints.
    holdout
        Whether held-out samples may be chosen.
    options
        The method's own settings. target : ids that the subset shall resemble.
    """

    method: str = "random"
    budget: str = "30%"
    seed: int = 0
    quality: float = 0.5
    diversity: float = 0.5
    per_class: int = 1
    keep_groups: bool = False
    guard: bool = True
    deduplicate: bool = True
    holdout: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values, for the job's request and the selection's file."""
        return {**asdict(self), "options": dict(self.options)}

    def fingerprint(self, among: Sequence[str] | None = None, target: Sequence[str] | None = None) -> str:
        """The cache key of the request among these ids and for this target."""
        return fp.of(self, [None if ids is None else fp.of_strings(ids) for ids in (among, target)])


@dataclass(frozen=True)
class SubsetChoice:
    """A subset that was chosen. rows : (m,) int64 in order of choice; ids : theirs. fingerprint : of the scan, the labels, pool and
    trust as the decisions made them, and the wish.
    """

    wish: SubsetRequest
    rows: Int64
    ids: list[str]
    weights: Float32 | None
    pool: int
    forced: int
    notices: tuple[str, ...]
    fingerprint: str
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SubsetScores:
    """quality : mean trust, 1 = all trusted. diversity : Vendi score. gradient_diversity : of what training would teach.
    complexity : mean hardness. coverage : see :class:`winnow.core.subsets.measures.Coverage`.
    """

    size: int
    quality: float
    diversity: float
    gradient_diversity: float
    complexity: float
    coverage: Coverage


@dataclass(frozen=True)
class SubsetReport:
    """What a subset costs and gains without training: itself, a random one of its size, and the pool. classes, groups :
    shares before and after. warnings : sentences about shares that curation moved.
    """

    subset: SubsetScores
    random: SubsetScores
    pool: SubsetScores
    classes: list[Share]
    groups: list[Share]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class SelectionContext:
    """What methods look at, as the decisions are now.

    Attributes
    ----------
    classes
        Names by code.
    given
        (n,) int32 labels as they came, by the class registry.
    usable
        (n,) bool, has an embedding.
    excluded
        (n,) bool, by a person.
    reviewed
        (n,) bool, accepted or relabelled.
    held
        (n,) bool, the held-out samples.
    whole
        (n,) bool, the pool as it is when all may be chosen: it says what is held out and judges, whatever a choice is
        made among.
    """

    inputs: SelectionInputs
    classes: tuple[str, ...]
    group_names: tuple[str, ...]
    given: Int32
    usable: Bool
    excluded: Bool
    reviewed: Bool
    held: Bool
    keeper: Int32
    guarded: Bool
    whole: Bool


@dataclass(frozen=True)
class CurriculumConfig:
    """How to weigh and when to bring in samples. curve : loss → weight points (rank, weight), None = not used. trust : weigh by the
    trust in each label. temperature : of class balance, 0 = all alike, None = not used. epochs, start : the easy → uniform
    schedule, start = the share of the first epoch, 1 = none.
    """

    curve: Sequence[tuple[float, float]] | None = None
    trust: bool = True
    temperature: float | None = None
    epochs: int = 10
    start: float = 1.0
    seed: int = 0


class SubsetSelector:
    """Subsets of one workspace. Safe to share between threads.

    Parameters
    ----------
    scan
        The scan and its log.
    checks
        Called for the tables of the dataset checks.
    saved
        The selections that people keep.
    """

    def __init__(self, scan: ScanContext, checks: Callable[[], list[dict[str, Any]]], saved: SavedSelections) -> None:
        self._context, self._checks, self.saved = scan, checks, saved
        self.ids, self.generation, self._row_of = scan.ids, scan.generation, scan.row_of
        self._lock = threading.Lock()
        self._cards: dict[tuple[str, int, int], SubsetScores] = {}

    # ── what there is ───────────────────────────────────────────────────────────────────────────────────────────

    def methods(self, material: SelectionContext | None = None) -> list[dict[str, Any]]:
        """Every method: name, title, explain, uses, sizes_itself, needs_target, and why_not: why it cannot be used here ("" =
        it can; a missing target is no reason, for it is given with the wish).
        """
        inputs = (material or self.material()).inputs
        out = []
        for s in SELECTORS:
            missing = sorted(str(need) for need in s.requires if need is not Need.TARGET and not inputs.has(need))
            about = {"name": s.name, "title": s.title, "explain": s.explain, "uses": sorted(s.uses)}
            why = f"needs {' and '.join(missing)}" if missing else ""
            target = Need.TARGET in s.requires
            out.append({**about, "sizes_itself": s.sizes_itself, "needs_target": target, "why_not": why})
        return out

    @property
    def raw(self) -> Any:
        """(n, d) the embeddings as they are, memory-mapped; None without embeddings."""
        return self._context.files.vectors

    @cached_property
    def vectors(self) -> Float32 | None:
        """(n, ≤ 512) float32 unit rows: the embeddings on their leading directions, uncentred; None without embeddings."""
        raw = self.raw
        if raw is None:
            return None
        n, d = raw.shape
        if d > _DIM:
            with deterministic_blas():  # the same on any number of cores, so that a subset can be made again
                basis = leading_directions(raw, _DIM)
                x = np.concatenate([np.asarray(raw[s : s + 8192], np.float32) @ basis for s in range(0, n, 8192)])
        else:
            x = np.asarray(raw, np.float32)
        out: Float32 = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
        return out

    @cached_property
    def graph(self) -> Neighbors | None:
        """The neighbour graph on raw cosine distance, in memory."""
        graph = self._context.files.raw_graph
        if graph is None:
            return None
        return replace(graph, indices=np.asarray(graph.indices), distances=np.asarray(graph.distances))

    @cached_property
    def features(self) -> Float32 | None:
        """(n, r) float32: what the probe is trained on (half-whitened embeddings); None where there are none."""
        whitened = self._context.files.whitened
        return np.asarray(whitened, np.float32) if whitened is not None else self.vectors

    @property
    def probs(self) -> Float32 | None:
        """(n, C) out-of-sample beliefs over the dataset's own classes."""
        return self._context.files.probs

    @cached_property
    def _scan(self) -> dict[str, Any]:
        """What does not change with decisions."""
        names = [f"{k}{s}" for k in ("noisy_label", "ood", "broken") for s in ("", "_flag")]
        verdicts = load_table(self._context.layout.verdicts, columns=["duplicate_of", "duplicate_flag", *names])
        data = load_table(self._context.layout.dataset, columns=["split", "source"])
        n = data.num_rows
        files = self._context.files
        keeper = self._row_of.find(verdicts.column("duplicate_of")).astype(np.int32)
        keeper[~np.asarray(verdicts.column("duplicate_flag").to_numpy(), bool)] = -1
        sources = [v or "" for v in data.column("source").to_pylist()]
        found = sorted(set(sources) - {""})
        code = {name: i for i, name in enumerate(found)}
        marked: list[str] = next((t["marked"] for t in self._checks() if t["name"] == "rare_slice"), [])
        guarded = np.zeros(n, bool)
        guarded[[self._row_of[i] for i in marked if i in self._row_of]] = True
        doubt = np.max([verdicts.column(k).to_numpy() for k in ("noisy_label", "ood", "broken")], axis=0)
        flagged = np.any([verdicts.column(f"{k}_flag").to_numpy() for k in ("noisy_label", "ood", "broken")], axis=0)
        clusters = files.clusters.fine if files.clusters is not None else None
        el2n = files.beliefs.dynamics.get("el2n") if files.beliefs is not None else None
        return {
            "n": n,
            "ok": files.ok if files.ok is not None else np.ones(n, bool),
            "broken": np.asarray(verdicts.column("broken_flag").to_numpy(), bool),
            "keeper": keeper,
            "groups": np.array([code.get(v, -1) for v in sources], np.int32) if len(found) > 1 else None,
            "group_names": tuple(found) if len(found) > 1 else (),
            "split": [v or "" for v in data.column("split").to_pylist()],
            "guarded": guarded,
            "quality": (1.0 - doubt).astype(np.float32),
            "flagged": np.asarray(flagged, bool),
            "clusters": clusters,
            "hardness": None if el2n is None else np.clip(el2n / np.sqrt(2.0), 0.0, 1.0).astype(np.float32),
        }

    def material(self, among: Sequence[str] | None = None, target: Sequence[str] | None = None) -> SelectionContext:
        """What methods look at now: labels and trust as the decisions make them. ``among``: ids that may be chosen (None =
        all); ``target``: ids that the subset shall resemble (None = the held-out samples).
        """
        scan = self._scan
        classes = tuple(self._context.classes())
        code = {name: i for i, name in enumerate(classes)}
        labels = np.array([code.get(v, -1) for v in self._context.labels.effective()], np.int32)
        given = np.array([code.get(v, -1) for v in self._context.labels.given()], np.int32)
        state = self._context.store.state_table()
        excluded, reviewed, relabelled = (np.zeros(scan["n"], bool) for _ in range(3))
        for sample_id, what in zip(
            state.column("sample_id").to_pylist(), state.column("state").to_pylist(), strict=True
        ):
            row = self._row_of.get(sample_id)
            if row is not None:
                excluded[row] |= what == "exclude"
                reviewed[row] |= what in ("accept", "relabel")
                relabelled[row] |= what == "relabel"
        quality = scan["quality"].copy()
        quality[reviewed] = 1.0
        quality[excluded] = 0.0
        hardness = scan["hardness"]
        if hardness is not None and relabelled.any() and self.probs is not None:
            hardness = hardness.copy()
            own = [code.get(v, -1) for v in self._context.class_names]
            column = {int(c): j for j, c in enumerate(own) if c >= 0}
            for r in np.flatnonzero(relabelled):
                p = self.probs[r].astype(np.float64)
                mine = column.get(int(labels[r]))
                if mine is not None:
                    p[mine] -= 1.0
                hardness[r] = min(float(np.linalg.norm(p)) / np.sqrt(2.0), 1.0)
        whole = scan["ok"] & ~scan["broken"] & ~excluded
        held = held_out(scan["split"], labels, whole, [str(i) for i in self.ids])
        pool = whole
        if among is not None:
            pool = np.zeros(scan["n"], bool)
            pool[self.rows(among)] = True
            pool &= whole
        goal = held.copy()
        if target is not None:
            goal[:] = False
            goal[self.rows(target)] = True
        inputs = SelectionInputs(
            pool=pool,
            labels=labels,
            n_classes=len(classes),
            vectors=self.vectors,
            neighbors=self.graph,
            quality=quality,
            hardness=hardness,
            flagged=scan["flagged"] & ~reviewed,
            clusters=scan["clusters"],
            groups=scan["groups"],
            target=goal,
        )
        return SelectionContext(
            inputs,
            classes,
            scan["group_names"],
            given,
            scan["ok"],
            excluded,
            reviewed,
            held,
            scan["keeper"],
            scan["guarded"],
            whole,
        )

    def rows(self, ids: Sequence[str]) -> Int64:
        """(m,) int64 rows of these samples. Raises QueryError for an unknown id."""
        try:
            return self._row_of.rows(ids)
        except KeyError as error:
            raise QueryError(f"No sample is called {error.args[0]!r} in this workspace.") from None

    # ── choosing ────────────────────────────────────────────────────────────────────────────────────────────────

    def choose(
        self,
        wish: SubsetRequest,
        *,
        among: Sequence[str] | None = None,
        target: Sequence[str] | None = None,
        material: SelectionContext | None = None,
    ) -> SubsetChoice:
        """Choose a subset. Held-out samples are left out of the pool unless the wish says otherwise.

        Raises
        ------
        QueryError
            An unknown method, a budget that is none, or something that the method needs and that is not there.
        """
        m = material or self.material(among, target)
        inputs = self.inputs(m, wish)
        with deterministic_blas():  # the page, the payoff's process and the command line must come to the same subset
            found = choose(wish.method, inputs, wish.budget, self.rules(m, wish))
        return self._made(m, wish, found)

    def inputs(self, m: SelectionContext, wish: SubsetRequest) -> SelectionInputs:
        """What a method sees under a wish. Raises QueryError for a slider outside of [0, 1]."""
        for name in ("quality", "diversity"):
            if not 0.0 <= getattr(wish, name) <= 1.0:
                raise QueryError(f"{name} is {getattr(wish, name)}: the slider goes from 0 to 1.")
        pool = m.inputs.pool if wish.holdout else m.inputs.pool & ~m.held
        return replace(
            m.inputs,
            pool=pool,
            quality_weight=wish.quality,
            diversity=wish.diversity,
            seed=wish.seed,
            options=wish.options,
        )

    @staticmethod
    def rules(m: SelectionContext, wish: SubsetRequest) -> Constraints:
        """The constraints of a wish."""
        return Constraints(
            wish.per_class, wish.keep_groups, m.guarded if wish.guard else None, m.keeper if wish.deduplicate else None
        )

    def _made(self, m: SelectionContext, wish: SubsetRequest, found: ConstrainedResult) -> SubsetChoice:
        method = SELECTORS.get(wish.method)
        aim = m.inputs.target if Need.TARGET in method.requires else None
        mark = fp.of(self.state_mark(m), aim, wish.to_json(), method.version)
        ids = [str(i) for i in self.ids[found.rows]]
        return SubsetChoice(
            wish, found.rows, ids, found.weights, found.pool, found.forced, found.notices, mark, found.info
        )

    def state_mark(self, m: SelectionContext) -> str:
        """The fingerprint of what methods look at: the scan, and labels, pool and trust as the decisions make them."""
        return fp.of(self.generation, m.inputs.labels, m.inputs.pool, m.inputs.quality, m.inputs.flagged)

    # ── what it costs and gains ─────────────────────────────────────────────────────────────────────────────────

    def report(self, choice: SubsetChoice, material: SelectionContext | None = None) -> SubsetReport:
        """The subset beside a random one of the same size and beside the pool it was chosen from."""
        m = material or self.material()
        wish = choice.wish
        inputs = narrowed(self.inputs(m, wish), self.rules(m, wish))
        pool = np.flatnonzero(inputs.pool)
        size = len(choice.rows)
        mark = fp.of(inputs.pool, inputs.labels, inputs.quality)
        chance = self._card(
            (mark, size, wish.seed), inputs, lambda: np.random.default_rng([wish.seed, 11]).permutation(pool)[:size]
        )
        classes = share_table(inputs.labels, m.classes, inputs.pool, choice.rows)
        groups = (
            share_table(inputs.groups, m.group_names, inputs.pool, choice.rows) if inputs.groups is not None else []
        )
        return SubsetReport(
            self._scores(inputs, choice.rows, inputs.pool),
            chance,
            self._card((mark, -1, 0), inputs, lambda: pool),
            classes,
            groups,
            tuple(_shifts(classes, "class") + _shifts(groups, "source")),
        )

    def _card(self, key: tuple[str, int, int], inputs: SelectionInputs, rows: Callable[[], Int64]) -> SubsetScores:
        """A scorecard that does not hang on the method: made once."""
        with self._lock:
            if key not in self._cards:
                while len(self._cards) >= _CARDS:
                    self._cards.pop(next(iter(self._cards)))
                self._cards[key] = self._scores(inputs, rows(), inputs.pool)
            return self._cards[key]

    def _scores(self, inputs: SelectionInputs, rows: Int64, pool: Bool) -> SubsetScores:
        nan = float("nan")
        vectors = inputs.vectors
        hard = inputs.hardness
        gradient = nan
        if vectors is not None and self.probs is not None and len(rows):
            gradient = gradient_vendi(vectors, self.probs, self._own(inputs.labels), rows, 500)
        return SubsetScores(
            size=len(rows),
            quality=float(inputs.quality[rows].mean()) if inputs.quality is not None and len(rows) else nan,
            diversity=vendi(vectors, rows) if vectors is not None else nan,
            gradient_diversity=gradient,
            complexity=float(np.nanmean(hard[rows])) if hard is not None and len(rows) else nan,
            coverage=Coverage(nan, nan, nan) if self.raw is None else coverage(self.raw, pool, rows, self.graph),
        )

    def _own(self, labels: Int32) -> Int32:
        """Labels as codes of the dataset's own classes, −1 where the class was made later."""
        own = {name: i for i, name in enumerate(self._context.class_names)}
        code = np.array([*(own.get(name, -1) for name in self._context.classes()), -1], np.int32)
        out: Int32 = code[labels]
        return out

    # ── weights ─────────────────────────────────────────────────────────────────────────────────────────────────

    def loss(self, m: SelectionContext) -> Float32:
        """(n,) float32: −ln of the out-of-sample probability of the label in force; NaN where there is none."""
        out = np.full(m.inputs.n, np.nan, np.float32)
        if self.probs is not None:
            own = self._own(m.inputs.labels)
            rows = np.flatnonzero(own >= 0)
            out[rows] = -np.log(np.maximum(self.probs[rows, own[rows]], 1e-7))
        return out

    def trust(self) -> Float32 | None:
        """(n,) float32: 1 − the label_trust signal; None where it did not run."""
        doubt = self._context.files.signal("label_trust")
        if doubt is None:
            return None
        out: Float32 = (1.0 - np.nan_to_num(doubt.astype(np.float32), nan=0.0)).astype(np.float32)
        return out

    def write_curriculum(self, path: str | Path, plan: CurriculumConfig, rows: Int64 | None = None) -> dict[str, Any]:
        """Write weights and a schedule as Parquet, with their shuffled baseline beside them.

        Columns: sample_id, label, sample_weight, epoch (from which it takes part), and sample_weight_shuffled and
        epoch_shuffled: the same values given to other samples of the class. The settings lie in the schema's metadata. Returns
        them, with the number of rows. ``rows``: None = all that can be trained on. Raises QueryError, DiskFull, ReadOnly.
        """
        m = self.material()
        if rows is None:
            rows = np.flatnonzero(m.inputs.pool & ~m.held & (m.inputs.labels >= 0))
        rows = rows[m.inputs.labels[rows] >= 0]
        made = curriculum(
            rows,
            m.inputs.labels,
            loss=self.loss(m),
            points=plan.curve,
            trust=self.trust() if plan.trust else None,
            temperature=plan.temperature,
            hardness=m.inputs.hardness,
            epochs=plan.epochs,
            start=plan.start,
            sure=m.reviewed,
            seed=plan.seed,
        )
        said = {**asdict(plan), "generation": self.generation, "rows": len(rows)}
        table = pa.table(
            {
                "sample_id": pa.array([str(i) for i in self.ids[rows]], pa.string()),
                "label": pa.array([m.classes[c] for c in m.inputs.labels[rows]], pa.string()),
                "sample_weight": pa.array(made.weight),
                "epoch": pa.array(made.stage),
                "sample_weight_shuffled": pa.array(made.weight[made.shuffled]),
                "epoch_shuffled": pa.array(made.stage[made.shuffled]),
            }
        ).replace_schema_metadata({"winnow_curriculum": json.dumps(plain(said))})
        save_table(path, table)
        return said

    # ── keeping ─────────────────────────────────────────────────────────────────────────────────────────────────

    def save(self, choice: SubsetChoice, name: str, actor: str) -> Selection:
        """Keep a subset under a name, with its method, settings and fingerprint, for ``actor``. Raises QueryError for a name that is
        taken, NotAllowed.
        """
        made: Selection = self.saved.save(
            name,
            choice.ids,
            actor=actor,
            generation=self.generation,
            method=choice.wish.method,
            params=choice.wish.to_json(),
            fingerprint=choice.fingerprint,
            weights=choice.weights,
        )
        return made

    def find(self, name: str) -> Selection:
        """A kept selection by its name (any kind: chosen, or drawn on the map). Raises QueryError naming those there are."""
        there = self.saved.all()
        for found in there:
            if name in (found.handle, found.name) or found.name.casefold() == name.casefold():
                return found
        raise QueryError(f"No selection is called {name!r}. There are: {choices(s.name for s in there)}.")

    def kept(self, selection: Selection) -> SubsetChoice:
        """A kept selection as a choice: the samples that are in this scan, with the weights and settings it was kept with.

        One that a person made has the method "random" in its wish, and every other setting as usual.
        """
        table = self.saved.table(selection.handle)
        ids = table.column("sample_id").to_pylist()
        there = self._row_of.find(ids) >= 0
        mine = [i for i, is_there in zip(ids, there, strict=True) if is_there]
        weights = table.column("weight").to_numpy()[there] if "weight" in table.column_names else None
        wish = SubsetRequest(**selection.params) if selection.params else SubsetRequest()
        mark = selection.fingerprint or fp.of(self.generation, ids)
        missing = len(ids) - len(mine)
        notices = (f"{missing:,} of its samples are not in this scan.",) if missing else ()
        return SubsetChoice(wish, self.rows(mine), mine, weights, len(mine), 0, notices, mark)

    def members(self, name: str) -> list[str]:
        """The ids of a kept selection that are in this scan, in their order."""
        return [i for i in self.saved.ids(self.find(name).handle) if i in self._row_of]


def leading_directions(vectors: Any, k: int, seed: int = 0) -> Float32:
    """(d, k) float32 orthonormal: the leading k eigenvectors of ZᵀZ over at most 20,000 rows, drawn at random.

    Parameters
    ----------
    vectors
        (n, d) any float, may be memory-mapped; k ≤ d.
    """
    n, d = vectors.shape
    rng = np.random.default_rng(seed)
    rows = np.arange(n) if n <= _SAMPLE else np.sort(rng.choice(n, _SAMPLE, replace=False))
    gram = np.zeros((d, d))
    for start in range(0, len(rows), 8192):
        block = np.asarray(vectors[rows[start : start + 8192]], np.float32)
        gram += block.T @ block
    out: Float32 = np.linalg.eigh(gram)[1][:, ::-1][:, :k].astype(np.float32)
    return out


def _shifts(table: Sequence[Share], what: str) -> list[str]:
    moved = sorted((s for s in table if s.shifted), key=lambda s: -abs(s.after - s.before))
    return [f"The {what} {s.name!r} goes from {s.before:.1%} to {s.after:.1%} of the data." for s in moved[:8]]
