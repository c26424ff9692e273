"""One typed session object per browser tab, and the functions that change it.

The URL and the session hold the same: which dataset, which filter, which order. A link that somebody opens overrides
the session; all other changes are written to the URL, so that what is on screen can always be shared.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, cast

import streamlit as st

from winnow.app.server.signin import MAX_NAME, remembered
from winnow.app.server.state import server_state
from winnow.app.session import filters
from winnow.core import Filter, WinnowError

_KEY = "winnow"
OWN = ("ws", "sort", "group", "colour", "selection")
"""Parameters of the URL that are no filter."""


@dataclass
class Session:
    """What one tab shows, and to whom.

    Attributes
    ----------
    key
        Key of the workspace.
    actor
        Who decides.
    named
        Whether the person gave this name, in this tab or an earlier one of this browser.
    proven
        Whether they signed in by this name.
    filter, sort, group, colour, selection
        What is shown: the filter, the order, what the gallery is grouped and the map coloured by, and the handle of a
        selection.
    notice
        A sentence for the next page.
    guide, guide_refused
        The selection of the first review with help; whether the person did not want it.
    columns
        Columns of the metadata that the sidebar offers to filter by.
    written
        The URL's parameters as this session wrote them last.
    """

    key: str | None = None
    actor: str = "you"
    named: bool = False
    proven: bool = False
    filter: Filter = field(default_factory=Filter)
    sort: str | None = None
    group: str | None = None
    colour: str | None = None
    selection: str | None = None
    notice: str | None = None
    guide: str | None = None
    guide_refused: bool = False
    columns: tuple[str, ...] = ()
    written: tuple[tuple[str, str], ...] | None = None


def default_name() -> str:
    """Who decides where nobody gave a name: the server's actor, or "guest" on a server that others reach."""
    return "guest" if server_state().shared else server_state().actor


def session() -> Session:
    """The session of this tab, created on its first run."""
    if _KEY not in st.session_state:
        name = remembered(default_name())
        st.session_state[_KEY] = Session(key=server_state().first, actor=name or default_name(), named=name is not None)
    return cast("Session", st.session_state[_KEY])


def pairs(s: Session) -> list[tuple[str, str]]:
    """The session as parameters of the URL."""
    own = [("ws", s.key), ("sort", s.sort), ("group", s.group), ("colour", s.colour), ("selection", s.selection)]
    return [(k, v) for k, v in own if v] + filters.to_pairs(s.filter)


def query(s: Session | None = None) -> str:
    """The filter and order of this tab as a query string, for routes and links."""
    s = s or session()
    more = {k: v for k, v in (("sort", s.sort), ("selection", s.selection)) if v}
    return filters.to_query(s.filter, **more)


def effective_filter(s: Session | None = None) -> Filter:
    """The filter, narrowed to the selection if there is one. Raises WinnowError where the selection is gone."""
    s = s or session()
    if s.selection and s.key:
        return filters.with_ids(s.filter, server_state().selection(s.key, s.selection))
    return s.filter


def read_url() -> None:
    """Take over the URL if somebody changed it (opened a link, went back)."""
    s = session()
    params = [(k, v) for k, v in filters.pairs_of(st.query_params) if filters.is_filter(k) or k in OWN]
    if not params or tuple(params) == s.written:
        return
    take_over(params)
    s.written = tuple(params)


def take_over(params: list[tuple[str, str]]) -> None:
    """Show what these parameters of a URL say."""
    s = session()
    values = dict(params)
    try:
        s.filter = filters.from_pairs(params)
    except WinnowError as error:
        s.filter, s.notice = Filter(), str(error)
    s.key = values.get("ws", s.key)
    s.sort, s.group, s.colour = values.get("sort"), values.get("group"), values.get("colour")
    s.selection = values.get("selection")


def write_url() -> None:
    """Write the session to the URL."""
    s = session()
    wanted = pairs(s)
    if tuple(wanted) != s.written or not st.query_params:
        st.query_params.from_dict(filters.params_of(wanted))
        s.written = tuple(wanted)


# -- changes ------------------------------------------------------------------------------------------------------


def open_workspace(key: str) -> None:
    """Show another dataset, without filters."""
    s = session()
    s.key, s.filter, s.selection, s.columns = key, Filter(), None, ()
    s.sort = s.group = s.colour = None
    server_state().remember(key)


def set_filter(**changes: Any) -> None:
    """Replace fields of the filter."""
    s = session()
    s.filter = replace(s.filter, **changes)


def only(flt: Filter, sort: str | None = None) -> None:
    """Show exactly this filter, as for a queue that was clicked."""
    s = session()
    s.filter, s.sort, s.selection = flt, sort, None


def toggle(name: str, value: Any) -> None:
    """Add a value to a list field of the filter, or remove it."""
    current = tuple(getattr(session().filter, name) or ())
    set_filter(**{name: tuple(v for v in current if v != value) if value in current else (*current, value)})


def set_score(name: str, low: float, high: float) -> None:
    """Keep a score between two bounds; the full range [0, 1] removes the bound."""
    scores = dict(session().filter.scores)
    scores.pop(name, None)
    if low > 0 or high < 1:
        scores[name] = (low if low > 0 else None, high if high < 1 else None)
    set_filter(scores=scores)


def set_metadata(what: str, column: str, value: Any) -> None:
    """Change the condition on a column of the metadata, or which columns the sidebar offers.

    ``what``: "open" and "close" a column; "value" (add or remove one of its values), "missing", "range" (low, high),
    "low" or "high", "contains" (words), "clear".
    """
    s = session()
    if what == "open":
        s.columns = tuple(dict.fromkeys((*s.columns, str(value))))
        return
    conditions = dict(s.filter.metadata)
    now = conditions.pop(column, None)
    if what == "close":
        s.columns = tuple(name for name in s.columns if name != column)
    elif what == "value":
        chosen = now[1:] if now and now[0] == "in" else ()
        if chosen := tuple(v for v in chosen if v != value) if value in chosen else (*chosen, str(value)):
            conditions[column] = ("in", *chosen)
    elif what == "missing" and (now or ("",))[0] != "missing":
        conditions[column] = ("missing",)
    elif what == "contains" and str(value or "").strip():
        conditions[column] = ("contains", str(value).strip()[:200])
    elif what in ("range", "low", "high"):
        low, high = now[1:] if now and now[0] == "range" else (None, None)
        low, high = value if what == "range" else (value, high) if what == "low" else (low, value)
        if low not in (None, "") or high not in (None, ""):
            conditions[column] = ("range", low, high)
    set_filter(metadata=conditions)


def reset(name: str | None = None) -> None:
    """Reset one field of the filter, or all of them and the selection."""
    s = session()
    if name is None:
        s.filter, s.selection = Filter(), None
    elif name == "selection":
        s.selection = None
    else:
        set_filter(**{name: getattr(Filter(), name)})


def set_sort(sort: str | None) -> None:
    """Order by a score ("-noisy_label" = highest first)."""
    session().sort = sort


def set_selection(handle: str | None) -> None:
    """Narrow everything to a selection that the server keeps."""
    session().selection = handle


def set_actor(name: str) -> None:
    """Set the name that decisions of this tab carry."""
    s = session()
    s.actor = name.strip()[:MAX_NAME] or default_name()
    s.named, s.proven = True, False


def signed_in(name: str) -> None:
    """Set the name of somebody who signed in: it need not be remembered and cannot be changed."""
    s = session()
    s.actor, s.named, s.proven = name, False, True
