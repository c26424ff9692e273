"""The log of a workspace for people: page through it, take back what matches, and write it to a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..storage.decision_log.store import CLASS_CHANGES, ClassEvent, DecisionStore
from ..types import Decision

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
"""Columns of a written log. ``place``: the row of the decision log, or, for a change of classes, the one that it followed.
``what``: the action, or "class " and the event. ``id``: of the decision or event."""

_AT_ONCE = 10_000


class DecisionHistory:
    """Questions to the log and what may be taken back. ``actor``: gives who asks by default; ``allow`` raises NotAllowed
    where a person may not decide.

    Filters of all questions: ``actor``, ``action`` (an action, or "classes" for changes of classes alone), ``since`` ≤ at <
    ``until`` (times, or texts in ISO 8601).
    """

    def __init__(self, store: DecisionStore, actor: Callable[[], str], allow: Callable[[str], object]) -> None:
        self._store, self._actor, self._allow = store, actor, allow

    def page(self, limit: int = 100, offset: int = 0, steps: bool = False, **where: Any) -> list[Decision | ClassEvent]:
        """Decisions and changes of classes, the latest first. ``steps``: one row, the last, for each bulk verdict."""
        return self._store.timeline(**where, limit=limit, offset=offset, steps=steps)

    def count(self, steps: bool = False, **where: Any) -> int:
        """How many rows :meth:`page` has in all."""
        return self._store.count(**where, steps=steps)

    def actors(self) -> list[str]:
        """Everybody who is in the log, sorted."""
        return sorted({*self._store.actors(), *(e.actor for e in self._store.class_events())})

    def batches_in_force(self, batches: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """(person, batch_id) → how many of that bulk verdict's decisions are in force."""
        return self._store.batches_in_force(batches)

    def revertible(self, actor: str | None = None, **where: Any) -> list[str]:
        """Ids of this person's decisions in force that match, the oldest first. Nobody takes back what others decided."""
        who = actor or self._actor()
        if where.pop("by", who) not in ("", who) or where.get("action") == "classes":
            return []
        return [d.decision_id for d in self._store.matching(who, **where)]

    def revert(
        self,
        decision_ids: Iterable[str] = (),
        batch_ids: Iterable[str] = (),
        actor: str | None = None,
        undo_id: str | None = None,
    ) -> list[Decision]:
        """Take back these decisions and bulk verdicts, as far as they are this person's and in force, in one step.

        Returns the UNDO rows; a call that is repeated with the same ``undo_id`` takes nothing more back.
        """
        self._allow(actor or self._actor())
        return self._store.revert(actor or self._actor(), decision_ids, batch_ids, undo_id)


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
