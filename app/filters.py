"""Filters in URLs: every queue is a link that can be shared.

One flat query string holds a filter and a sort order. ``selection`` (a handle of ids kept on the server) is resolved
here, so that no payload grows with a selection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from winnow.core.errors import QueryError
from winnow.core.query import Filter

LISTS: dict[str, str] = {
    "verdict": "verdicts",
    "kind": "kinds",
    "class": "classes",
    "suggested": "suggested",
    "split": "splits",
    "source": "sources",
    "cluster": "clusters",
}
"""URL parameter → list field of Filter."""

KEYS = frozenset([*LISTS, "state", "text", "score", "pair", "group", "area"])
"""Every URL parameter that is part of a filter."""

_KNOWN = frozenset(f.name for f in fields(Filter))


def _number(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise QueryError(f"{name} must be a number, not {text!r}. Correct the link or reset the filters.") from None
    if value != value:
        raise QueryError(f"{name} must be a number, not {text!r}. Correct the link or reset the filters.")
    return value


def _score(text: str) -> tuple[str, tuple[float, float]]:
    name, _, span = text.rpartition(":")
    low, sep, high = span.partition("~")
    if not name or not sep:
        raise QueryError(f"A score filter reads name:low~high, not {text!r}. Correct the link or reset the filters.")
    return name, (_number(low, name), _number(high, name))


def _area(text: str) -> tuple[tuple[float, float], ...]:
    numbers = [_number(part, "A map area's corner") for part in text.split(",")]
    if len(numbers) < 6 or len(numbers) % 2:
        raise QueryError("A map area needs at least three corners x,y. Draw it again on the map.")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def from_pairs(pairs: Iterable[tuple[str, str]]) -> Filter:
    """The filter of URL parameters; parameters that are no filter are passed over. Raises QueryError."""
    values: dict[str, Any] = {}
    scores: dict[str, tuple[float, float]] = {}
    for key, text in pairs:
        if key in LISTS:
            item: Any = int(_number(text, "A cluster")) if key == "cluster" else text
            values[LISTS[key]] = (*values.get(LISTS[key], ()), item)
        elif key == "state":
            values["state"] = text
        elif key == "text" and text:
            values["text"] = text
        elif key == "score":
            name, span = _score(text)
            scores[name] = span
        elif key == "pair":
            given, sep, suggested = text.partition("\t")
            if not sep:
                raise QueryError("A pair filter names the given and the suggested class. Correct the link.")
            values["pair"] = (given, suggested)
        elif key == "group":
            values["duplicate_group"] = int(_number(text, "A duplicate group"))
        elif key == "area":
            values["polygon"] = _area(text)
    if scores:
        values["scores"] = scores
    return Filter(**values)


def to_pairs(flt: Filter) -> list[tuple[str, str]]:
    """The URL parameters of a filter: the inverse of :func:`from_pairs` (``ids`` never travel in a URL)."""
    pairs = [(key, str(item)) for key, name in LISTS.items() for item in (getattr(flt, name) or ())]
    if flt.state and flt.state != "any":
        pairs.append(("state", flt.state))
    if flt.text:
        pairs.append(("text", flt.text))
    pairs += [("score", f"{name}:{low:g}~{high:g}") for name, (low, high) in dict(flt.scores or {}).items()]
    if flt.pair:
        pairs.append(("pair", "\t".join(flt.pair)))
    if flt.duplicate_group is not None:
        pairs.append(("group", str(flt.duplicate_group)))
    if flt.polygon:
        pairs.append(("area", ",".join(f"{c:.6g}" for corner in flt.polygon for c in corner)))
    return pairs


def to_query(flt: Filter, **more: str) -> str:
    """The query string of a filter and further parameters."""
    return urlencode([*to_pairs(flt), *more.items()])


def from_query(query: str) -> Filter:
    """The filter of a query string; raises QueryError."""
    return from_pairs(parse_qsl(query.lstrip("?"), keep_blank_values=True))


def with_ids(flt: Filter, ids: Iterable[str]) -> Filter:
    """The same filter within a selection."""
    return replace(flt, ids=tuple(ids))


def params_of(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Pairs as the mapping that Streamlit's query parameters take."""
    grouped: dict[str, list[str]] = {}
    for key, value in pairs:
        grouped.setdefault(key, []).append(value)
    return grouped


def pairs_of(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Streamlit's query parameters as pairs, repeated ones kept."""
    get_all = getattr(params, "get_all", None)
    if get_all is not None:
        return [(key, value) for key in params for value in get_all(key)]
    return [(k, v) for k, values in params.items() for v in (values if isinstance(values, list) else [values])]
