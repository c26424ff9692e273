"""Saved views: what a tab shows (page, filter, order, groups, colour), kept in the workspace under a name."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

from winnow.app.server.state import server_state
from winnow.app.session import filters, state
from winnow.core import PREFIX, QueryError


def address_of(address: str) -> tuple[str, str]:
    """The page and the query string that a view keeps of an address; raises QueryError for filters that are none.

    The workspace is left out, and so is a selection that the server forgets when it stops.
    """
    parts = urlsplit(address)
    pairs = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if filters.is_filter(name)
        or (name in state.OWN and name not in ("ws", "selection"))
        or (name == "selection" and value.startswith(PREFIX))
    ]
    filters.from_pairs(pairs)
    return parts.path.rstrip("/").rpartition("/")[2] or "overview", urlencode(pairs)


def save(name: str, address: str) -> None:
    """Keep what the address shows. Raises WinnowError."""
    s = state.session()
    page, query = address_of(address)
    if dict(parse_qsl(urlsplit(address).query)).get("selection") and "selection=" not in query:
        raise QueryError(
            "An outline on the map is forgotten after this visit. Save it as a selection first (S on the map)."
        )
    server_state().workspace(s.key or "").saved_views.save(name, page, query, actor=s.actor)


def delete(handle: str) -> None:
    """Delete a view. Raises WinnowError."""
    s = state.session()
    server_state().workspace(s.key or "").saved_views.delete(handle, s.actor)


def show(handle: str) -> str:
    """Show what a view keeps. Returns its page. Raises WinnowError where it is gone."""
    s = state.session()
    view = server_state().workspace(s.key or "").saved_views.get(handle)
    state.take_over([("ws", s.key or ""), *parse_qsl(view.query, keep_blank_values=True)])
    return view.page
