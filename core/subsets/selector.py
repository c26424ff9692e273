"""Selecting a subset of a workspace: methods, constraints, its report, its training weights, and saving it by name."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa

from .. import fingerprint as fp
from ..errors import QueryError, choices, plural
from ..explore.summary import Summarised, SummaryTable, number
from ..parallel import deterministic_blas
from ..review.roles import Right
from ..review.saved_selections import SavedSelections, Selection
from ..storage.artifacts import load_table, plain, save_table
from ..storage.scan_context import ScanContext
from ..types import Bool, Float32, Int32, Int64, Neighbors
from .constraints import Constraints, choose, narrowed
from .curricula import curriculum
from .holdout import held_out
from .measures import Coverage, Share, coverage, gradient_vendi, share_table, vendi
from .methods import SELECTORS, Need, SelectionInputs, missing_inputs

_DIM = 512
"""Embeddings are projected on at most this many principal directions before a subset is selected."""

_SAMPLE = 20_000
"""The principal directions are computed from at most this many embeddings."""

_CARDS = 64
"""Number of scores (of random subsets and of pools) kept in memory."""


@dataclass(frozen=True)
class SubsetRequest:
    """Which subset is wanted. It is saved with the subset, so that the subset can be reproduced.

    Attributes
    ----------
    method
        Name of a registered method.
    budget
        "500" (samples), "30%" (of the pool) or "auto" (methods that size themselves).
    seed
        Of everything random.
    quality, diversity
        The sliders, in [0, 1].
    per_class
        Least number of samples of each class.
    keep_groups
        Whether groups keep their share of the pool.
    guard
        Whether guarded rare samples are always selected.
    deduplicate
        Whether one sample of each duplicate group is enough.
    holdout
        Whether held-out samples may be selected.
    options
        The method's own settings.
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
        """Plain values, for the job's request and the saved selection."""
        return {**asdict(self), "options": dict(self.options)}

    def fingerprint(self, among: Sequence[str] | None = None, target: Sequence[str] | None = None) -> str:
        """The cache key of the request among these ids and for this target."""
        return fp.of(self, [None if ids is None else fp.of_strings(ids) for ids in (among, target)])


@dataclass(frozen=True, repr=False)
class SubsetChoice(Summarised):
    """A selected subset.

    Attributes
    ----------
    request
        What was asked for.
    rows
        (m,) int64, in order of selection.
    ids
        Sample ids of ``rows``.
    weights
        (m,) float32 ≥ 0, None = all the same.
    pool
        Number of samples to select from.
    forced
        Number of samples that a constraint demanded.
    notices
        Sentences for the person.
    fingerprint
        Of the scan, of labels, pool and trust under the decisions in force, and of the request.
    info
        Plain values that the method reports.
    """

    request: SubsetRequest
    rows: Int64
    ids: list[str]
    weights: Float32 | None
    pool: int
    forced: int
    notices: tuple[str, ...]
    fingerprint: str
    info: Mapping[str, Any] = field(default_factory=dict)

    def summary_table(self) -> SummaryTable:
        """Its method and size."""
        method = SELECTORS.get(self.request.method)
        title = f"{len(self.ids):,} of {plural(self.pool, 'sample')} by {method.name}"
        rows = [
            ("budget", str(self.request.budget)),
            ("demanded by a constraint", f"{self.forced:,}"),
            ("first samples", ", ".join(self.ids[:5])),
            *(("note", notice) for notice in self.notices),
        ]
        return SummaryTable(title, (), rows, method.explain)


@dataclass(frozen=True)
class SubsetScores:
    """Scores of a subset that need no training; NaN where an input is missing.

    Attributes
    ----------
    size
        Number of samples.
    quality
        Mean trust in [0, 1], 1 = all trusted.
    diversity
        Vendi score of the embeddings, in [1, size].
    gradient_diversity
        Vendi score of the probe's loss gradients.
    complexity
        Mean hardness in [0, 1].
    coverage
        Cosine distances from the pool to the subset.
    """

    size: int
    quality: float
    diversity: float
    gradient_diversity: float
    complexity: float
    coverage: Coverage


