"""Rows of the decision log: what may be asked for, what is kept, and the hash that chains them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import EllipsisType
from typing import Any

from sqlalchemy import Column, Integer, MetaData, Table, Text

from ...errors import DecisionError, choices, time_ago
from ...types import Action, Decision
from ..artifacts import plain
from .state import Chain

MAX_TEXT = 10_000
"""Longest id, label, name or reason, in characters."""

_metadata = MetaData()
DECISIONS = Table(
    "decisions",
    _metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    *(Column(name, Text) for name in ("decision_id", "sample_id", "action", "label", "supersedes", "undoes")),
    *(Column(name, Text) for name in ("actor", "at", "reason", "batch_id", "evidence", "tags", "hash")),
)
CLASS_EVENTS = Table(
    "class_events",
    _metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    *(Column(name, Text) for name in ("event_id", "event", "name", "target", "undoes", "actor", "at")),
    *(Column(name, Text) for name in ("reason", "detail")),
    Column("after_seq", Integer),
)


def utc_now() -> datetime:
    """Give the time of the computer's clock, in UTC."""
    return datetime.now(UTC)


def iso(moment: datetime | str) -> str:
    """Write a moment as in the log: ISO 8601 in UTC with milliseconds, so that text order is time order.

    >>> iso("2026-03-01T12:00:00+02:00")
    '2026-03-01T10:00:00.000+00:00'
    """
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            raise DecisionError(
                f"{moment!r} is no time. Write it as 2026-03-01 or 2026-03-01T12:00:00+00:00."
            ) from None
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return aware.astimezone(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class DecisionRequest:
    """A decision to be recorded.

    Attributes
    ----------
    sample_id
        The sample that it is about.
    action
        UNDO takes back what this person says about this one sample.
    actor
        Who decides.
    label
        The new label, for RELABEL only.
    tags
        The final tags, for RELABEL only: with a label, or instead of one.
    decision_id
        Minted by the caller when the sample was shown; None = minted here.
    supersedes
        The decision of this person about this sample that the caller had on screen (None = they had none), checked
        against the log; the default ``...`` accepts any.
    reason
        The person's own words.
    batch_id
        Groups a bulk verdict, which one undo takes back.
    evidence
        Plain values: what the scan said of the sample.
    at
        Time of the decision, for replays; None = now.
    """

    sample_id: str
    action: Action
    actor: str
    label: str | None = None
    decision_id: str | None = None
    supersedes: str | EllipsisType | None = ...
    reason: str | None = None
    batch_id: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    at: str | None = None
    tags: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ClassEvent:
    """One row of the class registry.

    Attributes
    ----------
    seq
        Number of the row, from 1.
    event_id
        Unique.
    event
        One of ``class_registry.EVENTS``.
    name
        The class that it changes.
    actor, at
        Who did it, and when (UTC, ISO 8601).
    target
        The second class, for merge, rename and split.
    reason
        The person's own words.
    detail
        For "split", the ``batch_id`` of its decisions and their ``count``.
    undoes
        The event that an "undo" takes back.
    after_seq
        The last row of the decision log before it (None in rows of releases that did not write it).
    """

    seq: int
    event_id: str
    event: str
    name: str
    actor: str
    at: str
    target: str | None = None
    reason: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    undoes: str | None = None
    after_seq: int | None = None


def describe(row: Decision) -> str:
    """Write a decision as a clause: who chose what, for which sample, when."""
    return f"{row.actor!r} chose {row.action.value}{new_value(row)} for {row.sample_id!r} at {row.at}"


def new_value(row: Decision) -> str:
    """Write what a relabel gives, as the end of a clause; "" for every other action."""
    label = f" to {row.label!r}" if row.label is not None else ""
    if row.tags is None:
        return label
    return f"{label} with {'the tags ' + ', '.join(map(repr, row.tags)) if row.tags else 'no tags'}"


def checked_action(action: Action | str) -> Action:
    """Look up an action by name. Raises DecisionError naming the choices."""
    try:
        return Action(action)
    except ValueError:
        raise DecisionError(f"No action is called {action!r}. There are: {choices(a.value for a in Action)}.") from None


def can_be_stored(text: str) -> bool:
    """Whether both databases can hold a text: no NUL, no half of a pair of surrogates."""
    return "\0" not in text and (text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text))


def checked(what: str, value: object) -> str:
    """Check a text that both databases must hold: not empty, no NUL, no lone surrogate, at most ``MAX_TEXT`` long.

    Parameters
    ----------
    what
        What it is, for messages.
    value
        The text.

    Raises
    ------
    DecisionError
        Naming the rule.
    """
    if not isinstance(value, str) or not value.strip():
        raise DecisionError(f"The {what} is missing: it must be a text that is not empty, not {value!r}.")
    if len(value) > MAX_TEXT:
        raise DecisionError(f"The {what} has {len(value):,} characters; at most {MAX_TEXT:,} can be kept.")
    if not can_be_stored(value):
        raise DecisionError(f"The {what} {value!r} holds characters that cannot be stored (NUL, or half a pair).")
    return value


