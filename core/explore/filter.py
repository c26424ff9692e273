"""Which samples are asked for: one frozen value that every page, queue, link and bulk verdict shares."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .. import fingerprint as fp
from ..errors import QueryError, choices
from ..storage.id_set import IdSet
from ..types import ISSUE_KINDS, Kind
from .polygon import checked_polygon
from .queues import check_pick

STATES = ("any", "undecided", "decided", "accept", "relabel", "exclude", "disputed")
"""What ``Filter.state`` may be: about the answer of all people together."""

SEARCH = ("find", "like", "file", "without")
"""The fields of a search."""

Span = tuple[float | None, float | None]


@dataclass(frozen=True)
class Filter:
    """What a sample must be; everything given must hold. Within a list, any one value does.

    Raises QueryError where a value is none of the choices.

    Attributes
    ----------
    verdicts
        Primary verdicts.
    kinds
        Flags, whatever the primary verdict.
    classes, suggested, splits, sources
        Names, "" = has none.
    clusters
        Coarse cluster numbers, −1 = none.
    state
        One of STATES.
    scores
        Probability or signal → (low, high), both included, None = open; a sample without that score does not match.
    text
        Found in id, text, label or metadata, in any case of letters.
    polygon
        Corners (x, y) on the map.
    ids
        Only these.
    pair
        (given, suggested) label.
    duplicate_group
        Its number.
    pick
        One of :data:`winnow.core.explore.queues.PICKS`, chosen among the samples that match everything else.
    strict
        a false-flag rate in (0, 1): the problems among ``verdicts`` and ``kinds`` then mean those kinds' lists at
        this rate (:mod:`winnow.core.detection.fdr`), whatever the scan flagged.
    find, like, file, without
        a search (:class:`winnow.core.explore.search.Search`) for the nearest among the samples that match everything
        else: to a description, to a sample's id, to a file that was brought, away from a description.
    """

    verdicts: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    suggested: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    clusters: tuple[int, ...] = ()
    state: str = "any"
    scores: Mapping[str, Span] = field(default_factory=dict, hash=False)
    text: str = ""
    polygon: tuple[tuple[float, float], ...] | None = None
    ids: tuple[str, ...] | IdSet | None = None
    pair: tuple[str, str] | None = None
    duplicate_group: int | None = None
    pick: str = ""
    strict: float | None = None
    find: str = ""
    like: str = ""
    file: str = ""
    without: str = ""

    def __post_init__(self) -> None:
        put = object.__setattr__
        for name in ("verdicts", "kinds", "classes", "suggested", "splits", "sources"):
            put(self, name, _texts(name, getattr(self, name)))
        _among("verdict", self.verdicts, [k.value for k in Kind])
        _among("kind", self.kinds, [k.value for k in ISSUE_KINDS])
        put(self, "clusters", tuple(dict.fromkeys(_whole("cluster", c) for c in self.clusters or ())))
        put(self, "state", self.state or "any")
        _among("state", (self.state,), STATES)
        put(self, "scores", {str(name): _span(str(name), span) for name, span in dict(self.scores or {}).items()})
        put(self, "text", _text("text", self.text))
        for name in SEARCH:
            put(
                self,
                name,
                " ".join(_text(name, getattr(self, name)).split()) if name != "like" else _text(name, self.like),
            )
        if self.polygon is not None:
            put(self, "polygon", tuple((float(x), float(y)) for x, y in checked_polygon(self.polygon)))
        if self.ids is not None and not isinstance(self.ids, IdSet):
            put(self, "ids", _texts("ids", self.ids))
        if self.pair is not None:
            pair = _texts("pair", [None]) if isinstance(self.pair, str) else tuple(_text("pair", p) for p in self.pair)
            if len(pair) != 2:
                raise QueryError(f"A pair is (given label, suggested label), not {self.pair!r}.")
            put(self, "pair", pair)
        if self.duplicate_group is not None:
            put(self, "duplicate_group", _whole("duplicate group", self.duplicate_group))
        if self.pick:
            check_pick(self.pick)
        if self.strict is not None:
            put(self, "strict", _rate(self.strict))

    @property
    def searching(self) -> bool:
        """Whether samples are looked for by what they are like."""
        return any(getattr(self, name) for name in SEARCH)

    @property
    def active(self) -> bool:
        """Whether anything is asked for at all."""
        return self != Filter()

    def to_query(self) -> dict[str, str]:
        """The filter as flat text values, for a URL: the inverse of :meth:`from_query`. Defaults are left out.

        >>> Filter(verdicts=("ood",), classes=("a,b", "c"), scores={"hard": (0.5, None)}).to_query()
        {'verdicts': 'ood', 'classes': 'a\\\\,b,c', 'score.hard': '0.5..'}
        """
        out = {name: _join(getattr(self, name)) for name in _LISTS if getattr(self, name)}
        if self.state != "any":
            out["state"] = self.state
        for name, (low, high) in self.scores.items():
            out[f"score.{name}"] = f"{_number(low)}..{_number(high)}"
        if self.text:
            out["text"] = self.text
        if self.polygon:
            out["polygon"] = ";".join(f"{x!r},{y!r}" for x, y in self.polygon)
        if self.ids is not None:
            out["ids"] = _join(self.ids)
        if self.pair:
            out["pair"] = _join(self.pair)
        if self.duplicate_group is not None:
            out["duplicate_group"] = str(self.duplicate_group)
        if self.pick:
            out["pick"] = self.pick
        if self.strict is not None:
            out["strict"] = repr(self.strict)
        return out | {name: getattr(self, name) for name in SEARCH if getattr(self, name)}

    @property
    def fingerprint(self) -> str:
        """The cache key of what is asked for, ids included."""
        within = (
            self.ids.digest if isinstance(self.ids, IdSet) else None if self.ids is None else fp.of_strings(self.ids)
        )
        return fp.of(replace(self, ids=None).to_query(), within)

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Filter:
        """The filter of a URL's parameters; other parameters are passed over. Raises QueryError."""
        values: dict[str, Any] = {name: tuple(_split(query[name])) for name in _LISTS if name in query}
        values |= {
            name: query[name]
            for name in ("state", "text", "duplicate_group", "pick", "strict", *SEARCH)
            if name in query
        }
        values["scores"] = {
            key.removeprefix("score."): tuple(text.split(".."))
            for key, text in query.items()
            if key.startswith("score.")
        }
        if query.get("polygon"):
            values["polygon"] = [corner.split(",") for corner in query["polygon"].split(";")]
        if "ids" in query:
            values["ids"] = tuple(_split(query["ids"])) if query["ids"] else ()
        if "pair" in query:
            values["pair"] = tuple(_split(query["pair"]))
        return cls(**values)