@dataclass(frozen=True, repr=False)
class SubsetReport(Summarised):
    """A subset beside a random one of its size and the pool, in scores that need no training.

    Attributes
    ----------
    subset, random, pool
        Their scores.
    classes, groups
        Shares in the pool and in the subset.
    warnings
        Sentences about shares that the selection changed.
    """

    subset: SubsetScores
    random: SubsetScores
    pool: SubsetScores
    classes: list[Share]
    groups: list[Share]
    warnings: tuple[str, ...]

    def summary_table(self) -> SummaryTable:
        """The scorecard."""
        head = ("", "this subset", "random, same size", "all")
        cards = (self.subset, self.random, self.pool)
        rows = [(title, *(number(score(card)) for card in cards)) for title, score in SCORES.items()]
        return SummaryTable("Scores that need no training", head, rows, " ".join(self.warnings))


SCORES: dict[str, Callable[[SubsetScores], float]] = {
    "quality (mean trust)": lambda c: c.quality,
    "diversity (Vendi)": lambda c: c.diversity,
    "of gradients (G-Vendi)": lambda c: c.gradient_diversity,
    "complexity (hardness)": lambda c: c.complexity,
    "coverage radius": lambda c: c.coverage.radius,
    "coverage, 95th percentile": lambda c: c.coverage.p95,
}
"""Lines of the scorecard."""


@dataclass(frozen=True)
class SelectionContext:
    """The inputs of all methods under the decisions in force; n samples in row order.

    Attributes
    ----------
    inputs
        The arrays that methods see.
    classes
        Class names by code.
    group_names
        Source names by code.
    given
        (n,) int32 given labels, mapped by the class registry, −1 = none.
    usable
        (n,) bool, has an embedding.
    excluded
        (n,) bool, excluded by a person.
    reviewed
        (n,) bool, accepted or relabelled.
    held_out
        (n,) bool, the held-out samples.
    keeper
        (n,) int32 row that is kept in place of a duplicate, −1 = none.
    guarded
        (n,) bool, rare samples that a subset should not lose.
    full_pool
        (n,) bool, the pool when nothing restricts it: held-out samples and judges are drawn from it even where a
        selection is made among fewer samples.
    """

    inputs: SelectionInputs
    classes: tuple[str, ...]
    group_names: tuple[str, ...]
    given: Int32
    usable: Bool
    excluded: Bool
    reviewed: Bool
    held_out: Bool
    keeper: Int32
    guarded: Bool
    full_pool: Bool


@dataclass(frozen=True)
class CurriculumConfig:
    """How to weigh samples, and from which epoch to train on them.

    Attributes
    ----------
    curve
        Points (rank of the loss, weight), both in [0, 1]; None = not used.
    trust
        Whether to weigh by the trust in each label.
    temperature
        Of class balance in [0, 1], 0 = all classes equal; None = not used.
    epochs
        Length of the easy-to-uniform schedule.
    start
        Share of samples in the first epoch, 1 = no schedule.
    seed
        Of the shuffled baseline.
    """

    curve: Sequence[tuple[float, float]] | None = None
    trust: bool = True
    temperature: float | None = None
    epochs: int = 10
    start: float = 1.0
    seed: int = 0


