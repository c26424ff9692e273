"""The append-only decision log: what people decided, in one order, never changed and never lost.

A row is added in one transaction or not at all; its ``decision_id`` is minted by the caller, so that sending it again
gives the row that is there. Rows carry a chained BLAKE2b hash, which is checked whenever they are read. See
:mod:`.state` for what the rows mean, :mod:`.database` for how they are kept.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import EllipsisType
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, Select, func, insert, select

from ..errors import DecisionError
from ..types import Action, Decision
from .database import Database, damaged_log
from .migrations import SCHEMA_VERSION, check_version, migrate, schema_version
from .rows import (
    CLASS_EVENTS,
    COLUMNS,
    DECISIONS,
    ClassEvent,
    DecisionRequest,
    checked,
    checked_action,
    checked_request,
    decision_of,
    iso,
    next_row,
    row_hash,
    says,
    utc_now,
)
from .state import Chain, Draft, LogState

__all__ = ["ClassEvent", "Clock", "DecisionRequest", "DecisionStore", "Snapshot", "iso", "utc_now"]

_AT_ONCE = 10_000
"""Rows read at a time."""

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Snapshot:
    """One moment of the log. table : the state in force (STATE_SCHEMA). decisions : every decision in force, of every
    person, in order of ``seq``. seq, hash : of the last row; (0, "") for an empty log."""

    seq: int
    hash: str
    table: pa.Table
    decisions: tuple[Decision, ...]


class DecisionStore:
    """The decision log of one workspace. Safe to use from several threads and processes at once.

    Parameters
    ----------
    target : path of the SQLite file (made if absent), or ``postgresql://user@host/database``.
    clock : gives the time of new rows; the order of rows never depends on it.

    Raises
    ------
    WorkspaceError : the log is damaged, of a newer release, or its server does not answer.
    """

    def __init__(self, target: str | Path, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._write_lock = threading.Lock()
        self._state = LogState()
        self._database = Database(target)
        try:
            self._open()
        except BaseException:
            self._database.close()
            raise

    @property
    def read_only(self) -> bool:
        """Whether decisions can be looked at but not made (then ``append`` raises ReadOnly)."""
        return self._database.read_only

    def close(self) -> None:
        """Give back connections. The store must not be used afterwards."""
        self._database.close()

    def __enter__(self) -> DecisionStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- writing -------------------------------------------------------------------------------------------------

    def append(self, requests: Sequence[DecisionRequest]) -> list[Decision]:
        """Record decisions in their order, all in one transaction: all of them or none.

        A ``decision_id`` that is there already gives the row that is there. Raises DecisionError for the first
        request that cannot be recorded (then none is), ReadOnly, DiskFull or WorkspaceBusy.
        """
        return _decisions_only(self._record(lambda _: requests, stop=True))

    def append_each(self, requests: Sequence[DecisionRequest]) -> list[Decision | DecisionError]:
        """Like :meth:`append`, but a request that cannot be recorded is answered by its error, and the others
        are recorded. For ordered batches from a browser."""
        return self._record(lambda _: requests, stop=False)

    def undo(
        self,
        actor: str,
        now: datetime | None = None,
        undo_id: str | None = None,
        decision_id: str | None = None,
        batch_id: str | None = None,
    ) -> list[Decision]:
        """Take back the latest decision of ``actor`` that is in force, or the whole batch that it belongs to.

        With ``decision_id`` or ``batch_id``: exactly that one, if it is theirs and in force. What was in force before
        is in force again; the next undo reaches further back. Returns the UNDO rows, in one batch; empty where
        nothing is left. ``undo_id`` makes a repeated call answer with the same rows.
        """
        undo_id = undo_id or f"undo-{uuid.uuid4().hex}"

        def requests(conn: Connection) -> list[DecisionRequest]:
            mine = DECISIONS.c.batch_id == undo_id, DECISIONS.c.actor == actor, DECISIONS.c.action == Action.UNDO.value
            steps: list[Any] = list(conn.execute(self._select().where(*mine).order_by(DECISIONS.c.seq)))
            if not steps and (decision_id or batch_id):
                steps = self._state.step_of(actor, decision_id, batch_id)
            elif not steps:
                steps = self._state.last_step(actor)
            return [
                DecisionRequest(
                    step.sample_id,
                    Action.UNDO,
                    actor,
                    decision_id=f"{undo_id}:{i}",
                    batch_id=undo_id,
                    at=iso(now) if now else None,
                )
                for i, step in enumerate(steps)
            ]

        return _decisions_only(self._record(requests, stop=True))

    def add_class(self, name: str, actor: str, reason: str | None = None, event_id: str | None = None) -> ClassEvent:
        """Add a class to the registry. A name that is there gives the row that added it."""
        checked("class name", name)
        checked("actor", actor)
        with self._database.writing() as conn:
            events = self._read_class_events(conn)
            for event in events:
                if event.event_id == event_id or (event.event == "add" and event.name == name):
                    return event
            row: dict[str, Any] = {
                "seq": len(events) + 1,
                "event_id": event_id or uuid.uuid4().hex,
                "event": "add",
                "name": name,
                "actor": actor,
                "at": iso(self._clock()),
                "reason": reason,
            }
            conn.execute(insert(CLASS_EVENTS), {**row, "detail": "{}"})
        return ClassEvent(**row)

    # --- reading -------------------------------------------------------------------------------------------------

    def current(self, sample_ids: Iterable[str] | None = None) -> dict[str, dict[str, Decision]]:
        """sample_id → actor → the decision in force. Samples about which nobody says anything are left out."""
        with self._lock:
            self._refresh()
            return self._state.current(sample_ids)

    def state_table(self) -> pa.Table:
        """One row per decided sample (see ``state.STATE_SCHEMA``): the answer of all people together.

        Kept between calls and brought up to date by the rows since; the same object comes back if there are none.
        """
        with self._lock:
            self._refresh()
            return self._state.table()

    def snapshot(self) -> Snapshot:
        """The state in force, the decisions behind it and the log's head, all of one moment."""
        with self._lock:
            self._refresh()
            tops = [d for people in self._state.current().values() for d in people.values()]
            return Snapshot(
                self._state.seq, self._state.hash, self._state.table(), tuple(sorted(tops, key=lambda d: d.seq))
            )

    def head(self) -> tuple[int, str]:
        """(seq, hash) of the last row; (0, "") for an empty log."""
        with self._lock:
            self._refresh()
            return self._state.seq, self._state.hash

    def history(
        self,
        actor: str | None = None,
        sample_id: str | None = None,
        action: Action | str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Decision]:
        """Rows of the log, the latest first, that fit everything given (``since`` ≤ at < ``until``)."""
        columns = DECISIONS.c
        query = self._select().order_by(columns.seq.desc())
        if actor is not None:
            query = query.where(columns.actor == actor)
        if sample_id is not None:
            query = query.where(columns.sample_id == sample_id)
        if action is not None:
            query = query.where(columns.action == checked_action(action).value)
        if since is not None:
            query = query.where(columns.at >= iso(since))
        if until is not None:
            query = query.where(columns.at < iso(until))
        if limit is not None or offset:
            query = query.limit(limit if limit is not None else 2**31).offset(offset)
        with self._database.reading() as conn:
            return [decision_of(row[:-1]) for row in conn.execute(query).all()]

    def batch_sizes(self, batch_ids: Iterable[str]) -> dict[str, int]:
        """batch_id → number of its rows in the log, for those that are there."""
        wanted = sorted(set(batch_ids))
        query = select(DECISIONS.c.batch_id, func.count()).where(DECISIONS.c.batch_id.in_(wanted))
        with self._database.reading() as conn:
            return {str(name): int(n) for name, n in conn.execute(query.group_by(DECISIONS.c.batch_id))}

    def actors(self) -> list[str]:
        """Everybody who has a row in the log, sorted."""
        with self._database.reading() as conn:
            return sorted(conn.execute(select(DECISIONS.c.actor).distinct()).scalars())

    def added_classes(self) -> list[str]:
        """Names of the classes that people added, in order."""
        return [event.name for event in self.class_events() if event.event == "add"]

    def class_events(self) -> list[ClassEvent]:
        """The class registry, in order."""
        with self._database.reading() as conn:
            return self._read_class_events(conn)

    def backup(self, path: str | Path) -> None:
        """Copy the log as it is now to a new SQLite file, while others go on deciding."""
        self._database.backup(Path(path))

    # --- how -----------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        database = self._database
        with database.reading() as conn:
            version = schema_version(conn)
            check_version(version)
            if version and (fault := database.integrity_fault(conn)):
                raise damaged_log(database.name, fault)
        if version < SCHEMA_VERSION:
            if database.read_only and version:
                raise database.read_only_error()
            with database.writing(setup=True) as conn:
                migrate(conn, iso(self._clock()))
        self._refresh()

    @staticmethod
    def _select() -> Select[Any]:
        return select(DECISIONS)

    def _refresh(self) -> None:
        with self._lock, self._database.reading() as conn:
            self._catch_up(conn)

    def _catch_up(self, conn: Connection) -> None:
        """Apply the rows since the last look, checking the chain of hashes and the chains of decisions."""
        query = self._select().where(DECISIONS.c.seq > self._state.seq).order_by(DECISIONS.c.seq)
        for part in conn.execute(query).partitions(_AT_ONCE):
            for *values, digest in part:
                if row_hash(self._state.hash, values) != digest:
                    raise damaged_log(self._database.name, f"row {values[0]} is not what was written")
                try:
                    self._state.apply(decision_of(values), digest)
                except ValueError as error:
                    raise damaged_log(self._database.name, str(error)) from error

    def _record(
        self, make: Callable[[Connection], Sequence[DecisionRequest]], stop: bool
    ) -> list[Decision | DecisionError]:
        """Check requests against the log and insert their rows, under the log's write lock.

        Reading never waits for this: the state's own lock is taken only once the turn to write has come.
        """
        with self._write_lock:
            with self._database.writing() as conn, self._lock:
                self._catch_up(conn)
                answers, new = self._insert(conn, make(conn), stop)
            with self._lock:
                for row, digest in new:
                    if row.seq > self._state.seq:  # a reader may have met the row already
                        self._state.apply(row, digest)
        return answers

    def _insert(
        self, conn: Connection, requests: Sequence[DecisionRequest], stop: bool
    ) -> tuple[list[Decision | DecisionError], list[tuple[Decision, str]]]:
        """Insert the rows of all requests that are new: the answer to each, and the new rows with their hashes."""
        known = self._known(conn, [r.decision_id for r in requests if isinstance(r.decision_id, str)])
        draft, now = Draft(self._state), iso(self._clock())
        seq, digest = self._state.seq, self._state.hash
        answers: list[Decision | DecisionError] = []
        rows: list[dict[str, Any]] = []
        new: list[tuple[Decision, str]] = []
        for raw in requests:
            try:
                request = checked_request(raw)
                chain = draft.chain(request.sample_id, request.actor)
                there = self._already(request, chain, known)
                row = next_row(request, chain, seq + 1, now) if there is None else None
            except DecisionError as error:
                if stop:
                    raise
                answers.append(error)
                continue
            if row is None:
                assert there is not None
                answers.append(there)
                continue
            seq, digest = seq + 1, row_hash(digest, row)
            decision = decision_of(row)
            draft.push(decision)
            known[decision.decision_id] = decision
            answers.append(decision)
            rows.append(dict(zip(COLUMNS, (*row, digest), strict=True)))
            new.append((decision, digest))
        if rows:
            conn.execute(insert(DECISIONS), rows)
        return answers, new

    def _known(self, conn: Connection, ids: list[str]) -> dict[str, Decision]:
        """Those of ``ids`` that the log has."""
        found = {}
        for start in range(0, len(ids), 500):
            query = self._select().where(DECISIONS.c.decision_id.in_(ids[start : start + 500]))
            for row in conn.execute(query):
                found[row.decision_id] = decision_of(row[:-1])
        return found

    @staticmethod
    def _already(request: DecisionRequest, chain: Chain, known: Mapping[str, Decision]) -> Decision | None:
        """The row that answers a request without a new one: its repeat, or a stale one that says the same."""
        there = known.get(request.decision_id or "")
        if there is not None:
            if (there.sample_id, there.actor, there.action, there.label) == (
                request.sample_id,
                request.actor,
                request.action,
                request.label,
            ):
                return there
            raise DecisionError(
                f"The decision id {request.decision_id!r} was used for another decision ({says(there)}). "
                "Mint a new id for each decision."
            )
        top = chain.top
        expected = {chain.head, top.decision_id if top else None}
        if isinstance(request.supersedes, EllipsisType) or request.supersedes in expected:
            return None
        if top is not None and (top.action, top.label) == (request.action, request.label):
            return top
        now = says(top) if top else "it was taken back"
        was = "no decision" if request.supersedes is None else f"decision {request.supersedes!r}"
        raise DecisionError(
            f"The decision about {request.sample_id!r} came too late: {request.actor!r} had {was} on screen, but since "
            f"then {now}. Look at the sample again and decide anew."
        )

    @staticmethod
    def _read_class_events(conn: Connection) -> list[ClassEvent]:
        rows = conn.execute(select(CLASS_EVENTS).order_by(CLASS_EVENTS.c.seq))
        return [
            ClassEvent(r.seq, r.event_id, r.event, r.name, r.actor, r.at, r.target, r.reason, json.loads(r.detail))
            for r in rows
        ]


def _decisions_only(answers: list[Decision | DecisionError]) -> list[Decision]:
    return [answer for answer in answers if isinstance(answer, Decision)]