_LISTS = ("verdicts", "kinds", "classes", "suggested", "splits", "sources", "clusters")


def _join(items: Iterable[object]) -> str:
    return ",".join(str(i).replace("\\", "\\\\").replace(",", "\\,") for i in items)


def _split(text: str) -> list[str]:
    parts, escaped = [""], False
    for c in text:
        if escaped or c not in "\\,":
            parts[-1] += c
            escaped = False
        elif c == "\\":
            escaped = True
        else:
            parts.append("")
    return parts


def _number(value: float | None) -> str:
    return "" if value is None else repr(value)


def _text(name: str, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise QueryError(f"{name} takes texts, not {value!r}.")
    if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        raise QueryError(f"{name} takes whole characters; {value!r} holds half of one.")
    return str(value)


def _texts(name: str, values: Iterable[object] | None) -> tuple[str, ...]:
    if isinstance(values, str):
        values = (values,)
    return tuple(dict.fromkeys(_text(name, v) for v in values or ()))


def _among(what: str, values: Iterable[str], known: Iterable[str]) -> None:
    known = list(known)
    for value in values:
        if value not in known:
            raise QueryError(f"No {what} is called {value!r}. There are: {choices(known)}.")


def _whole(what: str, value: object) -> int:
    try:
        return int(value)  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError, OverflowError):
        raise QueryError(f"A {what} is a whole number, not {value!r}.") from None


def _rate(value: object) -> float:
    try:
        rate = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        rate = math.nan
    if not 0.0 < rate < 1.0:
        raise QueryError(f"How strict is a false-flag rate above 0 and below 1, such as 0.05, not {value!r}.")
    return rate


def _span(name: str, span: object) -> Span:
    try:
        low, high = (None if v is None or v == "" else float(v) for v in span)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise QueryError(f"The range of {name!r} is (low, high) in numbers, not {span!r}.") from None
    if any(v is not None and math.isnan(v) for v in (low, high)):
        raise QueryError(f"The range of {name!r} is (low, high) in numbers, not {span!r}.")
    return low, high
