"""One typed session object per browser tab, and its only mutators.

The URL and the session hold the same: which dataset, which filter, which order. A link that somebody opens wins over
the session; everything else is written back to the URL, so that what is on screen can always be shared.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from winnow.app.server.signin import MAX_NAME, remembered
from winnow.app.server.state import server_state
from winnow.app.session import filters
from winnow.core import Filter, WinnowError

_KEY = "winnow"
_OWN = ("ws", "sort", "group", "selection")


@dataclass
class Session:
    """What one tab is looking at."""

    key: str | None = None
    actor: str = "you"
    named: bool = False
    """Whether the person said who they are, in this tab or an earlier one of this browser."""
    proven: bool = False
    """Whether they signed in by this name."""
    filter: Filter = field(default_factory=Filter)
    sort: str | None = None
    group: str | None = None
    """What the gallery is grouped by."""
    selection: str | None = None
    notice: str | None = None
    written: tuple[tuple[str, str], ...] | None = None


def default_name() -> str:
    """Who decides where nobody said: the server's own name, which is nobody else's on a server that others reach."""
    return "guest" if server_state().shared else server_state().actor


def session() -> Session:
    """This tab's session; made at its first look."""
    if _KEY not in st.session_state:
        name = remembered(default_name())
        st.session_state[_KEY] = Session(key=server_state().first, actor=name or default_name(), named=name is not None)
    current: Session = st.session_state[_KEY]
    return current


def pairs(s: Session) -> list[tuple[str, str]]:
    """What the session puts into the URL."""
    own = [("ws", s.key), ("sort", s.sort), ("group", s.group), ("selection", s.selection)]
    return [(k, v) for k, v in own if v] + filters.to_pairs(s.filter)


def query(s: Session | None = None) -> str:
    """The filter and order of this tab as a query string, for routes and links."""
    s = s or session()
    more = {k: v for k, v in (("sort", s.sort), ("selection", s.selection)) if v}
    return filters.to_query(s.filter, **more)


def effective_filter(s: Session | None = None) -> Filter:
    """The filter with a map selection, if there is one, as ids; raises WinnowError when the selection is gone."""
    s = s or session()
    if s.selection and s.key:
        return filters.with_ids(s.filter, server_state().selection(s.key, s.selection))
    return s.filter


def read_url() -> None:
    """Adopt what the URL says, if somebody changed it (opened a link, went back)."""
    s = session()
    found = [(k, v) for k, v in filters.pairs_of(st.query_params) if filters.is_filter(k) or k in _OWN]
    if not found or tuple(found) == s.written:
        return
    values = dict(found)
    try:
        s.filter = filters.from_pairs(found)
    except WinnowError as error:
        s.filter, s.notice = Filter(), str(error)
    s.key = values.get("ws", s.key)
    s.sort, s.group = values.get("sort"), values.get("group")
    s.selection = values.get("selection")
    s.written = tuple(found)


def write_url() -> None:
    """Make the URL say what the session holds."""
    s = session()
    wanted = pairs(s)
    if tuple(wanted) != s.written or not st.query_params:
        st.query_params.from_dict(filters.params_of(wanted))
        s.written = tuple(wanted)


# -- mutators -----------------------------------------------------------------------------------------------------


def open_workspace(key: str) -> None:
    """Look at another dataset: filters start afresh."""
    s = session()
    s.key, s.filter, s.sort, s.selection = key, Filter(), None, None
    server_state().remember(key)


def set_filter(**changes: Any) -> None:
    """Replace fields of the filter."""
    s = session()
    s.filter = replace(s.filter, **changes)


def only(flt: Filter, sort: str | None = None) -> None:
    """Show exactly this filter: a queue that was clicked."""
    s = session()
    s.filter, s.sort, s.selection = flt, sort, None


def toggle(name: str, value: Any) -> None:
    """Add a value to a list field of the filter, or take it out."""
    current = tuple(getattr(session().filter, name) or ())
    set_filter(**{name: tuple(v for v in current if v != value) if value in current else (*current, value)})


def set_score(name: str, low: float, high: float) -> None:
    """Keep a score between two bounds; the full range takes the bound away."""
    scores = dict(session().filter.scores)
    scores.pop(name, None)
    if low > 0 or high < 1:
        scores[name] = (low if low > 0 else None, high if high < 1 else None)
    set_filter(scores=scores)


def reset(name: str | None = None) -> None:
    """Take one field of the filter back to its default, or all of them."""
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
    """Narrow everything to a selection kept on the server."""
    session().selection = handle


def set_actor(name: str) -> None:
    """Who decides in this tab. Decisions carry this name."""
    s = session()
    s.actor = name.strip()[:MAX_NAME] or default_name()
    s.named, s.proven = True, False


def signed_in(name: str) -> None:
    """Somebody signed in by this name: there is nothing to remember, and no other name to choose."""
    s = session()
    s.actor, s.named, s.proven = name, False, True
