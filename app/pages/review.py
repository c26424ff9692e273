"""Review: one card after the other. The queue lives in the browser; decisions go to the routes beside Streamlit."""

from __future__ import annotations

from winnow.app.components.js_mount import class_key_data, first_sample, mount_surface
from winnow.app.components.page_frame import page_frame
from winnow.app.session import filters, state
from winnow.core import Filter


def queue_of(flt: Filter, sort: str | None, selection: str | None) -> tuple[str, str]:
    """The queue of a filter as a query string, and what it holds in a word (see :func:`filters.to_review`)."""
    flt, sort, flagged = filters.to_review(flt, sort, selection)
    more = {"sort": sort} | ({"selection": selection} if selection else {})
    return filters.to_query(flt, **more), "flagged" if flagged else ""


def draw() -> None:
    """Draw the page."""
    page = page_frame("review")
    s = state.session()
    queue, noun = queue_of(s.filter, s.sort, s.selection)
    own = {"queue": queue, "holds": noun, "open": first_sample(), "class_keys": class_key_data(page.workspace)}
    guide = page.counts.matching if s.guide and s.guide == s.selection else 0
    mount_surface("review", {**page.data(), **own, "guide": guide}, key="w-review")
