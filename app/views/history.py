"""History: who decided what and when, and undo."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import streamlit as st

from winnow.app import cache, state, theme
from winnow.app.hub import hub
from winnow.app.widgets import acts
from winnow.app.widgets.frame import Page, page_frame
from winnow.app.widgets.html import action_chip, ago, button, count, empty, esc, go, plural, verdict_chip
from winnow.app.widgets.live import live
from winnow.app.widgets.samples import picture
from winnow.core.errors import WinnowError
from winnow.core.types import Decision

PER_PAGE = 100
SPANS: dict[str, tuple[str, int]] = {
    "": ("Any time", 0),
    "hour": ("Last hour", 1),
    "day": ("Last 24 hours", 24),
    "week": ("Last 7 days", 168),
}
"""How far back: key → (words, hours; 0 = no bound)."""


def steps(log: Sequence[Decision]) -> list[list[Decision]]:
    """Rows of the log, the latest first, with the rows of one bulk verdict or one undo put together."""
    return [list(rows) for _, rows in groupby(log, key=lambda d: d.batch_id or d.decision_id)]


def in_force(page: Page, log: Sequence[Decision]) -> set[str]:
    """Ids of the decisions among these that are in force."""
    current = page.workspace.current([d.sample_id for d in log])
    return {d.decision_id for people in current.values() for d in people.values()}


def _step(page: Page, rows: list[Decision], force: set[str], tiles: dict[str, dict[str, Any]], size: int) -> str:
    first = rows[0]
    alive = sum(d.decision_id in force for d in rows)
    tile = tiles.get(first.sample_id, {"sample_id": first.sample_id})
    if size > 1:
        what = f"<b>{plural(size, 'sample')}</b> <span class='w-muted'>at once</span>"
    else:
        what = f"<span class='w-cut' title='{esc(first.sample_id)}'>{esc(first.sample_id)}</span>"
    given = f"<span class='w-muted'>{esc(tile.get('label') or '–')}</span>" if size == 1 else ""
    seen = verdict_chip(str(first.evidence["verdict"])) if first.evidence.get("verdict") and size == 1 else ""
    faint = "" if alive or first.action == "undo" else " class='w-gone' title='Taken back or superseded since'"
    reason = (
        f"<span class='w-muted w-cut' title='{esc(first.reason)}'>{esc(first.reason)}</span>" if first.reason else ""
    )
    own = alive and first.actor == page.actor and first.action != "undo"
    that = {"batch": first.batch_id} if first.batch_id else {"decision": first.decision_id}
    undo = (
        button("Undo" if size == 1 else f"Undo all {count(size)}", go("undo", **that), extra="w-small w-quiet")
        if own
        else ""
    )
    return (
        f"<tr{faint}><td class='w-muted'>{ago(first.at)}</td><td>{esc(first.actor)}</td><td>{action_chip(first.action, first.label)}</td>"
        f"<td class='w-what'><div class='w-row'>{picture(page, tile, 'w-mini')}{what}</div></td><td>{given}</td><td>{seen}</td><td>{reason}</td><td class='w-r'>{undo}</td></tr>"
    )


def body(page: Page, who: str, what: str, when: str, at: int) -> str:
    """The page below its head."""
    since = (datetime.now(UTC) - timedelta(hours=SPANS[when][1])).isoformat() if SPANS[when][1] else ""
    where = {k: v for k, v in (("actor", who), ("action", what), ("since", since)) if v}
    log = page.workspace.history(**where, limit=PER_PAGE + 1, offset=at * PER_PAGE)
    if not log and not where and not at:
        return empty(
            "Nothing has been decided yet",
            "Every decision is kept here with who made it and when, and can be taken back.",
            button("Start with what needs a look", go("page", page="review"), "style", primary=True),
            "history",
        )
    more, log = len(log) > PER_PAGE, log[:PER_PAGE]
    force = in_force(page, log)
    found = {
        t["sample_id"]: t
        for t in page.workspace.rows(
            state.filters.with_ids(state.Filter(), {d.sample_id for d in log}), "row", 0, PER_PAGE
        )
    }
    sizes = page.workspace.batch_sizes({d.batch_id for d in log if d.batch_id})
    rows = [_step(page, step, force, found, sizes.get(step[0].batch_id or "", 1)) for step in steps(log)]
    people = list(dict.fromkeys([page.actor, *cache.people(page.key, page.workspace)]))
    pick = lambda name, options, chosen: (  # noqa: E731
        f'<select class="w-select" aria-label="{name}" {go("pick", field=name)}>'
        + "".join(f'<option value="{esc(v)}"{" selected" if v == chosen else ""}>{esc(t)}</option>' for v, t in options)
        + "</select>"
    )
    actions = [("", "All decisions"), *((a.action, a.done) for a in theme.ACTIONS.values())]
    pager = (
        button("Newer", go("turn", to=at - 1) + (" disabled" if at == 0 else ""), extra="w-small")
        + button("Older", go("turn", to=at + 1) + ("" if more else " disabled"), extra="w-small")
        if more or at
        else ""
    )
    head = (
        f"<div class='w-row w-tabs'>{pick('people', [('', 'Everybody'), *((p, p) for p in people)], who)}{pick('kinds', actions, what)}{pick('times', [(k, v[0]) for k, v in SPANS.items()], when)}"
        f"<span class='w-muted'>{count(page.info.n_decisions)} rows in the log</span><span class='w-grow'></span>"
        f"{button('Undo my last', go('undo'), 'undo', extra='w-small')}{pager}</div>"
    )
    table = (
        "<section class='w-card'><div class='w-scroll w-tall' tabindex='0' aria-label='Decisions' data-scroll data-k='history'><table class='w-table w-history'><thead><tr><th>When</th><th>Who</th>"
        f"<th>Decision</th><th>Sample</th><th>Given</th><th>Verdict then</th><th>Note</th><th><span class='w-sr'>Undo</span></th></tr></thead><tbody>{''.join(rows)}</tbody></table></div></section>"
    )
    return head + (table if rows else empty("No decision fits", "Choose another person or kind.", glyph="history"))


def take_back(page: Page, decision: str | None = None, batch: str | None = None) -> None:
    """Undo exactly one decision or bulk verdict of this person, or their last step."""
    gone = len(page.workspace.undo(actor=page.actor, decision_id=decision, batch_id=batch))
    state.session().notice = (
        f"Took back {plural(gone, 'decision')}." if gone else "There is nothing of yours left to undo."
    )


def draw() -> None:
    """Draw the page."""
    page = page_frame("history", "Who decided what?")

    def handle(value: dict[str, Any]) -> None:
        do = value.get("do")
        if do == "pick" and value.get("field") in ("people", "kinds", "times"):
            st.session_state[f"w-history-{value['field']}"], st.session_state["w-history-at"] = (
                str(value.get("value", "")),
                0,
            )
        elif do == "turn" and isinstance(value.get("to"), int):
            st.session_state["w-history-at"] = max(0, value["to"])
        elif do == "undo":
            try:
                hub().workspace(page.key)
                take_back(page, value.get("decision"), value.get("batch"))
            except WinnowError as error:
                state.session().notice = str(error)
        else:
            acts.dispatch(value)

    live(
        body(
            page,
            st.session_state.get("w-history-people", ""),
            st.session_state.get("w-history-kinds", ""),
            when if (when := st.session_state.get("w-history-times", "")) in SPANS else "",
            st.session_state.get("w-history-at", 0),
        ),
        "w-body",
        handle,
    )
