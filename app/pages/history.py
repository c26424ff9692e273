"""History: who decided what and when, what of it to undo, and how far people agree."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import streamlit as st
from markupsafe import Markup

from winnow.app.components import actions, theme
from winnow.app.components.html import render
from winnow.app.components.html_component import live
from winnow.app.components.page_frame import Page, page_frame
from winnow.app.components.thumbnails import picture, rows_of
from winnow.app.pages import people
from winnow.app.pages.classes import UNDONE
from winnow.app.server.state import server_state
from winnow.app.session import cache, state
from winnow.core import CLASS_CHANGES, ClassEvent, Right, WinnowError, plural
from winnow.core.types import Decision

PER_PAGE = 100
CONFIRM_ABOVE = 50
"""Decisions: more than this many are undone only when it is confirmed."""

CONFIRM = "w-history-confirm"
"""Key of the session: how many decisions wait for the person to confirm that they are undone."""

BETWEEN = "between"
SPANS: dict[str, tuple[str, int]] = {
    "": ("Any time", 0),
    "hour": ("Last hour", 1),
    "day": ("Last 24 hours", 24),
    "week": ("Last 7 days", 168),
    BETWEEN: ("Between two days", 0),
}
"""How far back: key → (words, hours; 0 = no bound)."""

FIELDS = ("people", "kinds", "times", "from", "to")


def span(when: str, first: str, last: str, now: datetime | None = None) -> dict[str, str]:
    """``since`` and ``until`` of a choice of time; days are whole days in UTC, the last one included."""
    if when == BETWEEN:
        days = {}
        for name, text, more in (("since", first, 0), ("until", last, 1)):
            try:
                days[name] = (date.fromisoformat(text) + timedelta(days=more)).isoformat()
            except ValueError:
                continue
        return days
    hours = SPANS.get(when, SPANS[""])[1]
    return {"since": ((now or datetime.now(UTC)) - timedelta(hours=hours)).isoformat()} if hours else {}


def in_force(page: Page, log: Sequence[Decision]) -> set[str]:
    """Ids of the decisions among these that are in force."""
    current = page.workspace.current([d.sample_id for d in log])
    return {d.decision_id for people in current.values() for d in people.values()}


def _options(page: Page) -> dict[str, list[tuple[str, str]]]:
    """The options of each menu: (value, words)."""
    names = dict.fromkeys([page.actor, *cache.people(page.key, page.workspace)])
    actions_done = [(a.action, a.done) for a in theme.ACTIONS.values()]
    return {
        "people": [("", "Everybody"), *((name, name) for name in names)],
        "kinds": [("", "Everything"), *actions_done, (CLASS_CHANGES, "Classes changed")],
        "times": [(key, words) for key, (words, _) in SPANS.items()],
    }


def where_of(chosen: dict[str, str]) -> dict[str, str]:
    """The chosen filters as the log's."""
    times = span(chosen["times"], chosen["from"], chosen["to"])
    return {k: v for k, v in {"actor": chosen["people"], "action": chosen["kinds"], **times}.items() if v}


def undoable(page: Page, where: dict[str, str]) -> list[str]:
    """Decisions of this person in force that match the filters."""
    rest = {k: v for k, v in where.items() if k != "actor"}
    return page.workspace.decision_history.revertible(page.actor, by=where.get("actor", page.actor), **rest)


def steps(page: Page, log: Sequence[Decision | ClassEvent]) -> list[Markup]:
    """A row per decision, bulk verdict or change of a class."""
    decisions = [item for item in log if isinstance(item, Decision)]
    force, classes = in_force(page, decisions), page.workspace.class_editor.in_force()
    samples = rows_of(page, (d.sample_id for d in decisions))
    sizes = page.workspace.batch_sizes({d.batch_id for d in decisions if d.batch_id})
    batches = page.workspace.decision_history.batches_in_force((d.actor, d.batch_id) for d in decisions if d.batch_id)
    rows = []
    for item in log:
        if isinstance(item, ClassEvent):
            rows.append(render("history", "class_step", item, item.event_id in classes))
            continue
        alive = batches[item.actor, item.batch_id] if item.batch_id else int(item.decision_id in force)
        own = alive and item.actor == page.actor and item.action != "undo"
        sample = samples.get(item.sample_id, {"sample_id": item.sample_id})
        size = sizes.get(item.batch_id or "", 1)
        rows.append(render("history", "step", item, sample.get("label"), picture(page, sample), size, alive, own))
    return rows


