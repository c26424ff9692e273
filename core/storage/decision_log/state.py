"""The decision log replayed in memory: chains per sample and person, and the state of each sample in force.

Rules ----- Each person has one chain of rows per sample; every row supersedes the one before it. A decision is pushed
onto the chain's stack; an UNDO row names the decision on top and takes it off again, so that the one below is in force
again, and the next UNDO reaches further back. The top of the stack is this person's answer. The same answer from all
people is the sample's state; different answers (another label, or other tags) make it ``disputed``. Labels are compared
by the class that they mean now (see :mod:`.class_registry`), and keeping the given label is the same answer as
relabelling to it. A decision whose evidence names others under ``settles`` speaks for these: they stay in force as the
answers of their people, and do not count until one of these people decides again. A propagated label (its evidence
holds ``propagated``) counts only while nobody has looked at the sample: any person's own decision about it stands
before it. Only ``seq`` gives the order: times may run backwards.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from ...types import Action, Decision

DISPUTED = "disputed"

STATE_SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
        pa.field("label", pa.string()),
        pa.field("actor", pa.string(), nullable=False),
        pa.field("at", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("decision_id", pa.string(), nullable=False),
        pa.field("n_people", pa.int32(), nullable=False),
        pa.field("label_source", pa.string()),
        pa.field("label_probability", pa.float32()),
        pa.field("generation", pa.int32()),
        pa.field("tags", pa.list_(pa.string())),
    ]
)
"""One row per decided sample. ``actor`` and ``reason`` join those of all people whose decisions count, ``at`` and
``decision_id`` are those of the latest; ``label`` is null unless the state is relabel, and where that label's class was
deleted. ``n_people`` counts all who have a decision in force, settled or not. ``label_source`` of a label in force is
"person" or "propagated"; the latter has the ``label_probability`` at which it was accepted, and its ``generation``: 1
for the first bulk verdict that accepted propagated labels, 2 for the next, and so on. ``tags`` are the final tags of a
relabel that changes them, else null."""

PROPAGATED = "propagated"
"""The evidence of a decision that accepted a propagated label: {"probability": float, "generation": int}."""

_BLOCK = 2048


@dataclass
class Chain:
    """One person's rows about one sample.

    Attributes
    ----------
    head
        Id of the last row; None = no row.
    stack
        The decisions that were not taken back, oldest first.
    """

    head: str | None = None
    stack: list[Decision] = field(default_factory=list)

    @property
    def top(self) -> Decision | None:
        """The decision in force."""
        return self.stack[-1] if self.stack else None

    def copy(self) -> Chain:
        """Copy the chain."""
        return Chain(self.head, list(self.stack))

    def push(self, row: Decision) -> None:
        """Add the next row of the chain. Raises ValueError where it does not continue it."""
        if row.supersedes != self.head:
            raise ValueError(f"row {row.seq} supersedes {row.supersedes!r}, but the chain ends in {self.head!r}")
        if row.action is Action.UNDO:
            if self.top is None or self.top.decision_id != row.evidence.get("undoes"):
                raise ValueError(f"row {row.seq} undoes {row.evidence.get('undoes')!r}, which is not in force")
            self.stack.pop()
        else:
            self.stack.append(row)
        self.head = row.decision_id


Key = tuple[str, str]
"""(sample_id, actor)."""


class LogState:
    """Everything that follows from the rows so far. Rows are applied in order of ``seq``, each once."""

    def __init__(self) -> None:
        self.seq = 0
        self.hash = ""
        self.samples: dict[str, dict[str, Chain]] = {}
        self._by_actor: dict[str, list[Decision]] = {}
        self._batches: dict[Key, list[Decision]] = {}
        self._table = _StateTable()
        self._meaning = Meaning()

    def chain(self, sample_id: str, actor: str) -> Chain:
        """Give a person's chain about a sample (empty where there is none; not to be changed)."""
        people = self.samples.get(sample_id)
        chain = people.get(actor) if people else None
        return chain if chain is not None else Chain()

    def apply(self, row: Decision, row_hash: str) -> None:
        """Apply the next row. Raises ValueError where it does not follow from the rows before it."""
        if row.seq != self.seq + 1:
            raise ValueError(f"row {row.seq} follows row {self.seq}")
        people = self.samples.setdefault(row.sample_id, {})
        people.setdefault(row.actor, Chain()).push(row)
        if row.action is not Action.UNDO:
            self._by_actor.setdefault(row.actor, []).append(row)
            if row.batch_id is not None:
                self._batches.setdefault((row.actor, row.batch_id), []).append(row)
        self.seq, self.hash = row.seq, row_hash
        self._table.touch(row.sample_id)

    def in_force(self, row: Decision) -> bool:
        """Whether ``row`` is its person's answer about its sample now."""
        top = self.chain(row.sample_id, row.actor).top
        return top is not None and top.decision_id == row.decision_id

    def last_step(self, actor: str) -> list[Decision]:
        """What the next undo of ``actor`` takes back, in order of seq; empty where nothing is left.

        That is their latest decision in force, or all of its batch that is in force.
        """
        rows = self._by_actor.get(actor, [])
        while rows and not self._on_stack(rows[-1]):
            rows.pop()  # taken back already, and an undone decision never returns
        if not rows:
            return []
        last = rows[-1]
        if last.batch_id is None:
            return [last]
        return [row for row in self._batches[actor, last.batch_id] if self.in_force(row)]

    def step_of(self, actor: str, decision_id: str | None, batch_id: str | None) -> list[Decision]:
        """The part of a decision or batch of ``actor`` that is in force now, in order of seq."""
        if batch_id is not None:
            return [row for row in self._batches.get((actor, batch_id), []) if self.in_force(row)]
        rows = reversed(self._by_actor.get(actor, []))
        return [row for row in rows if row.decision_id == decision_id and self.in_force(row)]

    def current(self, sample_ids: Iterable[str] | None = None) -> dict[str, dict[str, Decision]]:
        """Sample → person → decision in force; samples without one are left out."""
        wanted = self.samples.keys() if sample_ids is None else sample_ids
        current = {}
        for sample_id in wanted:
            tops = {a: c.stack[-1] for a, c in self.samples.get(sample_id, {}).items() if c.stack}
            if tops:
                current[sample_id] = tops
        return current

    def kept(self, sample_ids: Iterable[str], entry: str, value: object) -> dict[str, list[Decision]]:
        """Sample → decisions whose evidence holds ``value`` under ``entry``, in force or not, but not taken back."""
        kept = {}
        for sample_id in sample_ids:
            chains = self.samples.get(sample_id, {}).values()
            rows = [d for chain in chains for d in chain.stack if d.evidence.get(entry) == value]
            if rows:
                kept[sample_id] = rows
        return kept

    def table(self) -> pa.Table:
        """The state in force (:data:`STATE_SCHEMA`). Only blocks whose samples were touched are built again."""
        return self._table.build(self.samples, self._meaning)

    def set_renames(self, renames: Mapping[str, str | None]) -> None:
        """Read labels by these renames from now on (see :class:`Meaning`)."""
        self._set_meaning(replace(self._meaning, renames=renames))

    def set_given(self, given: Given, tags: GivenTags | None = None) -> None:
        """Ask ``given`` for a sample's given label, and ``tags`` for its given tags, from now on."""
        self._set_meaning(Meaning(self._meaning.renames, given, tags))

    def _set_meaning(self, meaning: Meaning) -> None:
        self._meaning = meaning
        self._table.touch_all()

    def matching(self, actor: str, fits: Callable[[Decision], bool]) -> list[Decision]:
        """The decisions of ``actor`` in force that ``fits`` accepts, in order of seq."""
        return [row for row in self._by_actor.get(actor, []) if fits(row) and self.in_force(row)]

    def _on_stack(self, row: Decision) -> bool:
        return any(d.decision_id == row.decision_id for d in self.chain(row.sample_id, row.actor).stack)


