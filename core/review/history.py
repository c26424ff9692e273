"""The log of a workspace for people: page through it, and undo what matches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import plural
from ..explore.summary import Summarised, SummaryTable
from ..storage.decision_log.store import CLASS_CHANGES, ClassEvent, DecisionStore
from ..types import Action, Decision
from .roles import Right, Roles

__all__ = ["CLASS_CHANGES", "FIELDS", "ClassEvent", "DecisionHistory", "as_row"]

FIELDS = (
    "place",
    "at",
    "actor",
    "what",
    "sample_id",
    "label",
    "reason",
    "batch_id",
    "id",
    "undoes",
    "supersedes",
    "class",
    "target",
)
"""Columns of a written log. ``place``: the row of the decision log, or, for a change of classes, the one that it
followed. ``what``: the action, or "class " and the event. ``id``: of the decision or event."""


class DecisionHistory(Summarised):
    """Queries of the log, and undo of what they find.

    All queries take the same conditions: ``actor``, ``action`` (an action, or "classes" for changes of classes alone),
    ``since`` ≤ at < ``until`` (times, or texts in ISO 8601).

    Parameters
    ----------
    store, roles
        Of the workspace.
    """

    def __init__(self, store: DecisionStore, roles: Roles) -> None:
        self._store, self._roles = store, roles

    def summary_table(self) -> SummaryTable:
        """The latest rows of the log."""
        head = ("at", "actor", "what", "sample or class", "label", "reason")
        latest = [as_row(item) for item in self.page(limit=10)]
        rows = [
            (
                r["at"],
                r["actor"],
                r["what"],
                r["sample_id"] or r["class"] or "",
                r["label"] or r["target"] or "",
                r["reason"] or "",
            )
            for r in latest
        ]
        return SummaryTable(f"{plural(self.count(), 'row')} in the log, the latest first", head, rows)

    def page(self, limit: int = 100, offset: int = 0, steps: bool = False, **where: Any) -> list[Decision | ClassEvent]:
        """Decisions and changes of classes, the latest first. ``steps``: one row, the last, for each bulk verdict."""
        return self._store.timeline(**where, limit=limit, offset=offset, steps=steps)

    def count(self, steps: bool = False, **where: Any) -> int:
        """How many rows :meth:`page` has in all."""
        return self._store.count(**where, steps=steps)

    def actors(self) -> list[str]:
        """Everybody who is in the log, sorted."""
        return sorted({*self._store.actors(), *(e.actor for e in self._store.class_events())})

    def last_was_undo(self, actor: str) -> bool:
        """Whether the last that this person did was an undo, which can be redone."""
        return any(d.action is Action.UNDO for d in self._store.history(actor=actor, limit=1))

    def class_changes_of_others(self, actor: str) -> int:
        """How many times anybody but this person changed the classes."""
        return sum(event.actor != actor for event in self._store.class_events())

    def batches_in_force(self, batches: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """(person, batch_id) → how many of that bulk verdict's decisions are in force."""
        return self._store.batches_in_force(batches)

    def revertible(self, actor: str, **where: Any) -> list[str]:
        """Ids of this person's decisions in force that match, the oldest first. Nobody undoes what others decided."""
        if where.pop("by", actor) not in ("", actor) or where.get("action") == "classes":
            return []
        return [d.decision_id for d in self._store.matching(actor, **where)]

    def revert(
        self,
        decision_ids: Iterable[str] = (),
        batch_ids: Iterable[str] = (),
        *,
        actor: str,
        undo_id: str | None = None,
    ) -> list[Decision]:
        """Undo these decisions and bulk verdicts, as far as they are this person's and in force, in one step.

        Returns
        -------
        list of Decision
            The UNDO rows. A call that is repeated with the same ``undo_id`` undoes nothing more.

        Raises
        ------
        NotAllowed
            The actor is no reviewer.
        """
        self._roles.require(actor, Right.DECIDE)
        return self._store.revert(actor, decision_ids, batch_ids, undo_id)


def as_row(item: Decision | ClassEvent) -> dict[str, Any]:
    """A row of the log as plain values: :data:`FIELDS`."""
    if isinstance(item, ClassEvent):
        return {
            "place": item.after_seq,
            "at": item.at,
            "actor": item.actor,
            "what": f"class {item.event}",
            "sample_id": None,
            "label": None,
            "reason": item.reason,
            "batch_id": item.detail.get("batch_id"),
            "id": item.event_id,
            "undoes": item.undoes,
            "supersedes": None,
            "class": item.name,
            "target": item.target,
        }
    return {
        "place": item.seq,
        "at": item.at,
        "actor": item.actor,
        "what": item.action.value,
        "sample_id": item.sample_id,
        "label": item.label,
        "reason": item.reason,
        "batch_id": item.batch_id,
        "id": item.decision_id,
        "undoes": item.evidence.get("undoes"),
        "supersedes": item.supersedes,
        "class": None,
        "target": None,
    }
