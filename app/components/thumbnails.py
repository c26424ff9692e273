"""Small pictures of samples with signed links, and their text where they have no picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from markupsafe import Markup

from winnow.app.api.endpoint import media_links
from winnow.app.components.html import render
from winnow.app.components.page_frame import Page
from winnow.app.server.state import server_state
from winnow.app.session import filters
from winnow.core import Filter


def picture(page: Page, row: Mapping[str, Any], css: str = "w-mini") -> Markup:
    """A sample's thumbnail, or the beginning of its text."""
    sample, text = str(row["sample_id"]), str(row.get("text") or "")
    if text and page.info.modality != "pair":
        return render("macros", "snippet", text[:140], text, css)
    if page.info.modality == "vector":
        return render("macros", "snippet", sample[:60], sample, css)
    thumbnail = media_links(server_state(), page.key, str(page.info.generation), sample)["thumb"]
    return render("macros", "thumbnail", thumbnail, f"{row.get('label') or 'no label'}: {sample}", css)


def rows_of(page: Page, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Id → row of these samples, as :meth:`winnow.core.Workspace.rows` gives them."""
    unique = list(dict.fromkeys(ids))
    if not unique:
        return {}
    rows = page.workspace.rows(filters.with_ids(Filter(), unique), "row", 0, len(unique))
    return {row["sample_id"]: row for row in rows}