class Draft:
    """Rows on top of a :class:`LogState` that are not committed yet."""

    def __init__(self, state: LogState) -> None:
        self._state = state
        self._chains: dict[Key, Chain] = {}

    def chain(self, sample_id: str, actor: str) -> Chain:
        """Give a person's chain about a sample, with the uncommitted rows."""
        return self._chains.get((sample_id, actor)) or self._state.chain(sample_id, actor)

    def push(self, row: Decision) -> None:
        """Add a row. Raises ValueError where it does not continue its chain."""
        key = (row.sample_id, row.actor)
        if key not in self._chains:
            self._chains[key] = self._state.chain(*key).copy()
        self._chains[key].push(row)


StateRow = tuple[str, str, str | None, str, str, str | None, str, int, str | None, float | None, int | None, Any]

Given = Callable[[str], str | None]
"""Gives a sample's given label, None where it has none."""

GivenTags = Callable[[str], Collection[str] | None]
"""Gives a sample's given tags, None where there are none."""

Answer = tuple[str, str | None, frozenset[str] | None]
"""A decision that can be compared: ("label", class, tags), or (action, None, None)."""


@dataclass(frozen=True)
class Meaning:
    """What labels mean.

    Attributes
    ----------
    renames
        Name → the class it means now, None = deleted. Names that are not there mean themselves.
    given
        Gives a sample's given label; None = not known.
    tags
        Gives a sample's given tags; None = there are none.
    """

    renames: Mapping[str, str | None] = field(default_factory=dict)
    given: Given | None = None
    tags: GivenTags | None = None

    def of(self, label: str | None) -> str | None:
        """The class that a label means."""
        return self.renames.get(label, label) if label is not None else None

    def label_of(self, d: Decision) -> str | None:
        """The class that a relabel, or keeping the given label, gives a sample; None = none that is known."""
        if d.action is Action.RELABEL and (d.label is not None or d.tags is None):
            return self.of(d.label)
        return self.of(self.given(d.sample_id)) if self.given is not None else None

    def tags_of(self, d: Decision) -> frozenset[str] | None:
        """The tags that a relabel, or keeping the given ones, gives a sample; None = there are no tags."""
        given = d.tags if d.tags is not None or self.tags is None else self.tags(d.sample_id)
        return None if given is None else frozenset(given)

    def answer(self, d: Decision) -> Answer:
        """A decision as a comparable answer. Equal answers agree."""
        if d.action not in (Action.RELABEL, Action.ACCEPT):
            return d.action.value, None, None
        label, tags = self.label_of(d), self.tags_of(d)
        known = d.action is Action.RELABEL or label is not None or tags is not None
        return ("label", label, tags) if known else (d.action.value, None, None)


