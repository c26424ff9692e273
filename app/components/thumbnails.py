"""Small pictures of samples with signed links, and their text where they have no picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from winnow.app.api.endpoint import media_links
from winnow.app.components.html import esc
from winnow.app.components.page_frame import Page
from winnow.app.server.state import hub


def links(page: Page, sample_id: str) -> dict[str, str]:
    """Signed links to a sample's thumbnail and original."""
    return media_links(hub(), page.key, str(page.info.generation), sample_id)


def picture(page: Page, row: Mapping[str, Any], css: str = "w-pic") -> str:
    """A sample's thumbnail, or the beginning of its text."""
    sample, label = str(row["sample_id"]), row.get("label") or "no label"
    if row.get("text") and page.info.modality != "pair":
        return f'<span class="{css} w-said" title="{esc(row["text"])}">{esc(str(row["text"])[:140])}</span>'
    if page.info.modality == "vector":
        return f'<span class="{css} w-said" title="{esc(sample)}">{esc(sample[:60])}</span>'
    return f'<img class="{css}" src="{esc(links(page, sample)["thumb"])}" alt="{esc(label)}: {esc(sample)}" loading="lazy" decoding="async">'
