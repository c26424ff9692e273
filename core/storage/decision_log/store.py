"""The append-only decision log: what people decided, in one order, never changed and never lost.

A row is added in one transaction or not at all; its ``decision_id`` is minted by the caller, so that sending it again
is answered with the row that is there. Rows carry a chained BLAKE2b hash, which is checked whenever they are read. See
:mod:`.state` for what the rows mean, :mod:`.database` for how they are stored.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, func, insert, select

from ...errors import DecisionError
from ...types import Action, Decision
from ..gc_pause import gc_paused
from .class_registry import ClassRegistry, check, check_undo, describe_event, replay
from .database import Database, damaged_log
from .migrations import SCHEMA_VERSION, check_version, migrate, schema_version
from .recorded_head import LogHead, RecordedHead
from .redo import redo_requests
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
    recorded_decision,
    row_hash,
    utc_now,
)
from .snapshot import Snapshot
from .state import Draft, Given, GivenTags, LogState
from .timeline import CLASS_CHANGES, count, insert_class_event, matching, read_class_events, timeline

__all__ = [
    "CLASS_CHANGES",
    "ClassEvent",
    "ClassRegistry",
    "Clock",
    "DecisionRequest",
    "DecisionStore",
    "Snapshot",
    "iso",
    "utc_now",
]

_AT_ONCE = 10_000
"""Rows read at a time."""


Clock = Callable[[], datetime]


class DecisionStore:
    """The decision log of one workspace. Safe to use from several threads and processes at once.

    Parameters
    ----------
    target
        Path of the SQLite file (made if absent), or ``postgresql://user@host/database``.
    clock
        Gives the time of new rows; the order of rows never depends on it.
    head_file
        File that remembers how far the log went; None = nothing is remembered.

    Raises
    ------
    WorkspaceError
        The log is damaged, of a newer release, ends before the recorded head, or its server does not answer.
    """

    def __init__(self, target: str | Path, clock: Clock = utc_now, head_file: Path | None = None) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._write_lock = threading.Lock()
        self._state = LogState()
        self._registry = ClassRegistry()
        self._head_record = RecordedHead(head_file) if head_file is not None else None
        if self._head_record is not None and isinstance(target, Path):
            self._head_record.check_file(target)
        self._database = Database(target)
        try:
            self._open()
            self._check_head_record()
        except BaseException:
            self._database.close()
            raise

    @property
    def read_only(self) -> bool:
        """Whether decisions can be looked at but not made (then ``append`` raises ReadOnly)."""
        return self._database.read_only

    def close(self) -> None:
        """Close the connections. The store must not be used afterwards."""
        if self._database.in_place():
            self.remember(at_once=True)
        self._database.close()

    def __enter__(self) -> DecisionStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def remember(self, at_once: bool = False) -> None:
        """Write how far the log goes to the file that remembers it, at most once a second unless ``at_once``."""
        if self._head_record is not None and not self.read_only:
            with self._lock:
                head = self._reached()
            self._head_record.write(head, at_once)

    def _reached(self) -> LogHead:
        return LogHead(self._state.seq, self._state.hash, self._registry.version)

    def _check_head_record(self) -> None:
        if self._head_record is None:
            return
        head = self._head_record.head
        if head is not None:
            with self._database.reading() as conn:
                row = select(DECISIONS.c.hash).where(DECISIONS.c.seq == head.decisions)
                self._head_record.check(self._database.name, self._reached(), conn.execute(row).scalar() or "")
        self.remember(at_once=True)

    # --- writing -------------------------------------------------------------------------------------------------

    def append(
        self, requests: Sequence[DecisionRequest], given: Collection[str] | None = None, reason: str | None = None
    ) -> list[Decision]:
        """Record decisions in their order, all in one transaction: all of them or none.

        Parameters
        ----------
        requests
            A ``decision_id`` that is there already is answered with the row that is there.
        given
            Class names of the dataset. A label that is neither among them nor known to the class registry is added to
            the registry, in the same transaction as the decision that uses it. None = labels are not looked at.
        reason
            Of the classes that are added.

        Raises
        ------
        DecisionError
            A request cannot be recorded; then none is.
        ReadOnly, DiskFull, WorkspaceBusy
            The log cannot be written now.
        """
        return _decisions_only(self._record(lambda _: requests, stop=True, given=given, reason=reason))

    def append_each(
        self, requests: Sequence[DecisionRequest], given: Collection[str] | None = None, reason: str | None = None
    ) -> list[Decision | DecisionError]:
        """Like :meth:`append`, but a request that cannot be recorded is answered with its error.

        The others are recorded.
        """
        return self._record(lambda _: requests, stop=False, given=given, reason=reason)

    def undo(
        self,
        actor: str,
        now: datetime | None = None,
        undo_id: str | None = None,
        decision_id: str | None = None,
        batch_id: str | None = None,
    ) -> list[Decision]:
        """Take back the latest decision of ``actor`` that is in force, or the whole batch that it belongs to.

        What was in force before is in force again; the next undo reaches further back.

        Parameters
        ----------
        actor
            Whose decision.
        now
            Time of the rows; None = the clock's.
        undo_id
            Makes a repeated call answer with the same rows.
        decision_id, batch_id
            Take back exactly that one, if it is theirs and in force.

        Returns
        -------
        The UNDO rows, in one batch; empty where nothing is left.
        """

        def steps() -> list[Decision]:
            if decision_id or batch_id:
                return self._state.step_of(actor, decision_id, batch_id)
            return self._state.last_step(actor)

        return self._take_back(actor, undo_id, steps, now)

    def _take_back(
        self, actor: str, undo_id: str | None, find: Callable[[], list[Decision]], now: datetime | None = None
    ) -> list[Decision]:
        """Add an UNDO row for each decision that ``find`` gives, under the write lock; a repeat adds none."""
        checked("actor", actor)
        undo_id = checked("undo id", undo_id or f"undo-{uuid.uuid4().hex}")

        def requests(conn: Connection) -> list[DecisionRequest]:
            own = DECISIONS.c.batch_id == undo_id, DECISIONS.c.actor == actor, DECISIONS.c.action == Action.UNDO.value
            steps: list[Any] = list(conn.execute(select(DECISIONS).where(*own).order_by(DECISIONS.c.seq))) or find()
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

    def revert(
        self, actor: str, decision_ids: Iterable[str] = (), batch_ids: Iterable[str] = (), undo_id: str | None = None
    ) -> list[Decision]:
        """Take back exactly these decisions and bulk verdicts of ``actor``, as far as they are in force, as one step.

        Ids of other people's decisions, and of those that are no longer in force, are ignored.

        Parameters
        ----------
        actor
            Whose decisions.
        decision_ids, batch_ids
            Which.
        undo_id
            Makes a repeated call answer with the same rows.

        Returns
        -------
        The UNDO rows.
        """
        wanted, batches = set(decision_ids), set(batch_ids)

        def named(d: Decision) -> bool:
            return d.decision_id in wanted or d.batch_id in batches

        return self._take_back(actor, undo_id, lambda: self._state.matching(actor, named))

    def redo(self, actor: str, undo_id: str | None = None, redo_id: str | None = None) -> list[Decision]:
        """Decide again what an undo of ``actor`` took back, where they have decided nothing else since.

        Relabels to a class that has been merged, renamed or deleted meanwhile are left out.

        Parameters
        ----------
        actor
            Whose undo.
        undo_id
            Which undo: the batch of its rows. None = their latest, unless they have decided something since.
        redo_id
            Makes a repeated call answer with the same rows.

        Returns
        -------
        The new rows, in one batch; empty where there is nothing to redo.
        """
        checked("actor", actor)
        redo_id = checked("redo id", redo_id or f"redo-{uuid.uuid4().hex}")
        if undo_id is not None:
            checked("undo id", undo_id)

        def requests(conn: Connection) -> list[DecisionRequest]:
            return redo_requests(conn, actor, undo_id, redo_id, self._state.samples, self._registry.renames)

        return _decisions_only(self._record(requests, stop=True))

    def change_class(
        self,
        event: str,
        name: str,
        actor: str,
        *,
        target: str | None = None,
        reason: str | None = None,
        event_id: str | None = None,
        given: Collection[str] = (),
        split: Sequence[DecisionRequest] = (),
        at: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> ClassEvent:
        """Add an event to the class registry; :mod:`.class_registry` says which there are and what they mean.

        Parameters
        ----------
        event, name, target
            What happens to which class; ``target`` for merge, rename and split.
        actor
            Who does it.
        reason
            Their own words.
        event_id
            Minted by the caller; one that is there already is answered with the row that is there.
        given
            Class names of the dataset.
        split
            For "split", the decisions that relabel the samples; they and the event are recorded in one transaction.
        at
            Time of the row; None = the clock's.
        detail
            Plain values to keep with the row.

        Raises
        ------
        DecisionError
            The change breaks a rule, an id was used for another change, or a decision cannot be recorded.
        """
        checked("actor", actor)
        if event_id is not None:
            checked("event id", event_id)
        with self._write_lock, self._database.writing() as conn, self._lock:
            self._catch_up(conn)
            known = next((e for e in read_class_events(conn) if e.event_id == event_id), None) if event_id else None
            if known is not None:
                if (known.event, known.name, known.target) == (event, name, target):
                    return known
                raise DecisionError(
                    f"The event id {event_id!r} was used for another change ({describe_event(known)}). "
                    "Mint a new one for each."
                )
            check(event, name, target, self._registry, given, self._used())
            new: list[tuple[Decision, str]] = []
            if split:
                new = self._insert(conn, split, stop=True)[1]
                detail = {"batch_id": split[0].batch_id, "count": len(new), **(detail or {})}
            after = new[-1][0].seq if new else self._state.seq
            row = self._class_event(event, name, actor, after, target, reason, event_id, at, detail=detail or {})
            insert_class_event(conn, row)
        self._refresh()
        self.remember()
        return row

    def undo_class(self, event_id: str, actor: str, undo_id: str | None = None, at: str | None = None) -> ClassEvent:
        """Take back a change of the classes, whoever made it; a split with the decisions that its person made for it.

        Returns
        -------
        The "undo" row; for a repeat the one that is there.

        Raises
        ------
        DecisionError
            The event is unknown, or others build on it.
        """
        checked("actor", actor)
        with self._write_lock, self._database.writing() as conn, self._lock:
            self._catch_up(conn)
            rows = read_class_events(conn)
            event = next((e for e in rows if e.event_id == event_id), None)
            if event is None:
                raise DecisionError(
                    f"No change of a class has the id {event_id!r}. `winnow classes WS list` shows them."
                )
            if (repeat := next((e for e in rows if e.undoes == event_id), None)) is not None:
                return repeat
            check_undo(event, self._registry)
            undo_id = checked("undo id", undo_id or f"undo-{uuid.uuid4().hex}")
            batch = event.detail.get("batch_id")
            steps = self._state.step_of(event.actor, None, str(batch)) if batch else []
            requests = [
                DecisionRequest(s.sample_id, Action.UNDO, event.actor, decision_id=f"{undo_id}:{i}", batch_id=undo_id)
                for i, s in enumerate(steps)
            ]
            new = self._insert(conn, requests, stop=True)[1]
            after = new[-1][0].seq if new else self._state.seq
            row = self._class_event(
                "undo", event.name, actor, after, event.target, event_id=undo_id, at=at, undoes=event_id
            )
            insert_class_event(conn, row)
        self._refresh()
        self.remember()
        return row

    def _class_event(
        self,
        event: str,
        name: str,
        actor: str,
        after_seq: int,
        target: str | None = None,
        reason: str | None = None,
        event_id: str | None = None,
        at: str | None = None,
        place: int = 1,
        **more: Any,
    ) -> ClassEvent:
        """The row of a class change that comes ``place`` rows after those that the registry knows."""
        return ClassEvent(
            self._registry.version + place,
            event_id or uuid.uuid4().hex,
            event,
            name,
            actor,
            iso(at or self._clock()),
            target,
            (reason or "").strip() or None,
            after_seq=after_seq,
            **more,
        )

    # --- reading -------------------------------------------------------------------------------------------------

    def current(self, sample_ids: Iterable[str] | None = None) -> dict[str, dict[str, Decision]]:
        """sample_id → actor → the decision in force. Samples about which nobody says anything are left out."""
        with self._lock:
            self._refresh()
            return self._state.current(sample_ids)

    def kept(self, sample_ids: Iterable[str], entry: str, value: object) -> dict[str, list[Decision]]:
        """Sample → decisions whose evidence holds ``value`` under ``entry``, in force or not, but not taken back."""
        with self._lock:
            self._refresh()
            return self._state.kept(sample_ids, entry, value)

    def state_table(self) -> pa.Table:
        """One row per decided sample (see ``state.STATE_SCHEMA``): the answer of all people together.

        Kept between calls and updated by the rows since; the same object is returned if there are none.
        """
        with self._lock:
            self._refresh()
            return self._state.table()

    def snapshot(self) -> Snapshot:
        """The state in force, the decisions behind it and the log's head, all of one moment."""
        with self._lock:
            with self._database.reading() as conn:
                self._catch_up(conn)
                events = tuple(read_class_events(conn)[: self._registry.version])
            tops = [d for people in self._state.current().values() for d in people.values()]
            return Snapshot(
                self._state.seq,
                self._state.hash,
                self._state.table(),
                tuple(sorted(tops, key=lambda d: d.seq)),
                self._registry,
                events,
            )

    def head(self) -> tuple[int, str]:
        """(seq, hash) of the last row; (0, "") for an empty log."""
        with self._lock:
            self._refresh()
            return self._state.seq, self._state.hash

    def registry(self) -> ClassRegistry:
        """The classes that people made, and what every older name means now."""
        with self._lock:
            self._refresh()
            return self._registry

    def classes(self, given: Iterable[str]) -> list[str]:
        """The classes now: of the dataset (``given``), then those that people made or that decisions use."""
        with self._lock:
            self._refresh()
            return self._registry.classes(given, self._used())

    def set_given_labels(self, given: Given, tags: GivenTags | None = None) -> None:
        """Say what each sample was given (label, tags), so that keeping it counts the same as relabelling to it."""
        with self._lock:
            self._state.set_given(given, tags)

    def matching(
        self,
        actor: str,
        action: Action | str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
    ) -> list[Decision]:
        """One person's decisions in force, oldest first (``since`` ≤ at < ``until``); None = no condition."""
        wanted = checked_action(action) if action is not None else None
        low, high = iso(since) if since is not None else "", iso(until) if until is not None else "~"
        with self._lock:
            self._refresh()
            return self._state.matching(actor, lambda d: (wanted is None or d.action is wanted) and low <= d.at < high)

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
        """Rows of the log, the latest first (``since`` ≤ at < ``until``); None = no condition."""
        query = (
            select(DECISIONS).where(*matching(actor, sample_id, action, since, until)).order_by(DECISIONS.c.seq.desc())
        )
        if limit is not None or offset:
            query = query.limit(limit if limit is not None else 2**31).offset(offset)
        with self._database.reading() as conn:
            return [decision_of(row[:-1]) for row in conn.execute(query).all()]

    def timeline(
        self,
        actor: str | None = None,
        action: Action | str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        limit: int = 100,
        offset: int = 0,
        newest_first: bool = True,
        steps: bool = False,
    ) -> list[Decision | ClassEvent]:
        """Read a page of decisions and class changes, in order of the log: see :func:`.timeline.timeline`."""
        with self._database.reading() as conn:
            return timeline(
                conn,
                limit,
                offset,
                actor=actor,
                action=action,
                since=since,
                until=until,
                newest_first=newest_first,
                steps=steps,
            )

    def count(
        self,
        actor: str | None = None,
        action: Action | str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        steps: bool = False,
    ) -> int:
        """Count the rows that :meth:`timeline` has in all."""
        with self._database.reading() as conn:
            return count(conn, actor=actor, action=action, since=since, until=until, steps=steps)

    def batch_sizes(self, batch_ids: Iterable[str]) -> dict[str, int]:
        """batch_id → number of its rows in the log, for those that are there."""
        wanted = sorted(set(batch_ids))
        query = select(DECISIONS.c.batch_id, func.count()).where(DECISIONS.c.batch_id.in_(wanted))
        with self._database.reading() as conn:
            return {str(name): int(n) for name, n in conn.execute(query.group_by(DECISIONS.c.batch_id))}

    def batches_in_force(self, batches: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """(person, batch_id) → how many of that bulk verdict's decisions are in force."""
        with self._lock:
            self._refresh()
            return {(actor, batch): len(self._state.step_of(actor, None, batch)) for actor, batch in set(batches)}

    def actors(self) -> list[str]:
        """All people who have a row in the log, sorted."""
        with self._database.reading() as conn:
            return sorted(conn.execute(select(DECISIONS.c.actor).distinct()).scalars())

    def class_events(self) -> list[ClassEvent]:
        """The rows of the class registry, in order, those taken back included."""
        with self._database.reading() as conn:
            return read_class_events(conn)

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
                database.read_a_copy()  # an older log that cannot be migrated in place
            with database.writing(setup=True) as conn:
                migrate(conn, iso(self._clock()))
        self._refresh()

    def _refresh(self) -> None:
        with self._lock, self._database.reading() as conn:
            self._catch_up(conn)

    @gc_paused()
    def _catch_up(self, conn: Connection) -> None:
        """Apply the rows since the last call, checking the chain of hashes and the chains of decisions."""
        query = select(DECISIONS).where(DECISIONS.c.seq > self._state.seq).order_by(DECISIONS.c.seq)
        for part in conn.execute(query).partitions(_AT_ONCE):
            for *values, digest in part:
                if row_hash(self._state.hash, values) != digest:
                    raise damaged_log(self._database.name, f"row {values[0]} is not what was written")
                try:
                    self._state.apply(decision_of(values), digest)
                except ValueError as error:
                    raise damaged_log(self._database.name, str(error)) from error
        if conn.execute(select(func.coalesce(func.max(CLASS_EVENTS.c.seq), 0))).scalar_one() != self._registry.version:
            try:
                self._registry = replay(read_class_events(conn))
            except ValueError as error:
                raise damaged_log(self._database.name, str(error)) from error
            self._state.set_renames(self._registry.renames)

    def _used(self) -> list[str]:
        """The labels that decisions in force give, resolved. For callers that hold the lock."""
        labels = self._state.table().column("label").unique().to_pylist()
        return [label for label in labels if label is not None]

    @gc_paused()
    def _record(
        self,
        make: Callable[[Connection], Sequence[DecisionRequest]],
        stop: bool,
        given: Collection[str] | None = None,
        reason: str | None = None,
    ) -> list[Decision | DecisionError]:
        """Check requests against the log and insert their rows, under the log's write lock.

        Reading never waits for this: the state's own lock is taken only once the turn to write has come.
        """
        with self._write_lock:
            with self._database.writing() as conn, self._lock:
                self._catch_up(conn)
                answers, new = self._insert(conn, make(conn), stop)
                added = [] if given is None else self._added_by([decision for decision, _ in new], given, reason)
                for event in added:
                    insert_class_event(conn, event)
            with self._lock:
                for decision, digest in new:
                    if decision.seq > self._state.seq:  # a reader may have met the row already
                        self._state.apply(decision, digest)
        if added:
            self._refresh()
        self.remember()
        return answers

    def _added_by(self, decisions: Sequence[Decision], given: Collection[str], reason: str | None) -> list[ClassEvent]:
        """The events that add the classes which these new decisions are the first to name.

        A name that was renamed, merged or deleted is none of them: it means another class.
        """
        known = {None, *given, *self._registry.added, *self._registry.renames}
        first = {d.label: d for d in reversed(decisions) if d.label not in known}
        ordered = sorted(first.values(), key=lambda d: d.seq)
        return [
            self._class_event("add", str(d.label), d.actor, d.seq - 1, reason=reason, place=i)
            for i, d in enumerate(ordered, 1)
        ]

    def _insert(
        self, conn: Connection, requests: Sequence[DecisionRequest], stop: bool
    ) -> tuple[list[Decision | DecisionError], list[tuple[Decision, str]]]:
        """Insert the rows of all requests that are new: the answer to each, and the new rows with their hashes."""
        known = self._known(conn, [r.decision_id for r in requests if isinstance(r.decision_id, str)])
        draft, now = Draft(self._state), iso(self._clock())
        seq, digest = self._state.seq, self._state.hash
        prefix = uuid.uuid4().hex[:20]  # consecutive ids: random ones would touch every page of their index
        answers: list[Decision | DecisionError] = []
        rows: list[dict[str, Any]] = []
        new: list[tuple[Decision, str]] = []
        for raw in requests:
            try:
                request = checked_request(raw)
                chain = draft.chain(request.sample_id, request.actor)
                recorded = recorded_decision(request, chain, known)
                if recorded is not None:
                    answers.append(recorded)
                    continue
                row = next_row(request, chain, seq + 1, now, f"{prefix}{seq + 1:012x}")
            except DecisionError as error:
                if stop:
                    raise
                answers.append(error)
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
        known = {}
        for start in range(0, len(ids), 500):
            query = select(DECISIONS).where(DECISIONS.c.decision_id.in_(ids[start : start + 500]))
            for row in conn.execute(query):
                known[row.decision_id] = decision_of(row[:-1])
        return known


def _decisions_only(answers: list[Decision | DecisionError]) -> list[Decision]:
    return [answer for answer in answers if isinstance(answer, Decision)]
