"""Questions to the log's two tables: pages of everything that happened, and the rows of the class registry."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, literal, select, union_all

from ...types import Action, Decision
from .rows import CLASS_EVENTS, DECISIONS, ClassEvent, checked_action, decision_of, iso

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
    """A page of decisions and class changes that fit everything given, in order of the log. ``steps``: one row, the last,
    stands for each bulk verdict and each undo.
    """
    both = _both(actor, action, since, until, steps)
    keys = both.c.place, both.c.kind, both.c.number
    order = [key.desc() if newest_first else key for key in keys]
    page = conn.execute(select(both.c.kind, both.c.number).order_by(*order).limit(limit).offset(offset)).all()
    numbers = [number for kind, number in page if kind == 0]
    found: dict[tuple[int, int], Decision | ClassEvent] = {
        (0, row.seq): decision_of(row[:-1])
        for row in conn.execute(select(DECISIONS).where(DECISIONS.c.seq.in_(numbers)))
    }
    if len(numbers) < len(page):
        found |= {(1, event.seq): event for event in read_class_events(conn)}
    return [found[kind, number] for kind, number in page]


def count(
    conn: Connection,
    *,
    actor: str | None,
    action: Action | str | None,
    since: Moment,
    until: Moment,
    steps: bool = False,
) -> int:
    """How many rows :func:`timeline` has in all."""
    return int(conn.execute(select(func.count()).select_from(_both(actor, action, since, until, steps))).scalar_one())


def _both(actor: str | None, action: Action | str | None, since: Moment, until: Moment, steps: bool) -> Any:
    """(place, kind, number) of matching rows: decisions are kind 0, class changes stand behind the one that they follow."""
    parts = []
    if action != CLASS_CHANGES:
        last = func.max(DECISIONS.c.seq) if steps else DECISIONS.c.seq
        rows = select(last.label("place"), literal(0).label("kind"), last.label("number"))
        rows = rows.where(*fitting(actor, None, action, since, until))
        parts.append(rows.group_by(func.coalesce(DECISIONS.c.batch_id, DECISIONS.c.decision_id)) if steps else rows)
    if action in (None, CLASS_CHANGES):
        c = CLASS_EVENTS.c
        events = select(func.coalesce(c.after_seq, 0).label("place"), literal(1).label("kind"), c.seq.label("number"))
        parts.append(events.where(*_within(c.actor, c.at, actor, since, until)))
    return union_all(*parts).subquery()


def fitting(
    actor: str | None, sample_id: str | None, action: Action | str | None, since: Moment, until: Moment
) -> list[Any]:
    """Conditions on rows of the log (``since`` ≤ at < ``until``)."""
    wanted = _within(DECISIONS.c.actor, DECISIONS.c.at, actor, since, until)
    if sample_id is not None:
        wanted.append(DECISIONS.c.sample_id == sample_id)
    if action is not None:
        wanted.append(DECISIONS.c.action == checked_action(action).value)
    return wanted


def _within(who: Any, when: Any, actor: str | None, since: Moment, until: Moment) -> list[Any]:
    wanted = []
    if actor is not None:
        wanted.append(who == actor)
    if since is not None:
        wanted.append(when >= iso(since))
    if until is not None:
        wanted.append(when < iso(until))
    return wanted


def read_class_events(conn: Connection) -> list[ClassEvent]:
    """The rows of the class registry, in order."""
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