def checked_request(request: DecisionRequest) -> DecisionRequest:
    """Check a request's action and texts. Raises DecisionError that names the rule."""
    action = checked_action(request.action)
    checked("sample id", request.sample_id)
    checked("actor", request.actor)
    if action is Action.RELABEL:
        if request.tags is None or request.label is not None:
            checked("new label", request.label)
        for tag in request.tags or ():
            checked("tag", tag)
    elif request.tags is not None:
        raise DecisionError(
            f"Only relabel takes tags; {action.value} was given {', '.join(map(repr, request.tags)) or 'none'}. "
            "To change them use relabel; accept keeps the given ones."
        )
    elif request.label is not None:
        raise DecisionError(
            f"Only relabel takes a label; {action.value} was given {request.label!r}. "
            "To change the label use relabel; accept keeps the given one."
        )
    for what, value in (("decision id", request.decision_id), ("batch id", request.batch_id)):
        if value is not None:
            checked(what, value)
    if request.reason is not None and request.reason.strip():
        checked("reason", request.reason)
    return request if isinstance(request.action, Action) else dataclasses.replace(request, action=action)


COLUMNS = tuple(column.name for column in DECISIONS.c)
"""Columns of the log in order; ``hash`` is the last."""

Values = Sequence[Any]
"""The values of COLUMNS without the hash."""


def next_row(request: DecisionRequest, chain: Chain, seq: int, now: str, minted: str) -> Values:
    """Build the next row of a chain, without its hash.

    Parameters
    ----------
    request
        Checked.
    chain
        This person's rows about this sample.
    seq
        Number of the row.
    now
        The time, where the request has none.
    minted
        The row's id, where the request has none.

    Raises
    ------
    DecisionError
        An UNDO without anything to take back.
    """
    undoes = None
    if request.action is Action.UNDO:
        if chain.top is None:
            raise DecisionError(
                f"There is nothing to undo: {request.actor!r} has no decision about {request.sample_id!r}."
            )
        undoes = chain.top.decision_id
    return (
        seq,
        request.decision_id or minted,
        request.sample_id,
        request.action.value,
        _UNCHANGED if request.label is None and request.tags is not None else request.label,
        chain.head,
        undoes,
        request.actor,
        iso(request.at) if request.at else now,
        (request.reason or "").strip() or None,
        request.batch_id,
        _evidence_text(request.evidence) if request.evidence else "{}",
        None if request.tags is None else _encode(list(dict.fromkeys(request.tags))),
    )


_UNCHANGED = ""
"""Stands in the column ``label`` of a relabel that changes the tags alone: the table has held since its first version
that every relabel names a label."""

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode
_decode = json.JSONDecoder().raw_decode


def _evidence_text(evidence: Mapping[str, Any]) -> str:
    try:
        return _encode(evidence)
    except (TypeError, ValueError):  # numpy numbers, NaN and the like
        return _encode(plain(evidence))


def row_hash(previous: str, row: Values) -> str:
    """32 hex digits over the previous row's hash and every field of this row, so that any later change shows.

    Tags, the last field, count where there are some, so that rows of earlier releases keep their hash.
    """
    row = row[:-1] if row[-1] is None else row
    return hashlib.blake2b(_encode([previous, *row]).encode(), digest_size=16).hexdigest()


_ACTIONS = {action.value: action for action in Action}
_NO_EVIDENCE: Mapping[str, Any] = {}


def decision_of(row: Values) -> Decision:
    """Read a row as a decision. The evidence of an UNDO names what it takes back."""
    seq, decision_id, sample_id, action, label, supersedes, undoes, actor, at, reason, batch_id, text, tags = row
    evidence = _NO_EVIDENCE if text == "{}" else _decode(text)[0]
    if undoes is not None:
        evidence = {**evidence, "undoes": undoes}
    kept = None if tags is None else tuple(_decode(tags)[0])
    label = None if kept is not None and label == _UNCHANGED else label
    who = supersedes, actor, at, reason, batch_id
    return Decision(seq, decision_id, sample_id, _ACTIONS[action], label, *who, evidence, kept)


_VERBS = {Action.ACCEPT: "keep label", Action.RELABEL: "relabel", Action.EXCLUDE: "exclude", Action.UNDO: "undo"}


def recorded_decision(request: DecisionRequest, chain: Chain, known: Mapping[str, Decision]) -> Decision | None:
    """The row that answers a request without a new one: its repeat, or the same decision made meanwhile."""
    repeat = known.get(request.decision_id or "")
    if repeat is not None:
        if (repeat.sample_id, repeat.actor, repeat.action, repeat.label, repeat.tags) == (
            request.sample_id,
            request.actor,
            request.action,
            request.label,
            request.tags,
        ):
            return repeat
        raise DecisionError(
            f"The decision id {request.decision_id!r} was used for another decision ({describe(repeat)}). "
            "Mint a new id for each decision."
        )
    top = chain.top
    expected = {chain.head, top.decision_id if top else None}
    if isinstance(request.supersedes, EllipsisType) or request.supersedes in expected:
        return None
    if top is not None and (top.action, top.label, top.tags) == (request.action, request.label, request.tags):
        return top
    if top is None:
        raise DecisionError(
            f"You already undid your decision about {request.sample_id!r} in another tab. Look at the "
            f"sample again, "
            "then decide."
        )
    passed = (datetime.now(UTC) - datetime.fromisoformat(top.at)).total_seconds()
    raise DecisionError(
        f"You already decided about {request.sample_id!r} in another tab ({_VERBS[top.action]}{new_value(top)}, "
        f"{time_ago(max(passed, 0.0))}). Look at the sample again, then decide."
    )
