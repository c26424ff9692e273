"""The blind audit on a page: how to begin one, how far it is, what it says, and what it overruled."""

from __future__ import annotations

from typing import Any

from winnow.app.components.actions import dispatch, open_page
from winnow.app.components.html import notice, render
from winnow.app.components.page_frame import Page
from winnow.app.server.state import server_state
from winnow.app.session import state
from winnow.core import Filter, WinnowError

APPEALS = 6
"""Overruled samples that are listed; a link opens all."""

SIZES = (100, 200, 400)
"""Sizes of an audit that are offered."""


def audit_start(page: Page) -> str:
    """What an audit is, and buttons that draw one."""
    return render("audit", "start", SIZES)


def audit_card(page: Page) -> str:
    """The card on Overview; "" where no label could be audited."""
    try:
        report = page.workspace.audit.report()
    except WinnowError as error:
        return notice(str(error), "warn")
    if report is None and not page.info.n_labelled and not page.counts.by_state.get("relabel"):
        return ""
    return render("audit", "card", report, SIZES, APPEALS)


def handle_audit(page: Page, value: dict[str, Any]) -> None:
    """Draw an audit, or open what one overruled; anything else does what it does on every page."""
    if value.get("do") == "audit-draw" and value.get("size") in SIZES:
        try:
            page.workspace.audit.draw(int(value["size"]), actor=page.actor)
        except WinnowError as error:
            state.session().notice = str(error)
            return
        open_page("audit")
    elif value.get("do") == "audit-appeals":
        report = page.workspace.audit.report()
        if report is not None and report.appeals:
            state.only(Filter(state="decided"), "-confidence")
            ids = [appeal.sample_id for appeal in report.appeals]
            state.set_selection(server_state().keep_selection(page.key, ids))
            open_page("review")
    else:
        dispatch(value)
