"""Blind audit: samples drawn at random, judged without a hint, and what they say about labels and flags.

Reviewed samples are the most suspicious ones, so they say little about the rest. An audit draws from everything that
nobody has looked at: flagged and not flagged, labelled and propagated. Whoever judges a sample sees the label to be
judged, but neither verdict, suggestion nor score, and not where the label is from. The draw is kept in the workspace
(``audits/<id>.json``) with the size of each stratum; the answers are decisions in the log like all others.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from ...data.label_files import read_label_file
from ...errors import QueryError, WorkspaceError
from ...storage.artifacts import load_json, load_table, save_json
from ...storage.decision_log.state import PROPAGATED
from ...storage.scan_context import ScanContext
from ...types import Action, Decision, Float32, Int64, Kind, Strings
from .audit_estimate import IntervalEstimate, StratumCount, part_of, total

AUDIT = "audit"
"""The evidence of a decision that answers an audit: the audit's id."""

SIZE = 200
"""Samples that are audited where nothing else is asked for."""
MOST_DRAWN = 2_000
"""Samples that a draw holds: an audit may go on beyond its size."""
FEWEST_ANSWERS = 20
"""Answers before any estimate is stated."""

_FORMAT = 1
_BLOCK = 20
"""In every so many samples of the draw each stratum has its part, so that an audit may stop early."""
_LEAST_PART = 0.12
"""Least part of the draw of a stratum."""
_LEAST_SHARE = 0.02
"""Least share of hits that a stratum is planned with: scores are not trusted to say that there are none."""
_BULK_GUESS = 0.05
"""Share of wrong labels among those given in bulk that the draw is planned with."""
_NEXT_IN_RANK = 2.0
"""Samples next in rank below the flags that are a stratum of their own, in multiples of the flagged ones."""

_Which = Literal["given", "shown"]

FLAGGED, NEXT_IN_RANK, REST, BY_PROPAGATION = "flagged", "next in rank", "rest", PROPAGATED
IN_BULK = "labelled in bulk"
REVIEWED_FLAGGED, REVIEWED_REST, BY_HAND = "flagged, reviewed", "not flagged, reviewed", "labelled by hand"


@dataclass(frozen=True)
class Stratum:
    """A part of the dataset from which samples are drawn.

    Attributes
    ----------
    name
        "flagged", "next in rank", "rest" (by the score of a noisy label), "propagated", "labelled in bulk", or one of
        those that people have judged one by one, which need no draw.
    size
        Samples in it at the time of the draw.
    guess
        Mean probability in [0, 1], by the scan or the labeller, that a label in it is wrong.
    known
        How many are known to be wrong, where all of it is known; None = it is drawn from.
    """

    name: str
    size: int
    guess: float
    known: int | None = None


@dataclass(frozen=True)
class DrawnSample:
    """A sample of the draw, and what was known of it then.

    Attributes
    ----------
    sample_id, stratum
        Which, and where from.
    shown
        The label to be judged: the one in force.
    given
        The given label, None = it has none.
    p
        Probability in [0, 1] that the label is wrong, by the scan or the labeller.
    """

    sample_id: str
    stratum: str
    shown: str
    given: str | None
    p: float


@dataclass(frozen=True)
class AuditPlan:
    """A draw.

    Attributes
    ----------
    audit_id, at, actor, generation
        Its key, when it was drawn (UTC, ISO 8601), by whom, and from which scan.
    size
        Samples that are to be judged.
    strata
        The whole of what was drawn from.
    samples
        In the order in which they are judged; more than ``size``, for whoever goes on.
    """

    audit_id: str
    at: str
    actor: str
    generation: str
    size: int
    strata: tuple[Stratum, ...]
    samples: tuple[DrawnSample, ...]


@dataclass(frozen=True)
class Appeal:
    """A sample about which the audit overruled what stood.

    Attributes
    ----------
    sample_id, shown, answer
        Which; the label that stood; the label by the audit, None = excluded.
    overruled
        "flag" (the label is right), "no flag" (it is wrong), "propagated label" or "label in force".
    p
        Probability that the label is wrong, as the scan or the labeller had it.
    actor
        Who judged it.
    """

    sample_id: str
    shown: str
    answer: str | None
    overruled: str
    p: float
    actor: str


