"""The class registry replayed: which classes there are now, what every older name means, and what may be done next.

Rules
-----
Events are rows that are only ever added: ``add``, ``merge`` (name into target), ``rename`` (name to target), ``split``
(target is new, made of samples of name that a batch of decisions relabels), ``delete`` and ``undo`` (of one of the
others). A name that was merged, renamed or deleted is *retired*: it means its target (or nothing) wherever it stands, in
the given labels and in decisions made before or after, and cannot be taken by another class while that holds. Chains
(rename A to B, merge B into C) resolve to their end; a circle cannot arise, because a target is never a retired name.
After the undo of a rename, decisions that used the new name mean the old one again, until a class takes that name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ...errors import DecisionError, choices
from .rows import ClassEvent, checked

EVENTS = ("add", "merge", "rename", "split", "delete", "undo")
"""What can happen to classes."""

_NEEDS_TARGET = ("merge", "rename", "split")
_CLAIMS_TARGET = ("rename", "split")
"""Events whose target must be a name that nobody has used."""


@dataclass(frozen=True)
class ClassRegistry:
    """What follows from the events so far.

    Attributes
    ----------
    version
        How many rows there are.
    renames
        Every name that does not mean itself → the class it means, None = deleted.
    added
        Classes that people made (added, split off, or named by a rename), in order.
    events
        Those in force, in order.
    """

    version: int = 0
    renames: Mapping[str, str | None] = field(default_factory=dict)
    added: tuple[str, ...] = ()
    events: tuple[ClassEvent, ...] = ()

    def resolve(self, name: str | None) -> str | None:
        """The class that a label means now; None where it has none or its class was deleted."""
        return self.renames.get(name, name) if name is not None else None

    def classes(self, given: Iterable[str], used: Iterable[str] = ()) -> list[str]:
        """The classes there are: of the dataset, then those that people made, then others in ``used``."""
        names = dict.fromkeys([*given, *self.added, *used])
        return [name for name in names if name not in self.renames]

    def retired_by(self, name: str) -> ClassEvent | None:
        """The event in force that retired a name."""
        return next(
            (e for e in reversed(self.events) if e.name == name and e.event in ("merge", "rename", "delete")), None
        )


def describe_event(event: ClassEvent) -> str:
    """An event as a clause: what was done, by whom, when."""
    what = {
        "add": f"{event.name!r} was added",
        "merge": f"{event.name!r} was merged into {event.target!r}",
        "rename": f"{event.name!r} was renamed to {event.target!r}",
        "split": f"{event.target!r} was split off {event.name!r}",
        "delete": f"{event.name!r} was deleted",
        "undo": f"a change of {event.name!r} was taken back",
    }
    return f"{what.get(event.event, event.event)} by {event.actor!r} at {event.at}"


def replay(rows: Sequence[ClassEvent]) -> ClassRegistry:
    """The registry after these rows. Raises ValueError where they contradict each other (a damaged log)."""
    undone = {row.undoes for row in rows if row.event == "undo"}
    by_id = {row.event_id: row for row in rows}
    edges: dict[str, str | None] = {}
    aliases: dict[str, str] = {}
    added: dict[str, None] = {}
    events: list[ClassEvent] = []
    for row in rows:
        if row.event == "undo":
            what = by_id.get(row.undoes or "")
            if what is None or what.event == "undo":
                raise ValueError(f"class event {row.seq} takes back {row.undoes!r}, which is not there")
            if what.event == "rename" and what.target is not None and what.target not in added:
                aliases[what.target] = what.name
            continue
        made = row.target if row.event in _CLAIMS_TARGET else row.name if row.event == "add" else None
        if row.event_id in undone:
            continue
        events.append(row)
        if made is not None:
            added[made] = None
            aliases.pop(made, None)
        if row.event in ("merge", "rename"):
            edges[row.name] = row.target
        elif row.event == "delete":
            edges[row.name] = None
    steps: dict[str, str | None] = {**aliases, **edges}
    now = {name: _end(name, steps) for name in steps}
    return ClassRegistry(len(rows), now, tuple(added), tuple(events))


def _end(name: str, steps: Mapping[str, str | None]) -> str | None:
    at: str | None = name
    for _ in range(len(steps) + 1):
        if at is None or at not in steps:
            return at
        at = steps[at]
    raise ValueError(f"the classes around {name!r} refer to each other in a circle")


def check(
    event: str,
    name: str,
    target: str | None,
    registry: ClassRegistry,
    given: Collection[str],
    used: Collection[str] = (),
) -> None:
    """Whether an event (not an undo) may follow. Raises DecisionError naming the value, the rule and the choices.

    Parameters
    ----------
    given
        Class names of the dataset.
    used
        Labels that decisions in force give.
    """
    if event not in EVENTS or event == "undo":
        raise DecisionError(
            f"{event!r} is no change of a class. There are: {choices(e for e in EVENTS if e != 'undo')}."
        )
    live = registry.classes(given, used)
    checked("class name", name)
    if event == "add":
        _free(name, registry, registry.classes(given))  # that decisions use it is no obstacle
        return
    if name not in live:
        raise DecisionError(_missing(name, registry, live))
    if event not in _NEEDS_TARGET:
        return
    target = checked("class name", target)
    if target == name:
        raise DecisionError(f"{name!r} cannot be its own target: to {event} it, name another class than itself.")
    if event == "merge":
        if target not in live:
            raise DecisionError(_missing(target, registry, live))
    else:
        _free(target, registry, live)


def check_undo(event: ClassEvent, registry: ClassRegistry) -> None:
    """Whether an event may be taken back. Raises DecisionError where it is an undo, or where later ones build on it."""
    if event.event == "undo":
        raise DecisionError("An undo of a class change is not taken back itself. Make the change again instead.")
    made = event.target if event.event in _CLAIMS_TARGET else event.name if event.event == "add" else None
    later = [e for e in registry.events if e.seq > event.seq and made is not None and made in (e.name, e.target)]
    if later:
        raise DecisionError(
            f"That {describe_event(event)} cannot be taken back before what builds on it: {describe_event(later[-1])}. Take that back first."
        )


def _free(name: str, registry: ClassRegistry, live: Collection[str]) -> None:
    if name in live:
        raise DecisionError(
            f"There is a class {name!r} already, and a name belongs to one class. Choose another name, or merge into it."
        )
    by = registry.retired_by(name)
    if by is not None:
        now = registry.resolve(name)
        means = f"it means {now!r} now" if now is not None else "its samples have no label now"
        raise DecisionError(
            f"The name {name!r} is taken: {describe_event(by)}, so {means}. Choose another name, or take that change back first."
        )


def _missing(name: str, registry: ClassRegistry, live: Collection[str]) -> str:
    by = registry.retired_by(name)
    if by is not None:
        return f"There is no class {name!r} any more: {describe_event(by)}. There are: {choices(live)}."
    return f"No class is called {name!r}. There are: {choices(live)}."
