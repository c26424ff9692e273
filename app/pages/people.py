"""The part of the History page about people: how much each decided, how far they agree, and what is open."""

from __future__ import annotations

from typing import Any

from winnow.app.components.html import render
from winnow.app.components.page_frame import Page
from winnow.app.components.thumbnails import picture, rows_of
from winnow.app.server.state import server_state
from winnow.app.session import state
from winnow.core import Filter, plural

SHOWN = 20
"""Open disagreements that are listed; Review has the rest as a queue."""


def section(page: Page) -> str:
    """The card; "" while one person or nobody has decided."""
    report = page.workspace.annotators.report()
    if len(report.people) < 2:
        return ""
    shown = report.disputes[:SHOWN]
    rows = rows_of(page, (d.sample_id for d in shown))
    disputes = [(d, picture(page, rows.get(d.sample_id, {"sample_id": d.sample_id}))) for d in shown]
    settled = sum(d.consensus is not None for d in report.disputes)
    more = len(report.disputes) - SHOWN
    return render("history", "people", page.key, Filter(state="disputed"), report, disputes, settled, more)


def handle(page: Page, value: dict[str, Any]) -> bool:
    """Do what a click in the card asks for.

    Returns
    -------
    bool
        Whether the click belongs to this card.

    Raises
    ------
    WinnowError
        Where the log refuses it.
    """
    annotators = server_state().workspace(page.key).annotators
    if value.get("do") == "settle":
        annotators.settle([str(value.get("sample"))], page.actor)
        state.session().notice = "Settled. What the others said stays in the log."
        return True
    if value.get("do") == "settle-all":
        ids = [d.sample_id for d in annotators.report().disputes if d.consensus is not None]
        if len(ids) != value.get("expect"):
            state.session().notice = (
                f"These are {len(ids):,} now, not {value.get('expect')}: look again. Nothing was settled."
            )
        else:
            annotators.settle(ids, page.actor)
            state.session().notice = f"Settled {plural(len(ids), 'sample')} by consensus. One undo reverts that."
        return True
    return False
