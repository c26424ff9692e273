"""What a click in HTML from the server does. Values come from the browser: each is checked before it is used."""

from __future__ import annotations

from typing import Any

import streamlit as st

from winnow.app.components import search_box as finder
from winnow.app.components import sidebar, theme
from winnow.app.components.sidebar import PAGES
from winnow.app.session import filters, first_review, state, views
from winnow.core import WinnowError

_SORTS = frozenset({*theme.VERDICTS, "confidence", "row"})


NEXT_PAGE = "w-next-page"
"""Key of the session: the page that the next run shows."""


def open_page(page: str) -> None:
    """Show a page at the next run."""
    if page in PAGES:
        st.session_state[NEXT_PAGE] = page


def dispatch(value: dict[str, Any]) -> None:
    """Do what an element's ``data-go`` says. Unknown or ill-formed values do nothing."""
    do, name = value.get("do"), value.get("field")
    if do == "page":
        open_page(str(value.get("page")))
    elif do == "actor":
        st.session_state["w-ask-actor"] = True
    elif do == "workspace":
        state.open_workspace(str(value.get("key")))
        open_page("overview")
    elif do == "queue":
        _queue(str(value.get("query", "")), str(value.get("page", "review")))
    elif do == "toggle":
        _toggle(str(name), value.get("value"))
    elif do == "reset":
        _reset(name)
    elif do == "score" and name in theme.VERDICTS:
        _score(str(name), value.get("value"))
    elif str(do).startswith("meta-"):
        state.set_metadata(str(do).removeprefix("meta-"), str(name), value.get("value"))
    elif do == "strict" and isinstance(value.get("value"), (int, float)):
        at = int(value["value"])
        state.set_filter(strict=sidebar.RATES[at - 1] if 0 < at <= len(sidebar.RATES) else None)
    elif do == "text":
        state.set_filter(text=str(value.get("value", ""))[:200].strip())
    elif do == "search":
        finder.search(value)
        open_page("gallery")
    elif do == "guide":
        first_review.begin()
        open_page("review")
    elif do == "guide-refuse":
        state.session().guide_refused = True
    elif do == "view-save":
        st.session_state["w-save-view"] = str(value.get("address", ""))
    elif do in ("view", "view-delete"):
        _view(str(do), str(value.get("view", "")))
    elif do == "sort" and str(value.get("value", "")).lstrip("-") in _SORTS:
        state.set_sort(str(value["value"]))


def _queue(query: str, page: str) -> None:
    """Open a queue that was drawn as a link: its filter, its order, its page."""
    try:
        flt = filters.from_query(query)
    except WinnowError as error:
        state.session().notice = str(error)
        return
    state.only(flt, filters.parameter(query, "sort"))
    open_page(page)


def _view(do: str, handle: str) -> None:
    """Open or delete a saved view."""
    try:
        if do == "view":
            open_page(views.show(handle))
        else:
            views.delete(handle)
    except WinnowError as error:
        state.session().notice = str(error)


def _score(kind: str, value: Any) -> None:
    """Keep the probability of a kind above a bound, or between two."""
    low, high = value if isinstance(value, list) and len(value) == 2 else (value, 1.0)
    if all(isinstance(bound, (int, float)) and 0 <= bound <= 1 for bound in (low, high)):
        state.set_score(kind, round(float(low), 2), round(float(high), 2))


def _toggle(name: str, value: Any) -> None:
    if name == "state" and value in theme.STATES:
        current = state.session().filter.state
        state.set_filter(state="any" if current == value else value)
    elif name in filters.LISTS and isinstance(value, (str, int)):
        state.toggle(name, value)


def _reset(name: Any) -> None:
    if name is None:
        state.reset()
        finder.order(state.session())
    elif str(name).startswith("score."):
        state.set_score(str(name).removeprefix("score."), 0.0, 1.0)
    elif str(name).startswith("meta."):
        state.set_metadata("clear", str(name).removeprefix("meta."), None)
    elif name in {*filters.PARAMETERS, "selection"}:
        state.reset(str(name))
        finder.order(state.session())
