"""Changing classes: add, merge, rename, split off, delete, and undo of each. Every change is an event in the log.

Nothing is overwritten: given labels and earlier decisions stay as they are, and mean another class from then on (see
:mod:`winnow.core.storage.decision_log.class_registry`). A deleted class leaves its samples in the dataset **without a
label**, where they wait for a new one, as annotation tools do. To leave them out of the export, exclude them: that is a
decision about samples.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..errors import DecisionError
from ..explore.filter import Filter
from ..explore.query import SampleQuery
from ..storage.decision_log.store import ClassEvent, DecisionRequest, DecisionStore
from ..types import Action, Decision
from .roles import Right, Roles


@dataclass(frozen=True)
class ClassChange:
    """A change that could be made.

    Attributes
    ----------
    event
        "merge", "rename", "split" or "delete".
    name, target
        The class, and the class that its samples would have (None = none).
    count
        Samples that would have another label.
    says
        What would happen, in one sentence that names the count.
    button
        The same as a command.
    """

    event: str
    name: str
    target: str | None
    count: int
    says: str
    button: str


class ClassEditor:
    """The classes of one workspace.

    Every change names its ``actor``. It raises NotAllowed where they are no owner, and a DecisionError that names the
    value, the rule and the choices where it makes no sense. A change that is repeated with the same ``event_id``
    changes nothing more.

    Parameters
    ----------
    store, query, roles
        Of the workspace.
    given
        Returns the dataset's class names.
    """

    def __init__(
        self, store: DecisionStore, query: SampleQuery, roles: Roles, given: Callable[[], Sequence[str]]
    ) -> None:
        self._store, self._query, self._roles, self._given = store, query, roles, given

    def classes(self) -> dict[str, int]:
        """Every class with the number of its samples: effective labels, the dataset's classes before people's own."""
        sizes = self._query.counts().by_class
        return {name: sizes.get(name, 0) for name in self._store.classes(self._given())}

    def size(self, name: str) -> int:
        """How many samples have this class now."""
        return self._query.counts(Filter(classes=(name,))).matching

    def members(self, name: str, within: Filter | None = None) -> list[str]:
        """Ids of a class's samples within a filter that can be split off: not those excluded or disputed."""
        ids: list[str] = []
        for state in ("undecided", "accept", "relabel"):
            wanted = within or Filter()
            if wanted.state in ("any", "decided", state) and not (wanted.state == "decided" and state == "undecided"):
                ids += self._query.ids(replace(wanted, classes=(name,), state=state))
        return ids

    def clusters(self, name: str) -> dict[int, int]:
        """Cluster → how many samples of a class it holds, the largest first; −1 (in none) is left out."""
        sizes = self._query.counts(Filter(classes=(name,))).by_cluster
        return {cluster: n for cluster, n in sizes.items() if cluster != -1}

    def preview(self, event: str, name: str, target: str | None = None, count: int | None = None) -> ClassChange:
        """What a change would do, in words. ``count``: for "split", how many samples. Nothing is recorded."""
        n = self.size(name) if count is None else count
        samples = f"{n:,} sample{'' if n == 1 else 's'}"
        says, button = {
            "merge": (
                f"{samples} of “{name}” become “{target}”, and so does every decision that said “{name}”. "
                f"“{name}” can no longer be chosen.",
                f"Merge {samples} of {name} into {target}",
            ),
            "rename": (
                f"{samples} of “{name}” are called “{target}” from now on. The old name can no longer be chosen.",
                f"Rename {name} to {target} ({samples})",
            ),
            "split": (
                f"{samples} of “{name}” are relabelled to the new class “{target}”.",
                f"Split {samples} off {name} as {target}",
            ),
            "delete": (
                f"{samples} of “{name}” stay in the dataset without a label and wait for a new one. To leave samples "
                f"out of the export, exclude them instead. “{name}” can no longer be chosen.",
                f"Delete {name} and leave {samples} without a label",
            ),
        }[event]
        return ClassChange(event, name, target, n, says, button)

    # --- changes -----------------------------------------------------------------------------------------------------

    def add(self, name: str, *, actor: str, reason: str | None = None, event_id: str | None = None) -> ClassEvent:
        """Make a class that no sample has yet: it can be chosen from now on."""
        self._roles.require(actor, Right.DECIDE)
        return self._store.change_class(
            "add", name.strip(), actor, reason=reason, event_id=event_id, given=self._given()
        )

    def merge(
        self, name: str, into: str, *, actor: str, reason: str | None = None, event_id: str | None = None
    ) -> ClassEvent:
        """Make all samples of a class samples of another one."""
        return self._change("merge", name, into, actor, reason, event_id)

    def rename(
        self, name: str, to: str, *, actor: str, reason: str | None = None, event_id: str | None = None
    ) -> ClassEvent:
        """Give a class a name that nobody has used."""
        return self._change("rename", name, to.strip(), actor, reason, event_id)

    def delete(self, name: str, *, actor: str, reason: str | None = None, event_id: str | None = None) -> ClassEvent:
        """Remove a class: its samples stay, without a label."""
        return self._change("delete", name, None, actor, reason, event_id)

    def split(
        self,
        name: str,
        to: str,
        ids: Sequence[str],
        *,
        actor: str,
        reason: str | None = None,
        event_id: str | None = None,
    ) -> ClassEvent:
        """Make these samples of a class a new class: a relabel for each and the event, in one transaction.

        The relabels settle what others have decided about these samples, so that the split causes no disagreement.

        Raises
        ------
        DecisionError
            No ids, or an id that is not of that class.
        NotAllowed
            The actor is no owner.
        """
        to = to.strip()
        if not ids:
            raise DecisionError(f"No sample of {name!r} is to be split off. Choose a cluster, a selection or a filter.")
        event_id = str(event_id or uuid.uuid4().hex)
        self._roles.require(actor, Right.CLASSES)
        if not self._is_done(event_id):
            foreign = set(ids) - set(self._query.ids(Filter(classes=(name,), ids=tuple(ids))))
            if foreign:
                raise DecisionError(
                    f"{len(foreign):,} of these samples are not of the class {name!r}, as {min(foreign)!r}. Look again."
                )
        current = self._store.current(ids)
        requests = [
            DecisionRequest(
                sample_id,
                Action.RELABEL,
                actor,
                label=to,
                decision_id=f"{event_id}:{k}",
                batch_id=event_id,
                reason=reason,
                evidence={"settles": others} if (others := _others(current.get(sample_id, {}), actor)) else {},
            )
            for k, sample_id in enumerate(ids)
        ]
        return self._change("split", name, to, actor, reason, event_id, requests)

    def undo(self, event_id: str, actor: str, undo_id: str | None = None) -> ClassEvent:
        """Undo a change, whoever made it. Refused where later changes build on it."""
        self._roles.require(actor, Right.CLASSES)
        return self._store.undo_class(event_id, actor, undo_id)

    def events(self) -> list[ClassEvent]:
        """Every row about classes, in order, undos included."""
        return self._store.class_events()

    def in_force(self) -> set[str]:
        """Ids of the changes that are in force."""
        return {e.event_id for e in self._store.registry().events}

    def _change(
        self,
        event: str,
        name: str,
        target: str | None,
        actor: str,
        reason: str | None,
        event_id: str | None,
        split: Sequence[DecisionRequest] = (),
    ) -> ClassEvent:
        self._roles.require(actor, Right.CLASSES)
        detail = None if split or (event_id and self._is_done(event_id)) else {"count": self.size(name)}
        return self._store.change_class(
            event,
            name,
            actor,
            target=target,
            reason=reason,
            event_id=event_id,
            given=self._given(),
            split=split,
            detail=detail,
        )

    def _is_done(self, event_id: str) -> bool:
        return any(e.event_id == event_id for e in self._store.class_events())


def _others(decisions: Mapping[str, Decision], actor: str) -> list[str]:
    """Ids of other people's decisions."""
    return [d.decision_id for person, d in decisions.items() if person != actor]
