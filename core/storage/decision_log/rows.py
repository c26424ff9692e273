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

from ...errors import DecisionError, choices
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
    *(Column(name, Text) for name in ("actor", "at", "reason", "batch_id", "evidence", "hash")),
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
    """The time of the computer's clock, in UTC."""
    return datetime.now(UTC)


def iso(moment: datetime | str) -> str:
    """A moment as it stands in the log: ISO 8601 in UTC with milliseconds, so that text order is time order.

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
    """A decision that somebody asks to record.

    Attributes
    ----------
    decision_id
        Minted by the caller when the sample was shown; None = minted here.
    supersedes
        The decision of this person about this sample that the caller had on screen (None = they had none), checked
        against the log; the default ``...`` takes whatever is there.
    label
        For RELABEL only.
    at
        For replays; None = now. Action UNDO takes back what this person says about this one sample.
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


@dataclass(frozen=True)
class ClassEvent:
    """One row of the class registry. ``event``: see ``classes.EVENTS``; ``target`` is for those that name a second class.

    Attributes
    ----------
    undoes
        The event that an "undo" takes back.
    after_seq
        The last row of the decision log when it happened (None in rows of releases that did not write it).
    detail
        For "split", the ``batch_id`` of its decisions and their ``count``.
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
    """A decision as a clause: who chose what, for which sample, when."""
    label = f" to {row.label!r}" if row.label is not None else ""
    return f"{row.actor!r} chose {row.action.value}{label} for {row.sample_id!r} at {row.at}"


def checked_action(action: Action | str) -> Action:
    """The action of that name. Raises DecisionError naming the choices."""
    try:
        return Action(action)
    except ValueError:
        raise DecisionError(f"No action is called {action!r}. There are: {choices(a.value for a in Action)}.") from None


def checked(what: str, value: object) -> str:
    """A text that both databases can hold: not empty, no NUL, no half of a surrogate pair, not endless."""
    if not isinstance(value, str) or not value.strip():
        raise DecisionError(f"The {what} is missing: it must be a text that is not empty, not {value!r}.")
    if len(value) > MAX_TEXT:
        raise DecisionError(f"The {what} has {len(value):,} characters; at most {MAX_TEXT:,} can be kept.")
    if "\0" in value or (not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value)):
        raise DecisionError(f"The {what} {value!r} holds characters that cannot be stored (NUL, or half a pair).")
    return value


def checked_request(request: DecisionRequest) -> DecisionRequest:
    """The request with checked texts. Raises DecisionError that names the rule."""
    action = checked_action(request.action)
    checked("sample id", request.sample_id)
    checked("actor", request.actor)
    if action is Action.RELABEL:
        checked("new label", request.label)
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
"""The values of COLUMNS but the hash."""


def next_row(request: DecisionRequest, chain: Chain, seq: int, now: str, minted: str) -> Values:
    """The next row of a chain, without its hash. ``minted``: its id where the request has none."""
    undoes = None
    if request.action is Action.UNDO:
        if chain.top is None:
            raise DecisionError(
                f"There is nothing to take back: {request.actor!r} has no decision about {request.sample_id!r}."
            )
        undoes = chain.top.decision_id
    return (
        seq,
        request.decision_id or minted,
        request.sample_id,
        request.action.value,
        request.label,
        chain.head,
        undoes,
        request.actor,
        iso(request.at) if request.at else now,
        (request.reason or "").strip() or None,
        request.batch_id,
        _evidence_text(request.evidence) if request.evidence else "{}",
    )


_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode
_decode = json.JSONDecoder().raw_decode


def _evidence_text(evidence: Mapping[str, Any]) -> str:
    try:
        return _encode(evidence)
    except (TypeError, ValueError):  # numpy numbers, NaN and the like
        return _encode(plain(evidence))


def row_hash(previous: str, row: Values) -> str:
    """32 hex digits over the row before and every field of this one: any later change of the log shows."""
    return hashlib.blake2b(_encode([previous, *row]).encode(), digest_size=16).hexdigest()


_ACTIONS = {action.value: action for action in Action}
_NO_EVIDENCE: Mapping[str, Any] = {}


def decision_of(row: Values) -> Decision:
    """The decision that a row holds. An UNDO names in its evidence what it takes back."""
    seq, decision_id, sample_id, action, label, supersedes, undoes, actor, at, reason, batch_id, text = row
    evidence = _NO_EVIDENCE if text == "{}" else _decode(text)[0]
    if undoes is not None:
        evidence = {**evidence, "undoes": undoes}
    return Decision(
        seq, decision_id, sample_id, _ACTIONS[action], label, supersedes, actor, at, reason, batch_id, evidence
    )
