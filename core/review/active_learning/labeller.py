"""Labelling with help: what the settled labels say about the rest, what to label next, and accepting many at once.

In: the scan's half-whitened vectors and neighbour graph, and the decisions in force. Out: suggestions with
probabilities, an order, an estimate of the error of accepting, and decisions. Nothing here is stored: it follows from
the log.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import pyarrow.compute as pc

from ...errors import QueryError
from ...storage.artifacts import load_table
from ...storage.decision_log.state import PROPAGATED
from ...storage.scan_context import ScanContext
from ...types import Bool, Decision, Float32, Int32, Int64, Kind
from .label_model import (
    ENOUGH_FOR_PROBE,
    MOST_ANCHORS,
    Anchors,
    LabelModel,
    Tuning,
    fit_label_model,
    neighbour_averaged,
    stated_error,
    tune,
)
from .label_queue import doubt, next_samples

TOP = 5
"""Suggestions that are kept of each sample."""
_GIVEN_WEIGHT = 0.5
"""Weight of a label that came with the data beside a person's, before the scan's doubt about it."""
_GROWTH = 1.3
"""The model is tuned again when there are this many times as many settled samples."""
_TUNED_ON = 1_000
_LEAST_WORDS = 0.05
"""Part in a suggestion below which the names of the classes no longer count."""
_POWERS = np.geomspace(0.05, 1.0, 15)
_STABILITY = 30
"""Labels that are left out to see how many suggestions they have changed."""
_WATCHED = 2_000
_LARGEST_REFIT = 200_000
"""Settled samples × classes up to which a second model is fitted for that: a quarter of a second."""
_STABLE = 0.99
"""Cohen's kappa between the suggestions with and without these labels from which on more of them change little."""
_OUTLIER = 2.5
"""Standard deviations below the usual similarity to a group's mean at which a sample does not belong to it."""


@dataclass(frozen=True)
class BulkEstimate:
    """What accepting the likeliest label of every open sample with probability ≥ ``threshold`` would do.

    Attributes
    ----------
    threshold
        In [0, 1].
    count, of
        Samples that would get a label, and open samples.
    error
        Estimated share of wrong labels among them, in [0, 1] (:func:`.label_model.stated_error`); NaN where there are
        none.
    by_class
        Class → how many samples would get it, the most frequent first.
    """

    threshold: float
    count: int
    of: int
    error: float
    by_class: dict[str, int]


@dataclass(frozen=True)
class LabelState:
    """What is known after the decisions in force.

    Attributes
    ----------
    classes
        Names by code.
    anchors
        The settled samples.
    model
        None before the first label.
    rows
        (m,) int64 rows without a label that nobody has excluded or disputed, ascending: those to label.
    codes, probs
        (m, ≤ 5) classes of each, the likeliest first, and their probabilities.
    in_doubt
        (m,) float32 in [0, 1].
    """

    classes: tuple[str, ...]
    anchors: Anchors
    model: LabelModel | None
    rows: Int64
    codes: Int32
    probs: Float32
    in_doubt: Float32


@dataclass(frozen=True)
class NamesAlone:
    """What the names of the classes say of every sample, without any label.

    Attributes
    ----------
    probs
        (n, C) float32, rows sum to 1.
    power
        That they are raised to: what fits the labels so far best, as they come too sure.
    weight
        In (0, 1], their part in a suggestion: C / (C + settled samples), as if they were one label of each class.
    """

    probs: Float32
    power: float
    weight: float

    def of(self, rows: Int64) -> Float32:
        """(len(rows), C) float32 probabilities, rows sum to 1."""
        p = np.maximum(self.probs[rows], 1e-9) ** self.power
        return cast("Float32", (p / p.sum(1, keepdims=True)).astype(np.float32))


