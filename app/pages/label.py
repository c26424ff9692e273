"""Label: samples without a label, those first that say most about the others; the card and keys of Review."""

from __future__ import annotations

from dataclasses import replace

from winnow.app.components.js_mount import class_key_data, first_sample, mount_surface
from winnow.app.components.page_frame import page_frame
from winnow.app.session import filters, state
from winnow.core import Filter


def queue_of(flt: Filter, selection: str | None) -> str:
    """The samples of a filter that have no label and no decision, as a query string."""
    more = {"sort": "to_label"} | ({"selection": selection} if selection else {})
    return filters.to_query(replace(flt, classes=("",), state="undecided"), **more)


def draw() -> None:
    """Draw the page."""
    page = page_frame("label")
    s = state.session()
    queue = queue_of(s.filter, s.selection)
    own = {"queue": queue, "holds": "to label", "open": first_sample(), "labelling": True}
    mount_surface("review", {**page.data(), **own, "class_keys": class_key_data(page.workspace)}, key="w-label")