@dataclass(frozen=True)
class AuditReport:
    """What an audit says so far. Shares are None before 20 answers, or where there is nothing to estimate.

    Attributes
    ----------
    audit_id, at, size, answered, excluded
        The draw, how many are to be judged, how many are, and how many of these were excluded from the dataset.
    noise_rate
        Share of given labels that are wrong, excluded samples left out.
    precision, recall
        Of the flags *noisy label*: share of the flagged that are wrong, and share of the wrong that are flagged.
    propagated_error
        Share of propagated labels that are wrong.
    label_error
        Share of the labels in force, given or propagated, that are wrong.
    appeals
        Where the audit overruled what stood, the surest first.
    """

    audit_id: str
    at: str
    size: int
    answered: int
    excluded: int
    noise_rate: IntervalEstimate | None = None
    precision: IntervalEstimate | None = None
    recall: IntervalEstimate | None = None
    propagated_error: IntervalEstimate | None = None
    label_error: IntervalEstimate | None = None
    appeals: tuple[Appeal, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """Plain values; shares with four decimals."""
        stated = ("noise_rate", "precision", "recall", "propagated_error", "label_error")
        values = {name: getattr(self, name) for name in stated}
        plain = {name: None if value is None else value.as_json(4) for name, value in values.items()}
        return {**asdict(self), **plain}

    def estimates(self) -> list[tuple[str, IntervalEstimate]]:
        """(name in words, estimate) of everything that is stated."""
        named = (
            ("Given labels that are wrong", self.noise_rate),
            ("Precision of the flag noisy label", self.precision),
            ("Recall of the flag noisy label", self.recall),
            ("Propagated labels that are wrong", self.propagated_error),
            ("Labels in force that are wrong", self.label_error),
        )
        return [(name, value) for name, value in named if value is not None]


class Auditor:
    """The blind audits of one scan. Safe to share between threads.

    Parameters
    ----------
    scan
        The scan and its log.
    require
        Raises NotAllowed where a person may not decide.
    """

    def __init__(self, scan: ScanContext, require: Callable[[str], None]) -> None:
        self._context, self._require = scan, require
        self._lock = threading.Lock()
        self._cached: tuple[object, AuditPlan] | None = None

    @property
    def _folder(self) -> Path:
        return self._context.layout.audits

    # ── the draw ────────────────────────────────────────────────────────────────────────────────────────────────

    def draw(self, size: int = SIZE, *, actor: str, seed: int | None = None) -> AuditPlan:
        """Draw samples for a new audit; an earlier one stays in the workspace, with its answers.

        Parameters
        ----------
        size
            Samples to judge, from 1.
        actor
            Who draws.
        seed
            Of the draw; None = chosen at random.

        Raises
        ------
        QueryError
            The size is no such number, or there is no label to judge.
        NotAllowed
            The person is no reviewer.
        """
        self._require(actor)
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise QueryError(f"The size of an audit is a whole number from 1, such as {SIZE}, not {size!r}.")
        frame = self._frame()
        if not any(len(rows) for _, rows in frame.open):
            raise QueryError("There is no label to audit: give some samples a label first, or accept propagated ones.")
        rng = np.random.default_rng(secrets.randbits(64) if seed is None else seed)
        samples = []
        for at, row in _interleaved(frame, max(size, MOST_DRAWN), rng):
            shown = cast("str", frame.shown[row])
            stratum = frame.open[at][0].name
            p = round(float(frame.p[row]), 4)
            samples.append(DrawnSample(str(self._context.ids[row]), stratum, shown, frame.given[row], p))
        now = datetime.now(UTC)
        plan = AuditPlan(
            f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
            now.isoformat(timespec="seconds"),
            actor,
            self._context.generation,
            min(size, len(samples)),
            tuple(s for s, _ in frame.open) + frame.known,
            tuple(samples),
        )
        self._folder.mkdir(exist_ok=True)
        save_json(self._folder / f"{plan.audit_id}.json", {"format": _FORMAT, **asdict(plan)})
        return plan

    def _frame(self) -> _Frame:
        """Everything that has a label, by stratum."""
        context = self._context
        given, shown = context.labels.given(), context.labels.effective()
        n = len(context.ids)
        table = load_table(context.layout.verdicts, columns=[Kind.NOISY_LABEL.value, f"{Kind.NOISY_LABEL.value}_flag"])
        merged = context.labels.suggestion_merged()
        flag = table.column(1).to_numpy() & ~merged
        p = np.where(merged, 0.0, np.nan_to_num(table.column(0).to_numpy())).astype(np.float32)
        has_given = np.array([label is not None for label in given.tolist()], bool)
        spread, bulk, reviewed, changed, excluded = (np.zeros(n, bool) for _ in range(5))
        state = context.store.state_table()
        batches = {
            sample: any(d.batch_id is not None for d in people.values())
            for sample, people in context.store.current().items()
        }
        rows = context.row_of.find(state.column("sample_id"))
        columns = ("sample_id", "state", "label", "label_source", "label_probability")
        decided = zip(rows.tolist(), *(state.column(name).to_pylist() for name in columns), strict=True)
        for row, sample, what, label, source, sure in decided:
            if row < 0 or what == "disputed":
                continue
            excluded[row] = what == "exclude"
            if source == PROPAGATED:
                spread[row], p[row] = not has_given[row], 1.0 - sure
            elif batches[sample]:
                bulk[row], p[row] = not has_given[row] and label is not None, p[row] if has_given[row] else _BULK_GUESS
            else:
                reviewed[row] = not excluded[row]
                changed[row] = what == "relabel" and label != given[row]
        open_ = has_given & ~reviewed & ~excluded
        below = np.flatnonzero(open_ & ~flag)
        most = int(np.clip(_NEXT_IN_RANK * int(flag.sum()), 0.05 * len(below), 0.3 * len(below)))
        ranked = below[np.argsort(-p[below], kind="stable")]
        groups = (
            (FLAGGED, np.flatnonzero(open_ & flag)),
            (NEXT_IN_RANK, np.sort(ranked[:most])),
            (REST, np.sort(ranked[most:])),
            (BY_PROPAGATION, np.flatnonzero(spread)),
            (IN_BULK, np.flatnonzero(bulk)),
        )
        known = tuple(
            Stratum(name, int(inside.sum()), 0.0, int((inside & changed).sum()))
            for name, inside in (
                (REVIEWED_FLAGGED, has_given & reviewed & flag),
                (REVIEWED_REST, has_given & reviewed & ~flag),
                (BY_HAND, ~has_given & reviewed),
            )
            if inside.any()
        )
        return _Frame(
            tuple((Stratum(name, len(rows), float(p[rows].mean())), rows) for name, rows in groups if len(rows)),
            known,
            given,
            shown,
            p,
        )

    def plan(self) -> AuditPlan | None:
        """The latest draw; None before the first.

        Raises
        ------
        WorkspaceError
            Its file is damaged.
        """
        path = max(self._folder.glob("*.json"), default=None) if self._folder.is_dir() else None
        if path is None:
            return None
        key = (path.name, path.stat().st_mtime_ns)
        with self._lock:
            if self._cached is None or self._cached[0] != key:
                self._cached = key, _read(path)
            return self._cached[1]

    # ── judging ─────────────────────────────────────────────────────────────────────────────────────────────────

    def next_ids(self, count: int | None = None) -> list[str]:
        """Samples to judge next; at most ``count`` (None = up to the size of the audit)."""
        plan = self.plan()
        if plan is None:
            return []
        answers = self._answers(plan)
        left = plan.size - len(answers) if count is None else count
        open_ = [
            s.sample_id for s in plan.samples if s.sample_id not in answers and s.sample_id in self._context.row_of
        ]
        return open_[: max(left, 0)]

    def cards(self, cards: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Cards of samples of the draw with nothing on them but the sample and the label to be judged."""
        plan = self.plan()
        shown = {} if plan is None else {s.sample_id: s.shown for s in plan.samples}
        names = self._context.labels.renames()
        kept = ("id", "row", "modality", "text", "width", "height")
        return [
            {
                **{name: card[name] for name in kept},
                "label": names.get(shown[card["id"]], shown[card["id"]]),
                "blind": True,
                "suggestions": [],
                "neighbors": [],
                "kinds": {},
                "scores": {},
                "meta": {},
                "decisions": [],
                "decision": None,
                "verdict": None,
                "confidence": None,
                "reason": None,
                "split": None,
                "source": None,
                "cluster": None,
                "xy": None,
                "duplicate_of": None,
                "duplicate_group": None,
            }
            for card in cards
            if card["id"] in shown
        ]

    def answers(self, items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Decisions to record, those that answer the audit (``audit``: its id) in the form in which they are kept.

        To keep the label that was shown is to relabel to it, where it is not the given one.

        Raises
        ------
        QueryError
            There is no such audit, or the sample is not of its draw.
        """
        out, plan = [], None
        for item in items:
            if not item.get(AUDIT):
                out.append(item)
                continue
            plan = plan or self.plan()
            sample = None if plan is None else next((s for s in plan.samples if s.sample_id == item["sample_id"]), None)
            if plan is None or plan.audit_id != item[AUDIT] or sample is None:
                raise QueryError(
                    f"The audit {item[AUDIT]!r} is not the latest, or did not draw {item['sample_id']!r}. "
                    "Open the Audit page again."
                )
            if str(item.get("action")) == Action.ACCEPT and sample.shown != self._given(sample):
                item = {**item, "action": Action.RELABEL.value, "label": sample.shown}
            out.append(item)
        return out

    def answers_of(self, path: str | Path) -> tuple[list[dict[str, Any]], int, list[str]]:
        """Answers that were given elsewhere, as decisions for :meth:`winnow.core.Workspace.record`.

        Parameters
        ----------
        path
            A file of labels: see :func:`winnow.core.data.label_files.read_label_file`.

        Returns
        -------
        tuple
            The decisions; how many answers are there already; and keys that are not of the draw.

        Raises
        ------
        SourceError
            The file cannot be read or holds no labels.
        """
        plan = self.plan()
        drawn = {} if plan is None else {s.sample_id: s for s in plan.samples}
        there = {} if plan is None else self._answers(plan)
        items, unknown = [], []
        brought = {label.key: label.label for label in read_label_file(path)}
        for key, label in brought.items():
            if key not in drawn:
                unknown.append(key)
            elif key not in there and plan is not None:
                kept = label == drawn[key].shown
                answer = {"action": "accept"} if kept else {"action": "relabel", "label": label}
                items.append({"sample_id": key, AUDIT: plan.audit_id, **answer})
        return items, len(brought) - len(unknown) - len(items), unknown

    def _given(self, sample: DrawnSample) -> str | None:
        row = self._context.row_of.get(sample.sample_id)
        return None if row is None else cast("str | None", self._context.labels.given()[row])

    def _answers(self, plan: AuditPlan) -> dict[str, Decision]:
        """Sample → its first answer that was not taken back, whatever was decided about it later."""
        kept = self._context.store.kept([s.sample_id for s in plan.samples], AUDIT, plan.audit_id)
        return {sample: min(decisions, key=lambda d: d.seq) for sample, decisions in kept.items()}

    # ── what it says ────────────────────────────────────────────────────────────────────────────────────────────

    def report(self) -> AuditReport | None:
        """What the latest audit says so far; None before the first draw.

        Notes
        -----
        The first blind answer counts, also where the person has changed their mind about the sample since: who looks
        again looks only at samples where they overruled something, and that would favour what they overruled.
        """
        plan = self.plan()
        if plan is None:
            return None
        names = self._context.labels.renames()
        decisions = self._answers(plan)
        answers = {
            s.sample_id: _answer(s, decisions[s.sample_id], names) for s in plan.samples if s.sample_id in decisions
        }
        return audited(plan, answers, names, {sample: d.actor for sample, d in decisions.items()})


def audited(
    plan: AuditPlan,
    answers: Mapping[str, str | None],
    names: Mapping[str, str | None] | None = None,
    actors: Mapping[str, str] | None = None,
) -> AuditReport:
    """What answers to an audit say.

    Parameters
    ----------
    plan
        The draw.
    answers
        Sample of the draw → its class by whoever judged it, None = it belongs to no class.
    names
        Class of the draw → what it is called now, where that changed (None = deleted).
    actors
        Sample → who judged it.
    """
    names, actors = names or {}, actors or {}
    drawn = [s for s in plan.samples if s.sample_id in answers]
    wrong = {s.sample_id: _wrong(s, answers[s.sample_id], names) for s in drawn}
    excluded = sum(answer is None for answer in answers.values())
    appeals = tuple(sorted(_appeals(drawn, answers, wrong, actors), key=lambda a: -_surprise(a)))
    head = (plan.audit_id, plan.at, plan.size, len(drawn), excluded)
    if len(drawn) < min(FEWEST_ANSWERS, plan.size):
        return AuditReport(*head, appeals=appeals)

    def counts(of: Sequence[str], label: _Which) -> list[StratumCount]:
        out = []
        for stratum in plan.strata:
            if stratum.name not in of:
                continue
            if stratum.known is not None:
                known = stratum.known if label == "given" else 0  # what a person said is in force
                out.append(StratumCount(stratum.size, stratum.size, known))
                continue
            hits = [wrong[s.sample_id][label] for s in drawn if s.stratum == stratum.name]
            out.append(StratumCount(stratum.size, len(hits), sum(hits), stratum.guess))
        return out

    def share(of: Sequence[str], label: _Which) -> IntervalEstimate | None:
        strata = counts(of, label)
        return total(strata).over(sum(s.size for s in strata)) if strata else None

    flagged, others = (FLAGGED, REVIEWED_FLAGGED), (NEXT_IN_RANK, REST, REVIEWED_REST)
    return AuditReport(
        *head,
        noise_rate=share((*flagged, *others), "given"),
        precision=share(flagged, "given"),
        recall=part_of(counts(flagged, "given"), counts(others, "given")),
        propagated_error=share((BY_PROPAGATION,), "shown"),
        label_error=share((*flagged, *others, BY_PROPAGATION, IN_BULK, BY_HAND), "shown"),
        appeals=appeals,
    )


@dataclass(frozen=True)
class _Frame:
    """Everything with a label that is not excluded: strata with their rows, those known already, and (n,) arrays."""

    open: tuple[tuple[Stratum, Int64], ...]
    known: tuple[Stratum, ...]
    given: Strings
    shown: Strings
    p: Float32


def _parts(strata: Sequence[Stratum]) -> list[float]:
    """Part of the draw of each stratum, summing to 1: Neyman's allocation, N √(q (1 − q)), none below a least part."""
    q = np.array([np.clip(s.guess, _LEAST_SHARE, 0.9) for s in strata])
    wanted = np.array([s.size for s in strata]) * np.sqrt(q * (1 - q))
    wanted = np.maximum(wanted / wanted.sum(), _LEAST_PART)
    return cast("list[float]", (wanted / wanted.sum()).tolist())


def _interleaved(frame: _Frame, count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """(place of the stratum, row) of at most ``count`` samples, each stratum in a random order and mixed in blocks."""
    parts = np.array(_parts([s for s, _ in frame.open]))
    waiting = [rng.permutation(rows).tolist() for _, rows in frame.open]
    taken = np.zeros(len(parts))
    out: list[tuple[int, int]] = []
    while len(out) < count and any(waiting):
        block: list[tuple[int, int]] = []
        while len(block) < _BLOCK and any(waiting):
            behind = np.where([bool(w) for w in waiting], parts * (taken.sum() + 1) - taken, -np.inf)
            at = int(np.argmax(behind))
            block.append((at, waiting[at].pop()))
            taken[at] += 1
        out += [block[i] for i in rng.permutation(len(block)).tolist()]
    return out[:count]


def _answer(sample: DrawnSample, d: Decision, names: Mapping[str, str | None]) -> str | None:
    """The class that an answer names, by the class registry; None = excluded."""
    if d.action is Action.EXCLUDE:
        return None
    label = d.label if d.action is Action.RELABEL else sample.shown
    return names.get(label, label) if label is not None else None


def _wrong(sample: DrawnSample, answer: str | None, names: Mapping[str, str | None]) -> dict[_Which, bool]:
    """Whether the given label is wrong, and whether the one that was shown is. Those of an excluded sample are not."""
    now = {"given": sample.given, "shown": sample.shown}
    return {
        which: answer is not None and label is not None and answer != names.get(label, label)
        for which, label in cast("dict[_Which, str | None]", now).items()
    }


def _appeals(
    drawn: Sequence[DrawnSample],
    answers: Mapping[str, str | None],
    wrong: Mapping[str, Mapping[_Which, bool]],
    actors: Mapping[str, str],
) -> Iterable[Appeal]:
    for sample in drawn:
        answer = answers[sample.sample_id]
        if answer is None:
            continue
        given_wrong, shown_wrong = wrong[sample.sample_id]["given"], wrong[sample.sample_id]["shown"]
        if sample.stratum == BY_PROPAGATION:  # nobody had looked at the label
            overruled = "propagated label" if shown_wrong else ""
        elif sample.shown != sample.given:
            overruled = "label in force" if shown_wrong else ""
        elif sample.stratum == FLAGGED:
            overruled = "" if given_wrong else "flag"
        else:
            overruled = "no flag" if given_wrong else ""
        if overruled:
            actor = actors.get(sample.sample_id, "")
            yield Appeal(sample.sample_id, sample.shown, answer, overruled, sample.p, actor)


def _surprise(appeal: Appeal) -> float:
    """How sure the scan or the labeller was of what was overruled."""
    return appeal.p if appeal.overruled == "flag" else 1.0 - appeal.p


def _read(path: Path) -> AuditPlan:
    raw = load_json(path)
    try:
        if raw.pop("format") > _FORMAT:
            raise WorkspaceError(f"{str(path)!r} was written by a newer Winnow. Upgrade with `pip install -U winnow`.")
        strata = tuple(Stratum(**s) for s in raw.pop("strata"))
        samples = tuple(DrawnSample(**s) for s in raw.pop("samples"))
        return AuditPlan(**raw, strata=strata, samples=samples)
    except (AttributeError, KeyError, TypeError) as error:
        raise WorkspaceError(
            f"{str(path)!r} is damaged ({error}). Move it away and draw again: the answers stay in the log."
        ) from error
