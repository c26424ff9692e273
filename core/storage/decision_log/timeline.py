"""Queries on the log's two tables: pages of everything that happened, and the rows of the class registry."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, false, func, insert, literal, select, union_all

from ...types import Action, Decision
from .rows import CLASS_EVENTS, DECISIONS, ClassEvent, can_be_stored, checked_action, decision_of, iso

CLASS_CHANGES = "classes"
"""What ``action`` may be for the changes of classes alone."""

Moment = datetime | str | None


def timeline(
    conn: Connection,
    limit: int,
    offset: int,
    *,
    actor: str | None,
    action: Action | str | None,
    since: Moment,
    until: Moment,
    newest_first: bool = True,
    steps: bool = False,
) -> list[Decision | ClassEvent]:
    """Read a page of decisions and class changes in order of the log. Filters that are None are left out.

    Parameters
    ----------
    conn
        To the log.
    limit, offset
        Length and start of the page, in rows.
    actor
        Who did it.
    action
        One of the decisions' actions, or CLASS_CHANGES.
    since, until
        ``since`` ≤ at < ``until``.
    newest_first
        Order of the rows.
    steps
        Only the last row of each bulk verdict and each undo.
    """
    both = _both(actor, action, since, until, steps)
    keys = both.c.place, both.c.kind, both.c.number
    order = [key.desc() if newest_first else key for key in keys]
    page = conn.execute(select(both.c.kind, both.c.number).order_by(*order).limit(limit).offset(offset)).all()
    numbers = [number for kind, number in page if kind == 0]
    rows: dict[tuple[int, int], Decision | ClassEvent] = {
        (0, row.seq): decision_of(row[:-1])
        for row in conn.execute(select(DECISIONS).where(DECISIONS.c.seq.in_(numbers)))
    }
    if len(numbers) < len(page):
        rows |= {(1, event.seq): event for event in read_class_events(conn)}
    return [rows[kind, number] for kind, number in page]


def count(
    conn: Connection,
    *,
    actor: str | None,
    action: Action | str | None,
    since: Moment,
    until: Moment,
    steps: bool = False,
) -> int:
    """Count the rows that :func:`timeline` has in all."""
    return int(conn.execute(select(func.count()).select_from(_both(actor, action, since, until, steps))).scalar_one())


def _both(actor: str | None, action: Action | str | None, since: Moment, until: Moment, steps: bool) -> Any:
    """(place, kind, number) of matching rows: decisions are kind 0, class changes kind 1, placed by ``after_seq``."""
    parts = []
    if action != CLASS_CHANGES:
        last = func.max(DECISIONS.c.seq) if steps else DECISIONS.c.seq
        rows = select(last.label("place"), literal(0).label("kind"), last.label("number"))
        rows = rows.where(*matching(actor, None, action, since, until))
        parts.append(rows.group_by(func.coalesce(DECISIONS.c.batch_id, DECISIONS.c.decision_id)) if steps else rows)
    if action in (None, CLASS_CHANGES):
        c = CLASS_EVENTS.c
        events = select(func.coalesce(c.after_seq, 0).label("place"), literal(1).label("kind"), c.seq.label("number"))
        parts.append(events.where(*_within(c.actor, c.at, actor, since, until)))
    return union_all(*parts).subquery()


def matching(
    actor: str | None, sample_id: str | None, action: Action | str | None, since: Moment, until: Moment
) -> list[Any]:
    """Conditions that select decisions (``since`` ≤ at < ``until``); None = no condition."""
    conditions = _within(DECISIONS.c.actor, DECISIONS.c.at, actor, since, until)
    if sample_id is not None:
        conditions.append(_is(DECISIONS.c.sample_id, sample_id))
    if action is not None:
        conditions.append(DECISIONS.c.action == checked_action(action).value)
    return conditions


def _is(column: Any, text: str) -> Any:
    """The condition that a column holds this text; no row holds what cannot be stored, and no driver takes it."""
    return column == text if can_be_stored(text) else false()


def _within(actors: Any, times: Any, actor: str | None, since: Moment, until: Moment) -> list[Any]:
    conditions = []
    if actor is not None:
        conditions.append(_is(actors, actor))
    if since is not None:
        conditions.append(times >= iso(since))
    if until is not None:
        conditions.append(times < iso(until))
    return conditions


def read_class_events(conn: Connection) -> list[ClassEvent]:
    """Read the rows of the class registry, in order."""
    return [
        ClassEvent(
            r.seq,
            r.event_id,
            r.event,
            r.name,
            r.actor,
            r.at,
            r.target,
            r.reason,
            json.loads(r.detail),
            r.undoes,
            r.after_seq,
        )
        for r in conn.execute(select(CLASS_EVENTS).order_by(CLASS_EVENTS.c.seq))
    ]


def insert_class_event(conn: Connection, event: ClassEvent) -> None:
    """Add a row to the class registry."""
    row = {column.name: getattr(event, column.name) for column in CLASS_EVENTS.c}
    detail = json.dumps(dict(event.detail), ensure_ascii=False, sort_keys=True)
    conn.execute(insert(CLASS_EVENTS), {**row, "detail": detail})