class SubsetSelector:
    """Selects subsets of one workspace. Safe to share between threads.

    Parameters
    ----------
    scan
        The scan and its log.
    checks
        Called for the tables of the dataset checks.
    saved
        The selections that people saved.
    """

    def __init__(self, scan: ScanContext, checks: Callable[[], list[dict[str, Any]]], saved: SavedSelections) -> None:
        self._scan, self._checks, self.saved = scan, checks, saved
        self.ids, self.generation, self._row_of = scan.ids, scan.generation, scan.row_of
        self._lock = threading.Lock()
        self._cards: dict[tuple[str, int, int], SubsetScores] = {}

    # ── methods and inputs ──────────────────────────────────────────────────────────────────────────────────────

    def methods(self, context: SelectionContext | None = None) -> list[dict[str, Any]]:
        """List every method.

        Returns
        -------
        list of dict
            name, title, explain, uses, sizes_itself, needs_target, and why_not: why it cannot be used here ("" = it
            can; a missing target is no reason, since it comes with the request).
        """
        inputs = (context or self.context()).inputs
        out = []
        for s in SELECTORS:
            missing = [need for need in missing_inputs(s, inputs) if need != Need.TARGET]
            about = {"name": s.name, "title": s.title, "explain": s.explain, "uses": sorted(s.uses)}
            why = f"needs {' and '.join(missing)}" if missing else ""
            target = Need.TARGET in s.requires
            out.append({**about, "sizes_itself": s.sizes_itself, "needs_target": target, "why_not": why})
        return out

    @property
    def raw(self) -> Any:
        """(n, d) the stored embeddings, memory-mapped; None without embeddings."""
        return self._scan.files.vectors

    @cached_property
    def vectors(self) -> Float32 | None:
        """(n, ≤ 512) float32 unit rows, the embeddings on their leading directions, uncentred; None without them."""
        raw = self.raw
        if raw is None:
            return None
        n, d = raw.shape
        if d > _DIM:
            with deterministic_blas():  # the same on any number of cores, so that a subset can be reproduced
                basis = leading_directions(raw, _DIM)
                x = np.concatenate([np.asarray(raw[s : s + 8192], np.float32) @ basis for s in range(0, n, 8192)])
        else:
            x = np.asarray(raw, np.float32)
        return cast("Float32", x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12))

    @cached_property
    def graph(self) -> Neighbors | None:
        """The neighbour graph on raw cosine distance, in memory."""
        graph = self._scan.files.raw_graph
        if graph is None:
            return None
        return replace(graph, indices=np.asarray(graph.indices), distances=np.asarray(graph.distances))

    @cached_property
    def features(self) -> Float32 | None:
        """(n, r) float32 training features of the probe (half-whitened embeddings); None without embeddings."""
        whitened = self._scan.files.whitened
        return np.asarray(whitened, np.float32) if whitened is not None else self.vectors

    @property
    def probs(self) -> Float32 | None:
        """(n, C) out-of-sample beliefs over the dataset's own classes; None without a probe run."""
        return self._scan.files.probs

    @cached_property
    def _fixed(self) -> dict[str, Any]:
        """Inputs that do not change with decisions."""
        names = [f"{k}{s}" for k in ("noisy_label", "ood", "broken") for s in ("", "_flag")]
        verdicts = load_table(self._scan.layout.verdicts, columns=["duplicate_of", "duplicate_flag", *names])
        data = load_table(self._scan.layout.dataset, columns=["split", "source"])
        n = data.num_rows
        files = self._scan.files
        keeper = self._row_of.find(verdicts.column("duplicate_of")).astype(np.int32)
        keeper[~np.asarray(verdicts.column("duplicate_flag").to_numpy(), bool)] = -1
        sources = [v or "" for v in data.column("source").to_pylist()]
        groups = sorted(set(sources) - {""})
        code = {name: i for i, name in enumerate(groups)}
        rare: list[str] = next((t["marked"] for t in self._checks() if t["name"] == "rare_slice"), [])
        guarded = np.zeros(n, bool)
        guarded[[self._row_of[i] for i in rare if i in self._row_of]] = True
        doubt = np.max([verdicts.column(k).to_numpy() for k in ("noisy_label", "ood", "broken")], axis=0)
        flagged = np.any([verdicts.column(f"{k}_flag").to_numpy() for k in ("noisy_label", "ood", "broken")], axis=0)
        clusters = files.clusters.fine if files.clusters is not None else None
        el2n = files.beliefs.dynamics.get("el2n") if files.beliefs is not None else None
        return {
            "n": n,
            "ok": files.ok if files.ok is not None else np.ones(n, bool),
            "broken": np.asarray(verdicts.column("broken_flag").to_numpy(), bool),
            "keeper": keeper,
            "groups": np.array([code.get(v, -1) for v in sources], np.int32) if len(groups) > 1 else None,
            "group_names": tuple(groups) if len(groups) > 1 else (),
            "split": [v or "" for v in data.column("split").to_pylist()],
            "guarded": guarded,
            "quality": (1.0 - doubt).astype(np.float32),
            "flagged": np.asarray(flagged, bool),
            "clusters": clusters,
            "hardness": None if el2n is None else np.clip(el2n / np.sqrt(2.0), 0.0, 1.0).astype(np.float32),
        }

    def context(self, among: Sequence[str] | None = None, target: Sequence[str] | None = None) -> SelectionContext:
        """Read labels and trust under the decisions in force.

        Parameters
        ----------
        among
            Ids that may be selected, None = all.
        target
            Ids that the subset should resemble, None = the held-out samples.

        Raises
        ------
        QueryError
            An id is not in this workspace.
        """
        fixed = self._fixed
        classes = tuple(self._scan.classes())
        code = {name: i for i, name in enumerate(classes)}
        labels = np.array([code.get(v, -1) for v in self._scan.labels.effective()], np.int32)
        given = np.array([code.get(v, -1) for v in self._scan.labels.given()], np.int32)
        state = self._scan.store.state_table()
        rows = self._row_of.find(state.column("sample_id"))
        actions = np.array(state.column("state").to_pylist(), object)
        excluded, relabelled, accepted = (np.zeros(fixed["n"], bool) for _ in range(3))
        for mask, action in ((excluded, "exclude"), (relabelled, "relabel"), (accepted, "accept")):
            mask[rows[(rows >= 0) & (actions == action)]] = True
        reviewed = accepted | relabelled
        quality = fixed["quality"].copy()
        quality[reviewed] = 1.0
        quality[excluded] = 0.0
        hardness = fixed["hardness"]
        if hardness is not None and relabelled.any() and self.probs is not None:
            hardness = hardness.copy()
            own = [code.get(v, -1) for v in self._scan.class_names]
            column = {int(c): j for j, c in enumerate(own) if c >= 0}
            for r in np.flatnonzero(relabelled):
                p = self.probs[r].astype(np.float64)
                label = column.get(int(labels[r]))
                if label is not None:
                    p[label] -= 1.0
                hardness[r] = min(float(np.linalg.norm(p)) / np.sqrt(2.0), 1.0)
        full_pool = fixed["ok"] & ~fixed["broken"] & ~excluded
        held = held_out(fixed["split"], labels, full_pool, [str(i) for i in self.ids])
        pool = full_pool if among is None else full_pool & self._mask(among)
        inputs = SelectionInputs(
            pool=pool,
            labels=labels,
            n_classes=len(classes),
            vectors=self.vectors,
            neighbors=self.graph,
            quality=quality,
            hardness=hardness,
            flagged=fixed["flagged"] & ~reviewed,
            clusters=fixed["clusters"],
            groups=fixed["groups"],
            target=held.copy() if target is None else self._mask(target),
        )
        return SelectionContext(
            inputs=inputs,
            classes=classes,
            group_names=fixed["group_names"],
            given=given,
            usable=fixed["ok"],
            excluded=excluded,
            reviewed=reviewed,
            held_out=held,
            keeper=fixed["keeper"],
            guarded=fixed["guarded"],
            full_pool=full_pool,
        )

    def _mask(self, ids: Sequence[str]) -> Bool:
        out = np.zeros(len(self.ids), bool)
        out[self.rows(ids)] = True
        return out

    def rows(self, ids: Sequence[str]) -> Int64:
        """(m,) int64 rows of these samples.

        Raises
        ------
        QueryError
            An id is not in this workspace.
        """
        try:
            return self._row_of.rows(ids)
        except KeyError as error:
            raise QueryError(f"No sample is called {error.args[0]!r} in this workspace.") from None

    # ── selecting ───────────────────────────────────────────────────────────────────────────────────────────────

    def choose(
        self,
        request: SubsetRequest,
        *,
        among: Sequence[str] | None = None,
        target: Sequence[str] | None = None,
        context: SelectionContext | None = None,
    ) -> SubsetChoice:
        """Select a subset. Held-out samples are left out of the pool unless the request says otherwise.

        Parameters
        ----------
        request
            Method, budget, sliders and constraints.
        among, target
            See :meth:`context`; not used where ``context`` is given.
        context
            The inputs, read now where not given.

        Raises
        ------
        QueryError
            An unknown method, an invalid budget or slider, or an input that the method needs is missing.
        """
        context = context or self.context(among, target)
        inputs = self.inputs(context, request)
        with deterministic_blas():  # the page, the payoff's process and the command line must find the same subset
            result = choose(request.method, inputs, request.budget, self.rules(context, request))
        method = SELECTORS.get(request.method)
        target_rows = context.inputs.target if Need.TARGET in method.requires else None
        fingerprint = fp.of(self.state_fingerprint(context), target_rows, request.to_json(), method.version)
        ids = [str(i) for i in self.ids[result.rows]]
        return SubsetChoice(
            request,
            result.rows,
            ids,
            result.weights,
            result.pool,
            result.forced,
            result.notices,
            fingerprint,
            result.info,
        )

    def inputs(self, context: SelectionContext, request: SubsetRequest) -> SelectionInputs:
        """Arrays that a method sees under a request.

        Raises
        ------
        QueryError
            A slider is outside of [0, 1].
        """
        for name in ("quality", "diversity"):
            if not 0.0 <= getattr(request, name) <= 1.0:
                raise QueryError(f"{name} is {getattr(request, name)}: the slider goes from 0 to 1.")
        pool = context.inputs.pool if request.holdout else context.inputs.pool & ~context.held_out
        return replace(
            context.inputs,
            pool=pool,
            quality_weight=request.quality,
            diversity=request.diversity,
            seed=request.seed,
            options=request.options,
        )

    @staticmethod
    def rules(context: SelectionContext, request: SubsetRequest) -> Constraints:
        """Constraints of a request."""
        return Constraints(
            request.per_class,
            request.keep_groups,
            context.guarded if request.guard else None,
            context.keeper if request.deduplicate else None,
        )

    def candidates(self, context: SelectionContext, request: SubsetRequest) -> SelectionInputs:
        """Arrays that a method sees under a request and its constraints: duplicates are out of the pool."""
        return narrowed(self.inputs(context, request), self.rules(context, request))

    def state_fingerprint(self, context: SelectionContext) -> str:
        """Fingerprint of the scan, and of labels, pool and trust under the decisions in force."""
        inputs = context.inputs
        return fp.of(self.generation, inputs.labels, inputs.pool, inputs.quality, inputs.flagged)

    # ── scores ──────────────────────────────────────────────────────────────────────────────────────────────────

    def report(self, choice: SubsetChoice, context: SelectionContext | None = None) -> SubsetReport:
        """Score the subset, a random one of the same size, and the pool it was selected from."""
        context = context or self.context()
        seed = choice.request.seed
        inputs = self.candidates(context, choice.request)
        pool = np.flatnonzero(inputs.pool)
        size = len(choice.rows)
        fingerprint = fp.of(inputs.pool, inputs.labels, inputs.quality)
        random = self._card(
            (fingerprint, size, seed), inputs, lambda: np.random.default_rng([seed, 11]).permutation(pool)[:size]
        )
        classes = share_table(inputs.labels, context.classes, inputs.pool, choice.rows)
        groups = (
            share_table(inputs.groups, context.group_names, inputs.pool, choice.rows)
            if inputs.groups is not None
            else []
        )
        return SubsetReport(
            self._scores(inputs, choice.rows, inputs.pool),
            random,
            self._card((fingerprint, -1, 0), inputs, lambda: pool),
            classes,
            groups,
            tuple(_shifts(classes, "class") + _shifts(groups, "source")),
        )

    def _card(self, key: tuple[str, int, int], inputs: SelectionInputs, rows: Callable[[], Int64]) -> SubsetScores:
        """Scores that do not depend on the method, computed once."""
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
        """Labels as codes of the dataset's own classes, −1 where a person added the class."""
        own = {name: i for i, name in enumerate(self._scan.class_names)}
        code = np.array([*(own.get(name, -1) for name in self._scan.classes()), -1], np.int32)
        return code[labels]

    # ── weights ─────────────────────────────────────────────────────────────────────────────────────────────────

    def loss(self, context: SelectionContext) -> Float32:
        """(n,) float32 −ln of the out-of-sample probability of the label in force; NaN where there is none."""
        out = np.full(context.inputs.n, np.nan, np.float32)
        if self.probs is not None:
            own = self._own(context.inputs.labels)
            rows = np.flatnonzero(own >= 0)
            out[rows] = -np.log(np.maximum(self.probs[rows, own[rows]], 1e-7))
        return out

    def trust(self) -> Float32 | None:
        """(n,) float32 in [0, 1], 1 − the label_trust signal; None where it did not run."""
        doubt = self._scan.files.signal("label_trust")
        if doubt is None:
            return None
        return cast("Float32", (1.0 - np.nan_to_num(doubt.astype(np.float32), nan=0.0)).astype(np.float32))

    def write_curriculum(
        self, path: str | Path, config: CurriculumConfig, rows: Int64 | None = None, *, actor: str | None = None
    ) -> dict[str, Any]:
        """Write training weights and a schedule as Parquet, with their shuffled baseline beside them.

        Columns: sample_id, label, sample_weight, epoch (the first in which the sample is trained on), and
        sample_weight_shuffled and epoch_shuffled: the same values given to other samples of the class.

        Parameters
        ----------
        path
            The Parquet file.
        config
            What weights and schedule consist of.
        rows
            (m,) int64 the samples, None = all that can be trained on.
        actor
            Who writes it (default: the login name).

        Returns
        -------
        dict
            The settings and the number of rows, as they are in the metadata of the file's schema.

        Raises
        ------
        QueryError
            A setting is out of range.
        NotAllowed
            The actor may not export.
        DiskFull
            Nothing is written.
        ReadOnly
            The place cannot be written to.
        """
        self.saved.require(actor, Right.EXPORT)
        context = self.context()
        if rows is None:
            rows = np.flatnonzero(context.inputs.pool & ~context.held_out & (context.inputs.labels >= 0))
        rows = rows[context.inputs.labels[rows] >= 0]
        result = curriculum(
            rows,
            context.inputs.labels,
            loss=self.loss(context),
            points=config.curve,
            trust=self.trust() if config.trust else None,
            temperature=config.temperature,
            hardness=context.inputs.hardness,
            epochs=config.epochs,
            start=config.start,
            sure=context.reviewed,
            seed=config.seed,
        )
        settings = {**asdict(config), "generation": self.generation, "rows": len(rows)}
        table = pa.table(
            {
                "sample_id": pa.array([str(i) for i in self.ids[rows]], pa.string()),
                "label": pa.array([context.classes[c] for c in context.inputs.labels[rows]], pa.string()),
                "sample_weight": pa.array(result.weight),
                "epoch": pa.array(result.stage),
                "sample_weight_shuffled": pa.array(result.weight[result.shuffled]),
                "epoch_shuffled": pa.array(result.stage[result.shuffled]),
            }
        ).replace_schema_metadata({"winnow_curriculum": json.dumps(plain(settings))})
        save_table(path, table)
        return settings

    # ── saving ──────────────────────────────────────────────────────────────────────────────────────────────────

    def save(self, choice: SubsetChoice, name: str, actor: str) -> Selection:
        """Save a subset under a name, with its method, settings and fingerprint, for ``actor``.

        Raises
        ------
        QueryError
            The name is taken.
        NotAllowed
            The actor may not decide.
        """
        return self.saved.save(
            name,
            choice.ids,
            actor=actor,
            generation=self.generation,
            method=choice.request.method,
            params=choice.request.to_json(),
            fingerprint=choice.fingerprint,
            weights=choice.weights,
        )

    def find(self, name: str) -> Selection:
        """Find a saved selection of any kind (selected by a method, or drawn on the map) by its name.

        Raises
        ------
        QueryError
            No selection has that name; the message lists those that exist.
        """
        selections = self.saved.all()
        for selection in selections:
            if name in (selection.handle, selection.name) or selection.name.casefold() == name.casefold():
                return selection
        raise QueryError(f"No selection is called {name!r}. There are: {choices(s.name for s in selections)}.")

    def restore(self, selection: Selection) -> SubsetChoice:
        """Load a saved selection: its samples that are in this scan, with their weights and its settings.

        A selection made by hand has the method "random" in its request, and default settings.
        """
        table = self.saved.table(selection.handle)
        ids = table.column("sample_id").to_pylist()
        in_scan = self._row_of.find(ids) >= 0
        present = [i for i, known in zip(ids, in_scan, strict=True) if known]
        weights = table.column("weight").to_numpy()[in_scan] if "weight" in table.column_names else None
        request = SubsetRequest(**selection.params) if selection.params else SubsetRequest()
        fingerprint = selection.fingerprint or fp.of(self.generation, ids)
        missing = len(ids) - len(present)
        notices = (f"{missing:,} of its samples are not in this scan.",) if missing else ()
        return SubsetChoice(request, self.rows(present), present, weights, len(present), 0, notices, fingerprint)

    def members(self, name: str) -> list[str]:
        """Ids of a saved selection that are in this scan, in their order."""
        return [i for i in self.saved.ids(self.find(name).handle) if i in self._row_of]


def leading_directions(vectors: Any, k: int, seed: int = 0) -> Float32:
    """(d, k) float32 orthonormal leading eigenvectors of ZᵀZ over at most 20,000 rows, drawn at random.

    Parameters
    ----------
    vectors
        (n, d) any float, may be memory-mapped.
    k
        Number of directions, ≤ d.
    seed
        Of the draw.
    """
    n, d = vectors.shape
    rng = np.random.default_rng(seed)
    rows = np.arange(n) if n <= _SAMPLE else np.sort(rng.choice(n, _SAMPLE, replace=False))
    gram = np.zeros((d, d))
    for start in range(0, len(rows), 8192):
        block = np.asarray(vectors[rows[start : start + 8192]], np.float32)
        gram += block.T @ block
    return cast("Float32", np.linalg.eigh(gram)[1][:, ::-1][:, :k].astype(np.float32))


def _shifts(table: Sequence[Share], kind: str) -> list[str]:
    shifted = sorted((s for s in table if s.shifted), key=lambda s: -abs(s.after - s.before))
    return [f"The {kind} {s.name!r} goes from {s.before:.1%} to {s.after:.1%} of the data." for s in shifted[:8]]