class Labeller:
    """Labelling with help in one scan. Safe to share between threads.

    Parameters
    ----------
    scan
        The scan and its log.
    head
        Returns a value that changes whenever the log does.
    append
        Records decisions: all or none.
    by_names
        Names of classes → (n, C) float32 probability of each by its name alone; None where the encoder knows no words.
    """

    def __init__(
        self,
        scan: ScanContext,
        head: Callable[[], object],
        append: Callable[[Sequence[dict[str, Any]], str], list[Decision]],
        by_names: Callable[[Sequence[str]], Float32 | None] = lambda names: None,
    ) -> None:
        self._by_names = by_names
        self._stable: tuple[LabelState, dict[str, Any] | None] | None = None
        self._named: tuple[tuple[str, ...], Float32 | None] | None = None
        self._context, self._head, self._append = scan, head, append
        self._lock = threading.Lock()
        self._cached: tuple[object, LabelState] | None = None
        self._tuned: tuple[Anchors, Tuning] | None = None

    # ── arrays ──────────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _ok(self) -> Bool:
        ok = self._context.files.ok
        return ok if ok is not None else np.zeros(len(self._context.ids), bool)

    @cached_property
    def features(self) -> Float32 | None:
        """(n, r) float32 vectors averaged with those of their neighbours; None where the scan has no graph."""
        files, n = self._context.files, len(self._context.ids)
        whitened, graph = files.whitened, files.label_graph
        if whitened is None or graph is None or len(whitened) != n or len(graph.indices) != n or not whitened.shape[1]:
            return None
        return neighbour_averaged(whitened, graph, self._ok)

    @cached_property
    def _trust(self) -> Float32:
        """(n,) float32 weight of the given labels."""
        p = load_table(self._context.layout.verdicts, columns=[Kind.NOISY_LABEL.value]).column(0).to_numpy()
        return cast("Float32", np.maximum(_GIVEN_WEIGHT * (1.0 - np.nan_to_num(p)), 0.05).astype(np.float32))

    # ── state ───────────────────────────────────────────────────────────────────────────────────────────────────

    def now(self) -> LabelState:
        """What the labels in force say; computed again only when the log has changed."""
        head = self._head()
        with self._lock:
            if self._cached is None or self._cached[0] != head:
                self._cached = (head, self._compute())
            return self._cached[1]

    def _compute(self) -> LabelState:
        context = self._context
        classes = tuple(context.classes())
        code = {name: i for i, name in enumerate(classes)}
        state = context.store.state_table()
        labels = context.labels.effective()
        free = np.array([label is None for label in labels.tolist()], bool)
        blocked = state.filter(pc.is_in(state.column("state"), pc.cast(["exclude", "disputed"], "string")))
        rows = context.row_of.find(blocked.column("sample_id"))
        free[rows[rows >= 0]] = False
        anchors = self._anchors(labels, code)
        open_rows = np.flatnonzero(free & self._ok).astype(np.int64)
        features = self.features
        model = None
        if features is not None and anchors.m and classes:
            model = fit_label_model(features[anchors.rows], anchors, self._tuning(anchors, features))
        codes, probs, doubtful = _suggest(model, features, open_rows, self._names_alone(classes, anchors))
        return LabelState(classes, anchors, model, open_rows, codes, probs, doubtful)

    def _names_alone(self, classes: tuple[str, ...], anchors: Anchors) -> NamesAlone | None:
        """What the names of the classes say of every sample, as long as that still counts."""
        weight = len(classes) / max(len(classes) + float(anchors.weight.sum()), 1.0)
        if weight < _LEAST_WORDS:
            return None
        if self._named is None or self._named[0] != classes:
            self._named = (classes, self._by_names(classes))
        p = self._named[1]
        if p is None:
            return None
        own = np.maximum(p[anchors.rows, anchors.codes], 1e-6) if anchors.m else np.zeros(0)
        rest = p[anchors.rows] if anchors.m else np.zeros((0, len(classes)))
        power = max(_POWERS, key=lambda power: _likelihood(own, rest, power))
        return NamesAlone(p, float(power), weight)

    def _anchors(self, labels: Any, code: dict[str, int]) -> Anchors:
        """The settled samples: given labels first, then people's in the order in which they gave them."""
        context = self._context
        state = context.store.state_table().sort_by("at")
        own = state.filter(pc.equal(state.column("label_source"), "person"))
        people = context.row_of.find(own.column("sample_id"))
        people = people[people >= 0]
        people = people[self._ok[people]]
        settled = np.zeros(len(labels), bool)
        every = context.row_of.find(state.column("sample_id"))
        settled[every[every >= 0]] = True
        coded = np.array([code.get(label, -1) for label in labels.tolist()], np.int32)
        people = people[coded[people] >= 0][-MOST_ANCHORS:]
        given = np.flatnonzero((coded >= 0) & ~settled & self._ok)
        given = _some_of_each(given, coded[given], MOST_ANCHORS - len(people))
        rows = np.concatenate([given, people]).astype(np.int64)
        weight = np.concatenate([self._trust[given] if len(given) else np.zeros(0), np.ones(len(people))])
        return Anchors(rows, coded[rows], weight.astype(np.float32), len(code))

    def _tuning(self, anchors: Anchors, features: Float32) -> Tuning:
        """Tuned on the first of the settled samples: on as many as in the last of growing steps."""
        m = float(ENOUGH_FOR_PROBE)
        while m * _GROWTH <= anchors.m:
            m *= _GROWTH
        first = anchors if anchors.m < ENOUGH_FOR_PROBE else anchors.first(int(m))
        if first.m > _TUNED_ON:
            kept = np.sort(np.random.default_rng(0).choice(first.m, _TUNED_ON, replace=False))
            first = Anchors(first.rows[kept], first.codes[kept], first.weight[kept], first.classes)
        if self._tuned is None or not _same(self._tuned[0], first):
            self._tuned = (first, tune(features[first.rows], first))
        return self._tuned[1]

    # ── suggestions ─────────────────────────────────────────────────────────────────────────────────────────────

    def suggestions(self, ids: Sequence[str]) -> list[list[tuple[str, float]]]:
        """Classes of each sample with probabilities, the likeliest first; [] where the sample is not to be labelled."""
        now = self.now()
        place = self._places(now, ids)
        return [
            []
            if i < 0
            else [(now.classes[c], float(p)) for c, p in zip(now.codes[i], now.probs[i], strict=True) if p > 0]
            for i in place.tolist()
        ]

    def neighbours(self, sample_id: str, k: int = 8, now: LabelState | None = None) -> list[tuple[str, str, float]]:
        """The settled samples most like a sample, which its suggestion comes from: (id, class, cosine distance)."""
        now, row = now or self.now(), self._context.row(sample_id)
        features, anchors = self.features, now.anchors
        if features is None or not anchors.m:
            return []
        similar = features[anchors.rows] @ features[row]
        similar[anchors.rows == row] = -2.0
        nearest = np.argsort(-similar, kind="stable")[: min(k, anchors.m)]
        ids, names = self._context.ids, now.classes
        return [
            (str(ids[anchors.rows[i]]), names[anchors.codes[i]], float(1.0 - similar[i]))
            for i in nearest.tolist()
            if similar[i] > -2.0
        ]

    def card_parts(self, sample_id: str) -> dict[str, Any]:
        """What a card shows of a sample that is to be labelled: suggestions, the labelled samples they come from, why.

        By what was known at the last reordering, so that a page of cards costs nothing after each key; {} where nothing
        is suggested.
        """
        with self._lock:
            now = self._cached[1] if self._cached is not None else None
        now = now or self.now()
        place = int(self._places(now, [sample_id])[0])
        if place < 0 or not now.codes.shape[1]:
            return {}
        suggested = [
            [now.classes[c], round(float(p), 4)]
            for c, p in zip(now.codes[place], now.probs[place], strict=True)
            if p > 0
        ]
        if not suggested:
            return {}
        near = self.neighbours(sample_id, now=now)
        alike = sum(name == suggested[0][0] for _, name, _ in near)
        reason = f"{alike} of the {len(near)} labelled samples most like it are *{suggested[0][0]}*."
        texts = {i: self._context.dataset.take([self._context.row(i)])[0]["text"] for i, _, _ in near}
        return {
            "suggestions": suggested,
            "reason": reason if near else f"By the names of the classes alone, *{suggested[0][0]}* fits best.",
            "neighbors": [
                {
                    "id": i,
                    "text": (texts[i] or "")[:200] or None,
                    "label": name,
                    "distance": round(d, 4),
                    "agrees": None,
                }
                for i, name, d in near
            ],
        }

    def next_ids(self, count: int, ids: Sequence[str] | None = None) -> list[str]:
        """Samples to label next, the most useful first: at most ``count`` of these (None = of all)."""
        now, features = self.now(), self.features
        place = np.arange(len(now.rows)) if ids is None else np.unique(self._places(now, ids))
        place = place[place >= 0]
        if features is None:
            return [str(i) for i in self._context.ids[now.rows[place[:count]]]]
        open_, doubtful = np.zeros(len(features), bool), np.zeros(len(features), np.float32)
        open_[now.rows[place]], doubtful[now.rows] = True, now.in_doubt
        rows = next_samples(features, now.anchors.rows, open_, doubtful, count, seed=0)
        return [str(i) for i in self._context.ids[rows]]

    def _places(self, now: LabelState, ids: Sequence[str]) -> Int64:
        """(len(ids),) place of each sample among ``now.rows``, −1 = it is not to be labelled."""
        rows = self._context.row_of.rows(ids)
        if not len(now.rows):
            return np.full(len(rows), -1, np.int64)
        place = np.minimum(np.searchsorted(now.rows, rows), len(now.rows) - 1)
        return np.where(now.rows[place] == rows, place, -1).astype(np.int64)

    def probability_of(self, names: Sequence[str]) -> Float32:
        """(n, len(names)) float32 probability of these classes for every sample, 0 before anybody has used them."""
        now, features = self.now(), self.features
        out = np.zeros((len(self._context.ids), len(names)), np.float32)
        if now.model is None or features is None:
            return out
        codes = [now.classes.index(name) for name in names]
        for start in range(0, len(out), 16_384):
            out[start : start + 16_384] = now.model.predict(features[start : start + 16_384])[:, codes]
        return out

    # ── many at once ────────────────────────────────────────────────────────────────────────────────────────────

    def estimate(self, threshold: float, ids: Sequence[str] | None = None) -> BulkEstimate:
        """What :meth:`accept` would do.

        Parameters
        ----------
        threshold
            Least probability, in [0, 1].
        ids
            Only these samples; None = all.
        """
        now = self.now()
        place = self._above(now, _checked_threshold(threshold), ids)
        of = len(now.rows) if ids is None else int((self._places(now, ids) >= 0).sum())
        if not len(place):
            return BulkEstimate(threshold, 0, of, float("nan"), {})
        counts = np.bincount(now.codes[place, 0], minlength=len(now.classes))
        by_class = {now.classes[i]: int(counts[i]) for i in np.argsort(-counts, kind="stable") if counts[i]}
        return BulkEstimate(threshold, len(place), of, float(_stated(now, place)[-1]), by_class)

    def thresholds(
        self, errors: Iterable[float] = (0.01, 0.02, 0.05, 0.1, 0.2), ids: Sequence[str] | None = None
    ) -> dict[float, float]:
        """Error → least probability at which the estimated share of wrong labels stays within it (2.0 = none does)."""
        now = self.now()
        place = self._above(now, 0.0, ids)
        if not len(place):
            return dict.fromkeys(errors, 2.0)
        p, stated = -np.sort(-now.probs[place, 0]), _stated(now, place)
        within = {e: np.flatnonzero(stated <= e) for e in errors}
        return {e: float(p[k[-1]]) if len(k) else 2.0 for e, k in within.items()}

    def _above(self, now: LabelState, threshold: float, ids: Sequence[str] | None) -> Int64:
        if not now.codes.shape[1]:
            return np.zeros(0, np.int64)
        place = np.arange(len(now.rows)) if ids is None else np.unique(self._places(now, ids))
        place = place[place >= 0]
        p = now.probs[place, 0]
        return cast("Int64", place[(p >= threshold) & (p > 0)].astype(np.int64))

    def accept(
        self, threshold: float, actor: str, ids: Sequence[str] | None = None, batch_id: str | None = None
    ) -> tuple[str, BulkEstimate]:
        """Give every open sample its likeliest class where its probability is at least ``threshold``: one batch.

        The labels carry their probability and generation, teach nothing to later suggestions, and give way to whatever
        a person says about the sample. One undo takes all of them back.

        Returns
        -------
        tuple
            The batch's id, and the estimate that was acted on.
        """
        now = self.now()
        estimate = self.estimate(threshold, ids)
        batch = batch_id or uuid.uuid4().hex
        known = self._context.store.state_table().column("generation")
        generation = 1 + (pc.max(known).as_py() or 0)
        ids_, items = self._context.ids, []
        for i in self._above(now, threshold, ids).tolist():
            source = {PROPAGATED: {"probability": round(float(now.probs[i, 0]), 4), "generation": generation}}
            items.append(
                {
                    "sample_id": str(ids_[now.rows[i]]),
                    "action": "relabel",
                    "label": now.classes[now.codes[i, 0]],
                    "batch_id": batch,
                    "source": source,
                }
            )
        self._append(items, actor)
        return batch, estimate

    def alike(self, ids: Sequence[str]) -> tuple[list[str], list[str]]:
        """Split a group (a cluster, a lasso) into what one label would fit, and outliers, which are left out.

        Only samples that are to be labelled are in either list. An outlier lies 2.5 robust standard deviations below
        the group's usual similarity to its mean.
        """
        now, features = self.now(), self.features
        place = self._places(now, ids)
        wanted = [i for i, at in enumerate(place.tolist()) if at >= 0]
        if features is None or len(wanted) < 3:
            return [ids[i] for i in wanted], []
        x = features[now.rows[place[wanted]]]
        mean = np.median(x, axis=0)
        similar = x @ (mean / max(float(np.linalg.norm(mean)), 1e-9))
        middle = float(np.median(similar))
        spread = 1.4826 * float(np.median(np.abs(similar - middle)))
        fits = similar >= middle - _OUTLIER * max(spread, 1e-6)
        return (
            [ids[i] for i, good in zip(wanted, fits.tolist(), strict=True) if good],
            [ids[i] for i, good in zip(wanted, fits.tolist(), strict=True) if not good],
        )

    def report(self) -> dict[str, Any]:
        """How far labelling has come, and what cannot be known yet, as plain values."""
        now, state = self.now(), self._context.store.state_table()
        source = state.column("label_source").to_pylist()
        used = np.bincount(now.anchors.codes, minlength=len(now.classes)) if now.anchors.m else np.zeros(0, int)
        return {
            "samples": len(self._context.ids),
            "to_label": len(now.rows),
            "by_people": source.count("person"),
            "propagated": source.count(PROPAGATED),
            "classes": len(now.classes),
            "notes": self._notes(now, used),
            "stability": self._stability(now),
        }

    def _stability(self, now: LabelState) -> dict[str, Any] | None:
        """How many suggestions the last labels have changed, and whether more of them would change any.

        Returns
        -------
        dict or None
            ``labels`` that were left out, ``changed`` share of the suggestions that are others without them, their
            ``kappa``, and ``stop``; None while there are too few labels.

        References
        ----------
        Bloodgood, Vijay-Shanker, "A Method for Stopping Active Learning Based on Stabilizing Predictions and the Need
        for User-Adjustable Stopping", CoNLL 2009.
        """
        if self._stable is None or self._stable[0] is not now:
            self._stable = (now, self._without_the_last(now))
        return self._stable[1]

    def _without_the_last(self, now: LabelState) -> dict[str, Any] | None:
        m, features = now.anchors.m, self.features
        if features is None or now.model is None or m < 2 * _STABILITY or not len(now.rows):
            return None
        if m * len(now.classes) > _LARGEST_REFIT:
            return None
        before = now.anchors.first(m - _STABILITY)
        if len(np.unique(before.codes)) < 2:
            return None
        watched = now.rows[np.linspace(0, len(now.rows) - 1, min(len(now.rows), _WATCHED)).astype(np.int64)]
        earlier = fit_label_model(features[before.rows], before, now.model.tuning)
        one, other = (model.predict(features[watched]).argmax(1) for model in (now.model, earlier))
        counts = np.zeros((2, len(now.classes)))
        for i, codes in enumerate((one, other)):
            counts[i] = np.bincount(codes, minlength=len(now.classes)) / len(watched)
        agree, chance = float((one == other).mean()), float(counts[0] @ counts[1])
        kappa = 1.0 if chance >= 1.0 else (agree - chance) / (1.0 - chance)
        return {"labels": _STABILITY, "changed": 1.0 - agree, "kappa": kappa, "stop": kappa >= _STABLE}

    def _notes(self, now: LabelState, used: Any) -> list[str]:
        if self.features is None:
            return ["This workspace holds no neighbour graph, so nothing can be suggested. Scan again."]
        notes = []
        in_use = int((used > 0).sum())
        if not now.anchors.m:
            notes.append("Nothing is labelled yet: suggestions begin with the second class.")
        elif in_use == 1:
            notes.append(
                f"Only {now.classes[int(np.argmax(used))]!r} is in use: with one class every sample looks like it. "
                "Label a sample of another class."
            )
        alone = [now.classes[i] for i in np.flatnonzero(used == 1)]
        if alone and in_use > 1:
            names = ", ".join(repr(name) for name in alone[:3]) + (" …" if len(alone) > 3 else "")
            notes.append(
                f"{len(alone)} of {in_use} classes have a single sample ({names}): how well they are told apart cannot "
                "be known, and probabilities are kept low until each has two."
            )
        if not len(now.rows):
            notes.append("Every sample has a label.")
        return notes


