"""Filters in URLs: every queue is a link that can be shared.

The engine's flat codec (``Filter.to_query``) names the parameters; ``ids`` never travel: a selection stays on the
server under a handle (parameter ``selection``) and is resolved by :func:`with_ids`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from winnow.core import FIELDS, Filter, IdSet
from winnow.core.types import PROBLEMS, Kind

LISTS = frozenset(name for name, field in FIELDS.items() if field.many)
"""The fields of a filter that take several values."""

PARAMETERS = frozenset(FIELDS) - {"ids"}
"""The fields of a filter that stand in a URL."""


FLAGGED = Filter(verdicts=PROBLEMS, state="undecided")
"""Everything flagged that nobody has decided about: the number beside Review."""


def is_filter(key: str) -> bool:
    """Whether a URL parameter is part of a filter."""
    return key in PARAMETERS or any(field.prefix and key.startswith(field.prefix) for field in FIELDS.values())


def browser_schema() -> dict[str, dict[str, str]]:
    """The parameters of a filter for the browser: how each is worked out, and the colouring that it needs."""
    parameters = {
        field.prefix or name: {"how": field.how, "colour": field.colour, "none": "-1" if name == "clusters" else ""}
        for name, field in FIELDS.items()
    }
    return parameters | {"selection": {"how": "server", "colour": "", "none": ""}}


def chips(flt: Filter) -> Iterator[tuple[str, str, Any]]:
    """What the chips of a filter say, what removing one resets, and the value that it takes out (None = all of it)."""
    for field, value in flt.given:
        if field.prefix:
            yield from ((field.words(entry), f"{field.prefix}{entry[0]}", None) for entry in value.items())
        elif field.many:
            yield from ((field.words(one), field.name, one) for one in value)
        else:
            yield field.words(value), field.name, None


def from_pairs(pairs: Iterable[tuple[str, str]]) -> Filter:
    """The filter of URL parameters; parameters that are no filter are passed over. Raises QueryError."""
    return Filter.from_query({key: value for key, value in pairs if is_filter(key)})


def to_pairs(flt: Filter) -> list[tuple[str, str]]:
    """The URL parameters of a filter: the inverse of :func:`from_pairs`, but for ids."""
    return list((flt if flt.ids is None else replace(flt, ids=None)).to_query().items())


def to_query(flt: Filter, **more: str) -> str:
    """The query string of a filter and further parameters."""
    return urlencode([*to_pairs(flt), *more.items()])


def from_query(query: str) -> Filter:
    """The filter of a query string; raises QueryError."""
    return from_pairs(parse_qsl(query.lstrip("?"), keep_blank_values=True))


def parameter(query: str, name: str) -> str | None:
    """One parameter of a query string."""
    return dict(parse_qsl(query.lstrip("?"))).get(name)


def with_ids(flt: Filter, ids: Iterable[str]) -> Filter:
    """The same filter within a selection."""
    return replace(flt, ids=ids if isinstance(ids, IdSet) else tuple(ids))


def to_review(flt: Filter, sort: str | None = None, selection: str | None = None) -> tuple[Filter, str, bool]:
    """What Review goes through under a filter: the filter, the order, and whether that is simply all flagged samples.

    Decided samples are left out unless they were asked for. Who names no verdict, pair, edit of tags, score, group,
    state or selection gets the flagged samples, the surest first; a pick has an order of its own.
    """
    named = (
        flt.verdicts
        or flt.kinds
        or flt.pair
        or flt.tag_edits
        or flt.scores
        or flt.text
        or flt.pick
        or flt.searching
        or selection
        or flt.duplicate_group is not None
        or flt.state not in ("any", "undecided")
    )
    if not named:
        flt = replace(flt, verdicts=PROBLEMS)
    if flt.state == "any":
        flt = replace(flt, state="undecided")
    if sort is None:
        if flt.pick:
            sort = "pick"
        elif flt.searching:
            sort = "match"
        elif len(flt.verdicts) == 1 and flt.verdicts[0] != Kind.CLEAN:
            sort = f"-{flt.verdicts[0]}"
        else:
            sort = "-suspicion" if flt.strict is not None and flt.verdicts else "-confidence"
    return flt, sort, not named


def params_of(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Pairs as the mapping that Streamlit's query parameters take."""
    return dict(pairs)


def pairs_of(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Streamlit's query parameters as pairs."""
    return [(str(key), str(params[key])) for key in params]
