"""Deciding again what an undo took back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, select

from ...types import Action
from .rows import DECISIONS, DecisionRequest, decision_of
from .state import Chain
from .timeline import read_class_events


def redo_requests(
    conn: Connection,
    actor: str,
    undo_id: str | None,
    redo_id: str,
    chains: Mapping[str, Mapping[str, Chain]],
    retired: Collection[str],
) -> list[DecisionRequest]:
    """The decisions that a redo records.

    Parameters
    ----------
    conn
        A transaction on the log.
    actor
        Whose undo.
    undo_id
        The batch of its rows; None = their latest row, if it is an undo.
    redo_id
        The batch of the new rows; where it is in the log already, its rows are asked for again.
    chains
        Sample → person → their rows.
    retired
        Names that are no class any more: relabels to them are left out.
    """

    def rows(*where: Any) -> list[Any]:
        query = select(DECISIONS).where(DECISIONS.c.actor == actor, *where)
        return list(conn.execute(query.order_by(DECISIONS.c.seq)))

    if done := rows(DECISIONS.c.batch_id == redo_id):
        return [_again(row, row.decision_id, row.supersedes, redo_id) for row in done]
    own = select(DECISIONS).where(DECISIONS.c.actor == actor)
    latest = conn.execute(own.order_by(DECISIONS.c.seq.desc()).limit(1)).first()
    if (wanted := undo_id) is None and latest is not None and latest.action == Action.UNDO.value:
        wanted = latest.batch_id
    if wanted is None or any(event.event_id == wanted for event in read_class_events(conn)):
        return []
    undo = DECISIONS.c.batch_id == wanted, DECISIONS.c.action == Action.UNDO.value
    before = rows(DECISIONS.c.decision_id.in_(select(DECISIONS.c.undoes).where(*undo)))
    undone = {row.decision_id: row for row in before}
    return [
        _again(undone[row.undoes], f"{redo_id}:{i}", row.decision_id, redo_id)
        for i, row in enumerate(rows(*undo))
        if chains[row.sample_id][actor].head == row.decision_id and undone[row.undoes].label not in retired
    ]


def _again(row: Any, decision_id: str, supersedes: str | None, batch_id: str) -> DecisionRequest:
    """The same decision as in ``row``, under another id."""
    decision = decision_of(row[:-1])
    return DecisionRequest(
        decision.sample_id,
        decision.action,
        decision.actor,
        label=decision.label,
        decision_id=decision_id,
        supersedes=supersedes,
        reason=decision.reason,
        batch_id=batch_id,
        evidence=decision.evidence,
        tags=decision.tags,
    )