def _stated(now: LabelState, place: Int64) -> Any:
    """(len(place),) error to state for accepting the surest one, two and so on of these places."""
    p = -np.sort(-now.probs[place, 0])
    return stated_error(p, float(now.anchors.weight.sum()), len(now.rows))


def _likelihood(own: Any, rest: Any, power: float) -> float:
    """Σ log p of the settled classes with probabilities raised to a power; the middle power is preferred a little."""
    scaled = np.log(np.sum(np.maximum(rest, 1e-9) ** power, axis=1))
    return float(np.sum(power * np.log(own) - scaled)) - float(abs(np.log(power / _POWERS[len(_POWERS) // 2])))


def _suggest(
    model: LabelModel | None, features: Float32 | None, rows: Int64, names: NamesAlone | None
) -> tuple[Int32, Float32, Float32]:
    """Codes and probabilities of the likeliest classes of these rows, and how much each is in doubt."""
    learned = features is not None and model is not None and model.used.sum() >= 2
    classes = names.probs.shape[1] if names is not None else len(model.means) if model is not None else 0
    k = min(TOP, classes)
    codes, probs = np.zeros((len(rows), k), np.int32), np.zeros((len(rows), k), np.float32)
    doubtful = np.ones(len(rows), np.float32)
    if not learned and names is None:  # with one class every sample would get it for certain
        return codes[:, :0], probs[:, :0], doubtful
    for start in range(0, len(rows), 16_384):
        part = slice(start, start + 16_384)
        p = model.predict(features[rows[part]]) if learned and model is not None and features is not None else None
        if names is not None:
            said = names.of(rows[part])
            p = said if p is None else ((1 - names.weight) * p + names.weight * said).astype(np.float32)
        assert p is not None
        doubtful[part] = doubt(p)
        best = np.argpartition(-p, k - 1, axis=1)[:, :k] if k < p.shape[1] else np.tile(np.arange(k), (len(p), 1))
        order = np.argsort(-np.take_along_axis(p, best, 1), axis=1, kind="stable")
        codes[part] = np.take_along_axis(best, order, 1)
        probs[part] = np.take_along_axis(p, codes[part].astype(np.int64), 1)
    return codes, probs, doubtful


def _some_of_each(rows: Int64, codes: Int32, count: int) -> Int64:
    """At most ``count`` rows, drawn from each class in turn, ascending."""
    if len(rows) <= count:
        return rows
    shuffled = np.random.default_rng(0).permutation(len(rows))
    by_class = shuffled[np.argsort(codes[shuffled], kind="stable")]
    sorted_codes = codes[by_class]
    turn = np.arange(len(rows)) - np.searchsorted(sorted_codes, sorted_codes)
    return np.sort(rows[by_class[np.argsort(turn, kind="stable")[: max(count, 0)]]])


def _same(a: Anchors, b: Anchors) -> bool:
    arrays = ((a.rows, b.rows), (a.codes, b.codes), (a.weight, b.weight))
    return a.classes == b.classes and all(np.array_equal(x, y) for x, y in arrays)


def _checked_threshold(threshold: float) -> float:
    if not 0.0 <= threshold <= 1.0:
        raise QueryError(f"The least probability is a number from 0 to 1, such as 0.9, not {threshold!r}.")
    return threshold
