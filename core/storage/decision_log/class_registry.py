"""The class registry: which classes there are now, what every older name means, and what may be done next.

Rules
-----
Events are rows that are only ever added: ``add``, ``merge`` (name into target), ``rename`` (name to target), ``split``
(target is new, and a batch of decisions relabels samples of name to it), ``delete`` and ``undo`` (of one of the
others). A name that was merged, renamed or deleted is *retired*: it means its target (or nothing) wherever it occurs,
in the given labels and in decisions made before or after, and no other class can take it while that holds. Chains
(rename A to B, merge B into C) resolve to their end; a circle cannot arise, because a target is never a retired name.
After the undo of a rename, decisions that used the new name mean the old one again, until a class takes that name.
"""

from __future__ import annotations

import unicodedata
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
    """What follows from all events so far.

    Attributes
    ----------
    version
        Number of rows.
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
        """The class that a label means now; None = no label, or its class was deleted."""
        return self.renames.get(name, name) if name is not None else None

    def classes(self, given: Iterable[str], used: Iterable[str] = ()) -> list[str]:
        """The classes now: of the dataset, then those that people made, then others in ``used``."""
        names = dict.fromkeys([*given, *self.added, *used])
        return [name for name in names if name not in self.renames]

    def retired_by(self, name: str) -> ClassEvent | None:
        """The event in force that retired a name."""
        return next(
            (e for e in reversed(self.events) if e.name == name and e.event in ("merge", "rename", "delete")), None
        )


def describe_event(event: ClassEvent) -> str:
    """Write an event as a clause: what was done, by whom, when."""
    clauses = {
        "add": f"{event.name!r} was added",
        "merge": f"{event.name!r} was merged into {event.target!r}",
        "rename": f"{event.name!r} was renamed to {event.target!r}",
        "split": f"{event.target!r} was split off {event.name!r}",
        "delete": f"{event.name!r} was deleted",
        "undo": f"a change of {event.name!r} was undone",
    }
    return f"{clauses.get(event.event, event.event)} by {event.actor!r} at {event.at}"


def replay(rows: Sequence[ClassEvent]) -> ClassRegistry:
    """Compute the registry after these rows. Raises ValueError where they contradict each other (a damaged log)."""
    undone = {row.undoes for row in rows if row.event == "undo"}
    by_id = {row.event_id: row for row in rows}
    edges: dict[str, str | None] = {}
    aliases: dict[str, str] = {}
    added: dict[str, None] = {}
    events: list[ClassEvent] = []
    for row in rows:
        if row.event == "undo":
            event = by_id.get(row.undoes or "")
            if event is None or event.event == "undo":
                raise ValueError(f"class event {row.seq} undoes {row.undoes!r}, which is not there")
            if event.event == "rename" and event.target is not None and event.target not in added:
                aliases[event.target] = event.name
            continue
        if row.event_id in undone:
            continue
        events.append(row)
        if (created := _created_by(row)) is not None:
            added[created] = None
            aliases.pop(created, None)
        if row.event in ("merge", "rename"):
            edges[row.name] = row.target
        elif row.event == "delete":
            edges[row.name] = None
    steps: dict[str, str | None] = {**aliases, **edges}
    renames = {name: _end(name, steps) for name in steps}
    return ClassRegistry(len(rows), renames, tuple(added), tuple(events))


def _created_by(event: ClassEvent) -> str | None:
    """The class that an event created."""
    return event.target if event.event in _CLAIMS_TARGET else event.name if event.event == "add" else None


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
    """Check that an event (not an undo) may follow.

    Parameters
    ----------
    event, name, target
        Of the event.
    registry
        As it is now.
    given
        Class names of the dataset.
    used
        Labels that decisions in force give.

    Raises
    ------
    DecisionError
        It may not; the message names the value, the rule and the choices.
    """
    if event not in EVENTS or event == "undo":
        raise DecisionError(
            f"{event!r} is no change of a class. There are: {choices(e for e in EVENTS if e != 'undo')}."
        )
    live = registry.classes(given, used)
    checked("class name", name)
    if event == "add":
        known = registry.classes(given)  # a name that only decisions use is free
        _free(name, registry, known)
        check_new_name(name, known)
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
        check_new_name(target, [other for other in live if event != "rename" or other != name])


MAX_NAME = 200
"""Longest name of a new class, in characters."""


def check_new_name(name: str, live: Iterable[str], what: str = "class") -> str:
    """Check the name of a class that is not there yet: short, of one line, and no other spelling of one that is there.

    Parameters
    ----------
    name
        The name.
    live
        The classes now.
    what
        "class" or "tag", for messages.

    Raises
    ------
    DecisionError
        Naming the rule, and the class that was probably meant.
    """
    if len(name) > MAX_NAME:
        raise DecisionError(
            f"The {what} name {name[:40]!r}… has {len(name):,} characters; a new {what} may have {MAX_NAME}. Shorten "
            "it."
        )
    if any(unicodedata.category(c) in ("Cc", "Cf", "Co", "Cn", "Zl", "Zp") and c != "\u200d" for c in name):
        raise DecisionError(
            f"The {what} name {name!r} holds control characters or line breaks. Type it without them, in one line."
        )
    spelling = one_spelling(name)
    for known in live:
        if one_spelling(known) == spelling:
            raise DecisionError(
                f"There is a {what} {known!r} already, and {name!r} differs from it only in case or blanks. "
                f"Use {known!r}."
            )
    return name


def one_spelling(name: str) -> str:
    """A name without regard to case, blanks and Unicode form: names with the same one would be mistaken for each other.

    >>> one_spelling(" Fire  Truck") == one_spelling("fire truck")
    True
    """
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def check_undo(event: ClassEvent, registry: ClassRegistry) -> None:
    """Check that an event may be taken back. Raises DecisionError for an undo, or where later events build on it."""
    if event.event == "undo":
        raise DecisionError("An undo of a class change cannot be undone itself. Make the change again instead.")
    created = _created_by(event)
    later = [e for e in registry.events if e.seq > event.seq and created is not None and created in (e.name, e.target)]
    if later:
        raise DecisionError(
            f"That {describe_event(event)} cannot be undone before what builds on it: {describe_event(later[-1])}. "
            "Take that back first."
        )


def _free(name: str, registry: ClassRegistry, live: Collection[str]) -> None:
    if name in live:
        raise DecisionError(
            f"There is a class {name!r} already, and a name belongs to one class. "
            "Choose another name, or merge into it."
        )
    event = registry.retired_by(name)
    if event is not None:
        target = registry.resolve(name)
        means = f"it means {target!r} now" if target is not None else "its samples have no label now"
        raise DecisionError(
            f"The name {name!r} is taken: {describe_event(event)}, so {means}. "
            "Choose another name, or take that change back first."
        )


def _missing(name: str, registry: ClassRegistry, live: Collection[str]) -> str:
    event = registry.retired_by(name)
    if event is not None:
        return f"There is no class {name!r} any more: {describe_event(event)}. There are: {choices(live)}."
    return f"No class is called {name!r}. There are: {choices(live)}."
