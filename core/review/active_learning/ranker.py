"""What the decisions of a workspace teach, by sample id. Nothing here is stored: it follows from the log."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...storage.artifacts import load_table
from ...storage.effective_labels import codes_of
from ...storage.id_set import IdSet
from ...storage.scan_context import ScanContext
from ...types import PROBLEMS, Float32, Kind
from .advice import Advice, Precision, advice, noise_rate, precision
from .audit_estimate import IntervalEstimate
from .estimate import RevisedBeliefs, estimate
from .propagation import suggest
from .scan_arrays import ACCEPTED, DISPUTED, EXCLUDED, RELABELLED, Decided, ScanArrays
from .similar import SimilarSamples, similar

_STATES = {"accept": ACCEPTED, "relabel": RELABELLED, "exclude": EXCLUDED, "disputed": DISPUTED}
_SORTS = {"-confidence": None, "-suspicion": None, **{f"-{kind.value}": kind for kind in PROBLEMS}}
"""Orders that the decisions can improve: the most suspicious first."""
_WORTH_OFFERING = 0.1
"""Least probability of a class that people made at which a card offers it."""
_MOVED = 10
"""Places that a sample has to move up to be counted."""

Names = Mapping[str, str | None]


@dataclass(frozen=True)
class QueueChange:
    """What a new order changed.

    Attributes
    ----------
    count
        Samples that moved up by 10 places or more into the next 100.
    what
        The commonest pair of labels among them ("horse → deer"), "" = none is common.
    most
        How many have that pair.
    """

    count: int
    what: str
    most: int

    def words(self) -> str:
        """One calm line, "" where nothing moved."""
        if not self.count:
            return ""
        samples = f"{self.count:,} sample{'' if self.count == 1 else 's'} moved up"
        return f"{samples}: more {self.what}" if self.what else samples


@dataclass(frozen=True)
class SimilarOffer:
    """Samples that would get the decision that ``sample_id`` got.

    Attributes
    ----------
    sample_id, action, label
        The decision.
    ids
        The samples, the surest first.
    probability
        That each would get the same decision, in [0, 1].
    agreeing, of
        The same was decided about ``agreeing`` of ``of`` samples like these.
    what
        The decision in words.
    expected
        How many of ``ids`` would get the same decision.
    """

    sample_id: str
    action: str
    label: str | None
    ids: list[str]
    probability: list[float]
    agreeing: int
    of: int
    what: str
    expected: float


class QueueRanker:
    """Re-estimation of one scan from the decisions in force. Safe to share between threads.

    Parameters
    ----------
    scan
        The scan and its log.
    head
        Returns a value that changes whenever the log does.
    probability_of
        Names of classes that people made since the scan → (n, k) float32 probability of each.
    """

    def __init__(
        self,
        scan: ScanContext,
        head: Callable[[], object],
        probability_of: Callable[[Sequence[str]], Float32] | None = None,
    ) -> None:
        self._context, self._head, self._probability_of = scan, head, probability_of
        self._ids, self._row_of, self._classes = scan.ids, scan.row_of, scan.class_names
        self._lock = threading.Lock()
        self._cached: tuple[object, ScanArrays, RevisedBeliefs] | None = None

    # ── arrays ──────────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _raw(self) -> ScanArrays:
        """The scan as it was written."""
        kinds = [k.value for k in PROBLEMS]
        table = load_table(
            self._context.layout.verdicts,
            columns=["verdict", "suggested_label", "cluster_fine", *kinds, *(f"{k}_flag" for k in kinds)],
        )
        files, n = self._context.files, len(self._ids)
        names, values = files.all_signals(n)
        return ScanArrays(
            labels=self._context.label_codes,
            suggested=codes_of(table.column("suggested_label"), self._classes),
            classes=len(self._classes),
            probability={k: table.column(k.value).to_numpy().astype(np.float32) for k in PROBLEMS},
            flag={k: table.column(f"{k.value}_flag").to_numpy() for k in PROBLEMS},
            primary=codes_of(table.column("verdict"), kinds).astype(np.int8),
            signals=values,
            families=tuple(family(name) for name in names),
            beliefs=_of_length(files.probs, n),
            vectors=_of_length(files.whitened, n),
            graph=files.label_graph,
            cluster=table.column("cluster_fine").to_numpy().astype(np.int32),
        )

    def _scan(self) -> tuple[ScanArrays, dict[str, int]]:
        """The scan with labels by the class registry, and name → code."""
        now = self._context.labels.renames()
        code: dict[str, int] = {}
        means = np.full(len(self._classes) + 1, -1, np.int32)
        for i, name in enumerate(self._classes):
            current = now.get(name, name)
            if current is not None:
                means[i] = code.setdefault(current, i)
        new = [name for name in self._context.classes() if name not in code]
        if not now and not new:
            return self._raw, code
        given, suggested = means[self._raw.labels], means[self._raw.suggested]
        suggested = np.where(suggested == given, -1, suggested)
        renamed = {**self._raw.__dict__, "labels": given, "suggested": suggested}
        if new and self._raw.beliefs is not None and self._probability_of is not None:
            # a class that people made is a class from its first sample on
            p = self._probability_of(new)
            old = np.asarray(self._raw.beliefs) * (1.0 - p.sum(1, keepdims=True))
            renamed |= {"beliefs": np.hstack([old, p]).astype(np.float32), "classes": len(self._classes) + len(new)}
            code |= {name: len(self._classes) + i for i, name in enumerate(new)}
        return ScanArrays(**{k: v for k, v in renamed.items() if k in ScanArrays.__dataclass_fields__}), code

    def now(self) -> tuple[ScanArrays, RevisedBeliefs]:
        """The scan and what the decisions in force teach; computed again only when the log has changed."""
        head = self._head()
        with self._lock:
            if self._cached is None or self._cached[0] != head:
                scan, code = self._scan()
                self._cached = (head, scan, estimate(scan, self._decided(scan, code)))
            return self._cached[1], self._cached[2]

    def _decided(self, scan: ScanArrays, code: Mapping[str, int]) -> Decided:
        table = self._context.store.state_table().sort_by("at")
        rows = self._row_of.find(table.column("sample_id"))
        in_scan = rows >= 0
        rows = rows[in_scan]
        state = np.array([_STATES[s] for s in table.column("state").to_pylist()], np.int8)[in_scan]
        label = np.array([code.get(v, -1) for v in table.column("label").to_pylist()], np.int32)[in_scan]
        given = scan.labels[rows]
        state = np.where((state == RELABELLED) & (label >= 0) & (label == given), ACCEPTED, state).astype(np.int8)
        return Decided(rows, state, np.where(state == ACCEPTED, given, label).astype(np.int32))

    def new_suggestions(self, row: int) -> list[list[Any]]:
        """[class, probability] where a class that people made since the scan is the likeliest other label of a sample.

        By what was known at the last reordering, as the cards of a page are made together.
        """
        with self._lock:
            cached = self._cached
        own = len(self._classes)
        if cached is None or cached[1].classes == own:
            return []
        best, p = suggest(cached[1], cached[2].decided, np.array([row]))
        return [[self._name(int(best[0])), round(float(p[0]), 4)]] if best[0] >= own and p[0] >= _WORTH_OFFERING else []

    # ── the queue ───────────────────────────────────────────────────────────────────────────────────────────────

    @staticmethod
    def can_order(sort: str) -> bool:
        """Whether decisions can improve an order: those by suspicion. All others stay as they are."""
        return sort in _SORTS

    def order(self, ids: Sequence[str], sort: str) -> tuple[Sequence[str], QueueChange]:
        """The same samples, those likeliest to be confirmed first, and what that changed.

        Without decisions, or in an order that is not by suspicion, nothing moves; nor do samples that ask for no
        decision (clean, hard, naive). An IdSet stays one.
        """
        if not self.can_order(sort) or not ids:
            return ids, QueueChange(0, "", 0)
        scan, now = self.now()
        if not any(now.n_decisions.values()):
            return ids, QueueChange(0, "", 0)
        rows = self._row_of.rows(ids)
        place = self._places(scan, now, rows, sort)
        ordered = ids.take(place) if isinstance(ids, IdSet) else [ids[i] for i in place.tolist()]
        return ordered, self._moved(scan, rows, place)

    def _places(self, scan: ScanArrays, now: RevisedBeliefs, rows: NDArray[np.int64], sort: str) -> NDArray[np.int64]:
        """(m,) the order of :meth:`order`: which of ``rows`` comes first, second and so on."""
        place = np.arange(len(rows))
        if not self.can_order(sort) or not any(now.n_decisions.values()):
            return place
        problem = self._asked(scan, rows, sort)
        p = np.zeros(len(rows))
        for i, kind in enumerate(PROBLEMS):
            of_kind = problem == i
            p[of_kind] = now.probability[kind][rows[of_kind]]
        slots = np.flatnonzero(problem >= 0)
        broken = problem[slots] == PROBLEMS.index(Kind.BROKEN)
        place[slots] = slots[np.lexsort((-p[slots], broken))]  # in a queue of several kinds, those come last
        return place

    @staticmethod
    def _asked(scan: ScanArrays, rows: NDArray[np.int64], sort: str) -> NDArray[np.int8]:
        """(m,) index into PROBLEMS of what a queue asks about each of its samples, −1 = nothing."""
        kind = _SORTS.get(sort)
        if kind is not None:
            return np.full(len(rows), PROBLEMS.index(kind), np.int8)
        return scan.primary[rows]

    def _moved(
        self, scan: ScanArrays, rows: NDArray[np.int64], place: NDArray[np.int64], ahead: int = 100
    ) -> QueueChange:
        first = place[:ahead]
        up = rows[first[first - np.arange(len(first)) >= _MOVED]]
        if not len(up):
            return QueueChange(0, "", 0)
        pairs = Counter(zip(scan.labels[up].tolist(), scan.suggested[up].tolist(), strict=True))
        (given, other), most = pairs.most_common(1)[0]
        name = self._name
        common = given >= 0 and other >= 0 and most >= max(3, len(up) // 5)
        return QueueChange(len(up), f"{name(given)} → {name(other)}" if common else "", most)

    def _name(self, code: int) -> str:
        if code >= len(self._classes):
            names = {i: name for name, i in self._scan()[1].items()}
            return names[code]
        name = self._classes[code]
        return self._context.labels.renames().get(name, name) or name

    # ── what the decisions say of the flags ─────────────────────────────────────────────────────────────────────

    def precision(self) -> list[Precision]:
        """Measured precision of each kind of flag, with its interval."""
        return precision(*self.now())

    def noise_rate(self) -> IntervalEstimate:
        """Share of wrong labels, corrected by the decisions."""
        return noise_rate(*self.now())

    def scanned_noise_rate(self) -> float:
        """Share of wrong labels as the scan estimated it, before anybody decided."""
        scan, _ = self.now()
        labelled = scan.labels >= 0
        return float(scan.probability[Kind.NOISY_LABEL][labelled].mean()) if labelled.any() else 0.0

    def advice(self, ids: Sequence[str], sort: str = "-confidence") -> Advice:
        """What is left among ``ids`` (a queue, decided samples included), and whether to stop."""
        scan, now = self.now()
        rows = self._row_of.rows(ids)
        inside = np.zeros(scan.n, bool)
        inside[rows] = True
        kind = self._asked(scan, np.arange(scan.n), sort)
        left = rows[now.decided.open(scan.n)[rows]]
        return advice(scan, now, left[self._places(scan, now, left, sort)], inside, kind)

    def similar_offer(self, sample_id: str) -> SimilarOffer | None:
        """Open samples that would get the decision that this one got; None where too few are sure enough."""
        row = self._row_of.get(sample_id)
        if row is None:
            return None
        scan, now = self.now()
        samples: SimilarSamples = similar(scan, now, row, tuple(self._name(i) for i in range(scan.classes)))
        if not len(samples.rows):
            return None
        at = int(np.flatnonzero(now.decided.rows == row)[0])
        state, label = int(now.decided.state[at]), int(now.decided.label[at])
        action = {ACCEPTED: "accept", RELABELLED: "relabel", EXCLUDED: "exclude"}[state]
        return SimilarOffer(
            sample_id,
            action,
            self._name(label) if state == RELABELLED else None,
            [str(i) for i in self._ids[samples.rows]],
            [round(float(p), 3) for p in samples.probability],
            samples.agreeing,
            samples.of,
            samples.what,
            float(samples.probability.sum()),
        )


def _of_length(array: Float32 | None, n: int) -> Float32 | None:
    """The array, None where it is of another scan."""
    return array if array is None or len(array) == n else None


def family(signal: str) -> str:
    """The family of a signal by its name: "label", "ood" or "other"."""
    first = signal.split("_")[0]
    return first if first in ("label", "ood") else "other"