def standing(decisions: Sequence[Decision]) -> list[Decision]:
    """The decisions in force about a sample that count: people's own, which no other one of them settles."""
    own = [d for d in decisions if PROPAGATED not in d.evidence]
    decisions = own or decisions
    settled = {i for d in decisions for i in d.evidence.get("settles", ()) if i != d.decision_id}
    return [d for d in decisions if d.decision_id not in settled] or list(decisions)


def merge(sample_id: str, decisions: Sequence[Decision], meaning: Meaning) -> StateRow:
    """Compute the state of a sample from the decisions in force (at least one), as a STATE_SCHEMA row."""
    n_people = len(decisions)
    if n_people > 1:
        decisions = standing(decisions)
    latest = max(decisions, key=lambda d: d.seq)
    state, label = latest.action.value, meaning.label_of(latest) if latest.action is Action.RELABEL else None
    tags = latest.tags
    if len(decisions) == 1:
        who = latest.actor, latest.at, latest.reason, latest.decision_id, n_people
        return sample_id, state, label, *who, *_source(state, latest), tags
    if len({meaning.answer(d) for d in decisions}) > 1:
        state, label, tags = DISPUTED, None, None
    people = ", ".join(sorted(d.actor for d in decisions))
    reasons = "; ".join(dict.fromkeys(d.reason for d in decisions if d.reason)) or None
    return (
        sample_id,
        state,
        label,
        people,
        latest.at,
        reasons,
        latest.decision_id,
        n_people,
        *_source(state, latest),
        tags,
    )


def _source(state: str, latest: Decision) -> tuple[str | None, float | None, int | None]:
    """Where the label in force is from: (label_source, label_probability, generation)."""
    if state not in (Action.ACCEPT, Action.RELABEL):
        return None, None, None
    propagated = latest.evidence.get(PROPAGATED)
    if propagated is None:
        return "person", None, None
    return PROPAGATED, float(propagated["probability"]), int(propagated["generation"])


class _StateTable:
    """The state as Arrow record batches of ``_BLOCK`` samples each, in order of first decision."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._position: dict[str, int] = {}
        self._blocks: list[pa.RecordBatch | None] = []
        self._whole: pa.Table | None = None

    def touch(self, sample_id: str) -> None:
        position = self._position.get(sample_id)
        if position is None:
            position = self._position[sample_id] = len(self._ids)
            self._ids.append(sample_id)
        block = position // _BLOCK
        if block == len(self._blocks):
            self._blocks.append(None)
        self._blocks[block] = None
        self._whole = None

    def touch_all(self) -> None:
        self._blocks = [None] * len(self._blocks)
        self._whole = None

    def build(self, samples: dict[str, dict[str, Chain]], meaning: Meaning) -> pa.Table:
        if self._whole is None:
            for i, block in enumerate(self._blocks):
                if block is None:
                    self._blocks[i] = self._block(self._ids[i * _BLOCK : (i + 1) * _BLOCK], samples, meaning)
            self._whole = pa.Table.from_batches([b for b in self._blocks if b is not None], STATE_SCHEMA)
        return self._whole

    @staticmethod
    def _block(ids: list[str], samples: dict[str, dict[str, Chain]], meaning: Meaning) -> pa.RecordBatch:
        rows = []
        for sample_id in ids:
            tops = [chain.stack[-1] for chain in samples[sample_id].values() if chain.stack]
            if tops:
                rows.append(merge(sample_id, tops, meaning))
        columns = zip(*rows, strict=True) if rows else [[] for _ in STATE_SCHEMA]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, STATE_SCHEMA, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=STATE_SCHEMA)