def body(page: Page, chosen: dict[str, str], at: int) -> str:
    """The page below its head."""
    journal, where = page.workspace.decision_history, where_of(chosen)
    total = cache.steps(page.key, page.workspace, **where)
    if not total and not where:
        return render("history", "nothing")
    return render(
        "history",
        "body",
        page,
        chosen=chosen,
        options=_options(page),
        total=total,
        at=at,
        pages=-(-total // PER_PAGE),
        undoable=len(undoable(page, where)),
        redoable=journal.last_was_undo(page.actor),
        filtered=any(chosen[field] for field in FIELDS),
        rows=steps(page, journal.page(limit=PER_PAGE, offset=at * PER_PAGE, steps=True, **where)),
        people=people.section(page),
    )


@st.dialog("Undo these decisions?")
def _confirm_undo_all(page: Page, where: dict[str, str], expect: int) -> None:
    st.write(f"{plural(expect, 'decision')} of yours will be undone. “Redo” brings them back.")
    if st.button(f"Undo {plural(expect, 'decision')}", type="primary", width="stretch"):
        undo_all(page, where, expect)
        st.rerun()


def redo(page: Page) -> None:
    """Decide again what this person undid last."""
    n = len(page.workspace.redo(page.actor))
    done = f"Redone: {plural(n, 'decision')}."
    state.session().notice = done if n else "There is nothing to redo: you decided something else since."


def undo(page: Page, decision: str | None = None, batch: str | None = None) -> None:
    """Undo exactly one decision or bulk verdict of this person, or their last step."""
    _report_undone(len(page.workspace.undo(actor=page.actor, decision_id=decision, batch_id=batch)))


def undo_picked(page: Page, picked: Sequence[str]) -> None:
    """Undo the ticked decisions and bulk verdicts as one step."""
    ones = [v.removeprefix("one:") for v in picked if v.startswith("one:")]
    batches = [v.removeprefix("batch:") for v in picked if v.startswith("batch:")]
    _report_undone(len(page.workspace.decision_history.revert(ones, batches, actor=page.actor)))


def undo_all(page: Page, where: dict[str, str], expect: int) -> None:
    """Undo all of this person's decisions that match, if they are as many as the button said."""
    ids = undoable(page, where)
    if len(ids) != expect:
        state.session().notice = f"These are {plural(len(ids), 'decision')} now, not {expect:,}: something "
        "changed meanwhile. Nothing was undone."
        return
    _report_undone(len(page.workspace.decision_history.revert(ids, actor=page.actor)))


def _report_undone(n: int) -> None:
    state.session().notice = f"Undone: {plural(n, 'decision')}." if n else "There is nothing of yours left to undo."


def _chosen() -> dict[str, str]:
    chosen = {field: str(st.session_state.get(f"w-history-{field}", "")) for field in FIELDS}
    return {**chosen, "times": chosen["times"] if chosen["times"] in SPANS else ""}


def draw() -> None:
    """Draw the page."""
    page = page_frame("history")
    chosen, at = _chosen(), int(st.session_state.get("w-history-at", 0))

    def change(value: dict[str, Any]) -> None:
        do = value.get("do")
        if do == "undo":
            undo(page, value.get("decision"), value.get("batch"))
        elif do == "class-undo":
            server_state().workspace(page.key).class_editor.undo(str(value.get("event")), page.actor)
            state.session().notice = UNDONE
        elif do == "revert" and isinstance(value.get("picked"), list):
            undo_picked(page, [str(v) for v in value["picked"]])
        elif do == "redo":
            redo(page)
        elif do == "revert-all" and isinstance(value.get("expect"), int):
            if value["expect"] > CONFIRM_ABOVE:
                st.session_state[CONFIRM] = value["expect"]
            else:
                undo_all(page, where_of(chosen), value["expect"])
        elif not people.handle(page, value):
            actions.dispatch(value)

    def handle(value: dict[str, Any]) -> None:
        do = value.get("do")
        if do == "pick" and value.get("field") in FIELDS:
            st.session_state[f"w-history-{value['field']}"] = str(value.get("value", ""))
            st.session_state["w-history-at"] = 0
        elif do == "turn" and isinstance(value.get("to"), int):
            st.session_state["w-history-at"] = max(0, value["to"])
        else:
            try:
                change(value)
            except WinnowError as error:
                state.session().notice = str(error)

    live(body(page, chosen, at), "w-body", handle)
    if (expect := st.session_state.pop(CONFIRM, None)) is not None:
        _confirm_undo_all(page, where_of(chosen), expect)
    if page.may(Right.EXPORT) and (page.info.n_decisions or page.info.n_class_changes):
        where, name = where_of(chosen), Path(page.info.path).stem
        with st.container(horizontal=True, key="w-log-files"):
            for title, suffix in (("CSV", ".csv"), ("Parquet", ".parquet")):
                st.link_button(
                    f"Download what matches as {title}",
                    page.export_link(f"{name}.log{suffix}", ("log", "", where)),
                    icon=":material/download:",
                )
