"""Filters in URLs: every queue is a link that can be shared.

The engine's flat codec (``Filter.to_query``) names the parameters; ``ids`` never travel: a selection stays on the
server under a handle (parameter ``selection``) and is resolved by :func:`with_ids`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from winnow.core.query import Filter

LISTS = ("verdicts", "kinds", "classes", "suggested", "splits", "sources", "clusters")
"""The fields of a filter that take several values."""

SINGLE = ("state", "text", "polygon", "pair", "duplicate_group")


def is_filter(key: str) -> bool:
    """Whether a URL parameter is part of a filter."""
    return key in LISTS or key in SINGLE or key.startswith("score.")


def from_pairs(pairs: Iterable[tuple[str, str]]) -> Filter:
    """The filter of URL parameters; parameters that are no filter are passed over. Raises QueryError."""
    return Filter.from_query({key: value for key, value in pairs if is_filter(key)})


def to_pairs(flt: Filter) -> list[tuple[str, str]]:
    """The URL parameters of a filter: the inverse of :func:`from_pairs`, but for ids."""
    return [(key, value) for key, value in flt.to_query().items() if key != "ids"]


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
    return replace(flt, ids=tuple(ids))


def params_of(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Pairs as the mapping that Streamlit's query parameters take."""
    return dict(pairs)


def pairs_of(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Streamlit's query parameters as pairs."""
    return [(str(key), str(params[key])) for key in params]
