"""Tags: what is missing and what is one too many, tag by tag; which come together; and the samples of one tag."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from winnow.app.components.actions import dispatch
from winnow.app.components.html import render
from winnow.app.components.page_frame import Page, draw_body, page_frame
from winnow.app.components.thumbnails import picture, rows_of
from winnow.core import Filter, TagPair, TagRow

SHOWN = 300
"""Tags of the table, those with most faults first."""

MATRIX = 16
"""Tags of the matrix, the commonest."""

PAIRS, EXAMPLES = 10, 8
"""Pairs that come together too often, or too rarely, and samples of each kind that are shown of one tag."""

_CHOSEN = "w-tag"


def odd_pairs(pairs: list[TagPair]) -> tuple[list[TagPair], list[TagPair]]:
    """Pairs given together more often than the models expect, and those less often, the oddest first."""
    often = sorted((p for p in pairs if p.lift > 1.5), key=lambda p: -p.lift)
    rarely = sorted((p for p in pairs if p.lift < 2 / 3), key=lambda p: p.lift)
    return often[:PAIRS], rarely[:PAIRS]


def matrix(rows: list[TagRow], pairs: list[TagPair]) -> str:
    """How often the commonest tags are given together, against how often the models expect it."""
    names = [row.name for row in sorted(rows, key=lambda row: -row.now)[:MATRIX]]
    cells = {frozenset((p.first, p.second)): p for p in pairs}
    most = max((p.given for p in pairs), default=0)
    return render("tags", "matrix", names, cells, most) if len(names) > 1 and most else ""


def detail(page: Page, row: TagRow) -> str:
    """The samples of one tag: typical ones, those that lack it, and those that carry it by mistake."""
    open_ = replace(page.filter, state="undecided")
    groups: list[tuple[str, str, list[str], Filter | None]] = []
    if row.name in page.workspace.tags.names:
        groups.append(("Typical", "given, and the models agree", page.workspace.tags.typical(row.name, EXAMPLES), None))
    for title, sign, note in (("Missing", "+", "not given, and should be"), ("Extra", "-", "given, and should not be")):
        queue = replace(open_, tag_edits=(f"{sign}{row.name}",))
        groups.append((title, note, page.workspace.ids(queue, "-noisy_label")[:EXAMPLES], queue))
    samples = rows_of(page, (i for _, _, ids, _ in groups for i in ids))
    shown = [(t, note, [picture(page, samples[i]) for i in ids if i in samples], q) for t, note, ids, q in groups]
    return render("tags", "detail", page.key, row, Filter(tags_any=(row.name,)), shown)


def body(page: Page) -> str:
    """The page below its head."""
    if not page.workspace.has_tags:
        return render("tags", "without_tags")
    tags = page.workspace.tags
    rows, pairs = tags.rows(page.workspace.query), tags.pairs()
    chosen = next((row for row in rows if row.name == st.session_state.get(_CHOSEN)), rows[0] if rows else None)
    often, rarely = odd_pairs(pairs)
    return render(
        "tags",
        "body",
        page.key,
        rows[:SHOWN],
        len(rows),
        chosen.name if chosen else "",
        detail(page, chosen) if chosen else "",
        matrix(rows, pairs),
        often,
        rarely,
    )


def draw() -> None:
    """Draw the page."""
    page = page_frame("tags")

    def handle(value: dict[str, Any]) -> None:
        if value.get("do") == "tag":
            st.session_state[_CHOSEN] = str(value.get("tag"))
        else:
            dispatch(value)

    draw_body(page, lambda: body(page), handle)
