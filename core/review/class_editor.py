"""Changing classes: merge, rename, split off, delete, and taking each back. Every change is an event in the log.

Nothing is written over: given labels and earlier decisions stay as they are, and mean another class from then on (see
:mod:`.store.classes`). A deleted class leaves its samples in the dataset **without a label**, where they wait for a new
one, as annotation tools do; who wants them out of the export excludes them, which is a decision about samples.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import DecisionError
from ..explore.filter import Filter
from ..explore.query import SampleQuery
from ..storage.decision_log.store import ClassEvent, DecisionRequest, DecisionStore
from ..types import Action, Decision


@dataclass(frozen=True)
class ClassChange:
    """A change that could be made. ``count``: samples that would have another label. ``says``: what would happen, in one
    sentence that names the count. ``button``: the same as a command.
    """

    event: str
    name: str
    target: str | None
    count: int
    says: str
    button: str


class ClassEditor:
    """The classes of one workspace.

    Parameters
    ----------
    store, query
        Of the workspace.
    given
        Gives the dataset's class names.
    actor
        Gives who decides by default.
    allow
        Raises NotAllowed where a person may not change classes.
    """

    def __init__(
        self,
        store: DecisionStore,
        query: SampleQuery,
        given: Callable[[], Sequence[str]],
        actor: Callable[[], str],
        allow: Callable[[str], object],
    ) -> None:
        self._store, self._query, self._given, self._actor, self._allow = store, query, given, actor, allow

    def classes(self) -> dict[str, int]:
        """Every class with the number of its samples (effective labels), in the dataset's order, then as people made them."""
        sizes = self._query.counts().by_class
        return {name: sizes.get(name, 0) for name in self._store.classes(self._given())}

    def size(self, name: str) -> int:
        """How many samples have this class now."""
        return self._query.counts(Filter(classes=(name,))).matching

    def members(self, name: str, within: Filter | None = None) -> list[str]:
        """Ids of the samples of a class within a filter that can be split off: excluded and disputed ones are left out."""
        found: list[str] = []
        for state in ("undecided", "accept", "relabel"):
            wanted = within or Filter()
            if wanted.state in ("any", "decided", state) and not (wanted.state == "decided" and state == "undecided"):
                found += self._query.ids(replace(wanted, classes=(name,), state=state))
        return found

    def clusters(self, name: str) -> dict[int, int]:
        """Cluster → how many samples of a class it holds, the largest first; −1 (in none) is left out."""
        found = self._query.counts(Filter(classes=(name,))).by_cluster
        return {cluster: n for cluster, n in found.items() if cluster != -1}

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
                f"{samples} of “{name}” stay in the dataset without a label and wait for a new one. To leave samples out of "
                f"the export, exclude them instead. “{name}” can no longer be chosen.",
                f"Delete {name} and leave {samples} without a label",
            ),
        }[event]
        return ClassChange(event, name, target, n, says, button)

    # --- changes: each is refused with a DecisionError that names value, rule and choices ------------------------------

    def merge(self, name: str, into: str, **who: Any) -> ClassEvent:
        """Make all samples of a class samples of another one. ``who``: actor, reason, event_id."""
        return self._change("merge", name, into, **who)

    def rename(self, name: str, to: str, **who: Any) -> ClassEvent:
        """Call a class by a name that nobody has used. ``who``: actor, reason, event_id."""
        return self._change("rename", name, to.strip(), **who)

    def delete(self, name: str, **who: Any) -> ClassEvent:
        """Take a class away: its samples stay, without a label. ``who``: actor, reason, event_id."""
        return self._change("delete", name, None, **who)

    def split(self, name: str, to: str, ids: Sequence[str], **who: Any) -> ClassEvent:
        """Make these samples of a class a new class: a relabel for each, and the event, together. What others decided
        about these samples so far, the name of the old class, is spoken for: the split makes nobody disagree.

        Parameters
        ----------
        who
            Actor, reason, event_id. Raises DecisionError where an id is not of that class.
        """
        to = to.strip()
        if not ids:
            raise DecisionError(f"No sample of {name!r} is to be split off. Choose a cluster, a selection or a filter.")
        event_id = str(who.get("event_id") or uuid.uuid4().hex)
        actor = str(who.get("actor") or self._actor())
        self._allow(actor)
        done = next((e for e in self._store.class_events() if e.event_id == event_id), None)
        if done is None:
            foreign = set(ids) - set(self._query.ids(Filter(classes=(name,), ids=tuple(ids))))
            if foreign:
                raise DecisionError(
                    f"{len(foreign):,} of these samples are not of the class {name!r}, as {min(foreign)!r}. Look again."
                )
        said = self._store.current(ids)
        requests = [
            DecisionRequest(
                i,
                Action.RELABEL,
                actor,
                label=to,
                decision_id=f"{event_id}:{k}",
                batch_id=event_id,
                reason=who.get("reason"),
                evidence={"settles": others} if (others := _others(said.get(i, {}), actor)) else {},
            )
            for k, i in enumerate(ids)
        ]
        return self._change("split", name, to, split=requests, **{**who, "event_id": event_id, "actor": actor})

    def undo(self, event_id: str, actor: str | None = None, undo_id: str | None = None) -> ClassEvent:
        """Take back a change, whoever made it. Refused where later changes build on it."""
        self._allow(actor or self._actor())
        return self._store.undo_class(event_id, actor or self._actor(), undo_id)

    def last(self) -> ClassEvent | None:
        """The latest change in force that can be taken back; None where there is none."""
        events = [e for e in self._store.registry().events if e.event != "add"]
        return events[-1] if events else None

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
        *,
        actor: str | None = None,
        reason: str | None = None,
        event_id: str | None = None,
        split: Sequence[DecisionRequest] = (),
    ) -> ClassEvent:
        self._allow(actor or self._actor())
        detail = None if split or (event_id and self._seen(event_id)) else {"count": self.size(name)}
        return self._store.change_class(
            event,
            name,
            actor or self._actor(),
            target=target,
            reason=reason,
            event_id=event_id,
            given=self._given(),
            split=split,
            detail=detail,
        )

    def _seen(self, event_id: str) -> bool:
        return any(e.event_id == event_id for e in self._store.class_events())


def _others(said: Mapping[str, Decision], actor: str) -> list[str]:
    """Ids of what other people say."""
    return [d.decision_id for who, d in said.items() if who != actor]
