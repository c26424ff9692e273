"""History: who decided what and when, what of it to take back, and how far people agree."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import streamlit as st

from winnow.app.components import actions as acts
from winnow.app.components import theme
from winnow.app.components.html import action_chip, ago, button, count, empty, esc, go, icon, plural, verdict_chip
from winnow.app.components.html_component import live
from winnow.app.components.page_frame import Page, page_frame
from winnow.app.components.thumbnails import picture
from winnow.app.pages import people
from winnow.app.server.state import hub
from winnow.app.session import cache, state
from winnow.core import CLASS_CHANGES, ClassEvent, WinnowError
from winnow.core.types import Decision

PER_PAGE = 100
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
_CLASS_ICONS = {
    "add": "add",
    "merge": "call_merge",
    "rename": "edit",
    "split": "call_split",
    "delete": "delete",
    "undo": "undo",
}


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


def _tick(value: str, size: int, what: str) -> str:
    return f'<input type="checkbox" data-pick data-size="{size}" value="{esc(value)}" aria-label="Select {esc(what)}">'


def _step(page: Page, first: Decision, alive: int, tiles: dict[str, dict[str, Any]], size: int) -> str:
    """The row of a decision, or of the last one of a bulk verdict with ``size`` decisions, ``alive`` of them in force."""
    tile = tiles.get(first.sample_id, {"sample_id": first.sample_id})
    if size > 1:
        left = f", {count(alive)} in force" if 0 < alive < size else ""
        what = f"<b>{plural(size, 'sample')}</b> <span class='w-muted'>at once{left}</span>"
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
    tick = (
        _tick(f"batch:{first.batch_id}" if first.batch_id else f"one:{first.decision_id}", alive, first.sample_id)
        if own
        else ""
    )
    undo = (
        button("Undo" if alive == 1 else f"Undo all {count(alive)}", go("undo", **that), extra="w-small w-quiet")
        if own
        else ""
    )
    return (
        f"<tr{faint}><td class='w-pick'>{tick}</td><td class='w-muted'>{ago(first.at)}</td><td>{esc(first.actor)}</td><td>{action_chip(first.action, first.label)}</td>"
        f"<td class='w-what'><div class='w-row'>{picture(page, tile, 'w-mini')}{what}</div></td><td>{given}</td><td>{seen}</td><td>{reason}</td><td class='w-r'>{undo}</td></tr>"
    )


def class_words(event: ClassEvent) -> str:
    """What was done to a class, as HTML."""
    name, target = f"<b>{esc(event.name)}</b>", f"<b>{esc(event.target or '')}</b>"
    return {
        "add": f"New class {name}",
        "merge": f"Merged {name} into {target}",
        "rename": f"Renamed {name} to {target}",
        "split": f"Split {target} off {name}",
        "delete": f"Deleted {name}",
        "undo": f"Took back a change of {name}",
    }.get(event.event, esc(event.event))


def _class_row(event: ClassEvent, force: set[str]) -> str:
    alive = event.event_id in force
    n = event.detail.get("count")
    size = f" <span class='w-muted'>{plural(int(n), 'sample')}</span>" if n else ""
    faint = "" if alive or event.event == "undo" else " class='w-gone' title='Taken back since'"
    undo = (
        button("Undo", go("class-undo", event=event.event_id), extra="w-small w-quiet")
        if alive and event.event != "add"
        else ""
    )
    chip = f"<span class='w-chip'>{icon(_CLASS_ICONS.get(event.event, 'category'))}Class</span>"
    return (
        f"<tr{faint}><td class='w-pick'></td><td class='w-muted'>{ago(event.at)}</td><td>{esc(event.actor)}</td><td>{chip}</td>"
        f"<td class='w-what' colspan='3'>{class_words(event)}{size}</td><td><span class='w-muted w-cut'>{esc(event.reason or '')}</span></td><td class='w-r'>{undo}</td></tr>"
    )


def _pick(name: str, field: str, options: Sequence[tuple[str, str]], chosen: str) -> str:
    return (
        f'<select class="w-select" aria-label="{name}" {go("pick", field=field)}>'
        + "".join(f'<option value="{esc(v)}"{" selected" if v == chosen else ""}>{esc(t)}</option>' for v, t in options)
        + "</select>"
    )


def _head(page: Page, chosen: dict[str, str], total: int, at: int, mine: int) -> str:
    """The filters, what they leave, and what can be done with it."""
    names = list(dict.fromkeys([page.actor, *cache.people(page.key, page.workspace)]))
    actions = [
        ("", "Everything"),
        *((a.action, a.done) for a in theme.ACTIONS.values()),
        (CLASS_CHANGES, "Classes changed"),
    ]
    days = "".join(
        f'<input type="date" class="w-select" aria-label="{words}" value="{esc(chosen[field])}" {go("pick", field=field)}>'
        for field, words in (("from", "From this day"), ("to", "To this day"))
        if chosen["times"] == BETWEEN
    )
    pages = -(-total // PER_PAGE)
    pager = (
        f'<span class="w-muted">{at + 1:,} of {pages:,}</span>'
        + button("Newer", go("turn", to=at - 1) + (" disabled" if at == 0 else ""), extra="w-small")
        + button("Older", go("turn", to=at + 1) + ("" if at + 1 < pages else " disabled"), extra="w-small")
        if pages > 1
        else ""
    )
    some = (
        f'<button type="button" class="w-btn w-small" disabled data-picked="Take back {{n}} selected" data-none="Take back selected" '
        f"{go('revert')}>{icon('undo')}<span data-said>Take back selected</span></button>"
    )
    everything = any(chosen[f] for f in FIELDS)
    all_ = (
        button(
            f"Take back all {count(mine)} of yours {'that match' if everything else 'in force'}",
            go("revert-all", expect=mine),
            extra="w-small",
        )
        if mine > 1
        else ""
    )
    return (
        f"<div class='w-row w-tabs'>{_pick('Person', 'people', [('', 'Everybody'), *((p, p) for p in names)], chosen['people'])}"
        f"{_pick('Kind', 'kinds', actions, chosen['kinds'])}{_pick('Time', 'times', [(k, v[0]) for k, v in SPANS.items()], chosen['times'])}{days}"
        f"<span class='w-muted'>{plural(total, 'step')}</span><span class='w-grow'></span>{pager}</div>"
        f"<div class='w-row w-tabs'>{button('Undo my last', go('undo'), 'undo', extra='w-small')}{some}{all_}</div>"
    )


def where_of(chosen: dict[str, str]) -> dict[str, str]:
    """The chosen filters as the journal's."""
    found = {
        "actor": chosen["people"],
        "action": chosen["kinds"],
        **span(chosen["times"], chosen["from"], chosen["to"]),
    }
    return {k: v for k, v in found.items() if v}


def matching_mine(page: Page, where: dict[str, str]) -> list[str]:
    """Decisions of this person in force that match the filters."""
    rest = {k: v for k, v in where.items() if k != "actor"}
    found: list[str] = page.workspace.decision_history.revertible(page.actor, by=where.get("actor", page.actor), **rest)
    return found


def body(page: Page, chosen: dict[str, str], at: int) -> str:
    """The page below its head."""
    journal, where = page.workspace.decision_history, where_of(chosen)
    total = journal.count(steps=True, **where)
    if not total and not where:
        return empty(
            "Nothing has been decided yet",
            "Every decision is kept here with who made it and when, and can be taken back.",
            button("Start with what needs a look", go("page", page="review"), "style", primary=True),
            "history",
        )
    log = journal.page(limit=PER_PAGE, offset=at * PER_PAGE, steps=True, **where)
    decisions = [d for d in log if isinstance(d, Decision)]
    force, classes = in_force(page, decisions), page.workspace.class_editor.in_force()
    found = {
        t["sample_id"]: t
        for t in page.workspace.rows(
            state.filters.with_ids(state.Filter(), {d.sample_id for d in decisions}), "row", 0, PER_PAGE
        )
    }
    sizes = page.workspace.batch_sizes({d.batch_id for d in decisions if d.batch_id})
    alive = journal.batches_in_force((d.actor, d.batch_id) for d in decisions if d.batch_id)
    rows = [
        _class_row(item, classes)
        if isinstance(item, ClassEvent)
        else _step(
            page,
            item,
            alive[item.actor, item.batch_id] if item.batch_id else int(item.decision_id in force),
            found,
            sizes.get(item.batch_id or "", 1),
        )
        for item in log
    ]
    every = '<input type="checkbox" data-all aria-label="Select all on this page that can be taken back">'
    table = (
        "<section class='w-card'><div class='w-scroll w-tall' tabindex='0' aria-label='Decisions' data-scroll data-k='history'><table class='w-table w-history'><thead>"
        f"<tr><th class='w-pick'>{every}</th><th>When</th><th>Who</th><th>Decision</th><th>Sample</th><th>Given</th><th>Verdict then</th><th>Note</th><th><span class='w-sr'>Undo</span></th></tr>"
        f"</thead><tbody>{''.join(rows)}</tbody></table></div></section>"
    )
    head = _head(page, chosen, total, at, len(matching_mine(page, where)))
    nothing = empty("Nothing fits", "Choose another person, kind or time.", glyph="history")
    return people.section(page) + head + (table if rows else nothing)


def take_back(page: Page, decision: str | None = None, batch: str | None = None) -> None:
    """Undo exactly one decision or bulk verdict of this person, or their last step."""
    _say_gone(len(page.workspace.undo(actor=page.actor, decision_id=decision, batch_id=batch)))


def revert(page: Page, picked: Sequence[str]) -> None:
    """Take back the ticked decisions and bulk verdicts as one step."""
    ones = [v.removeprefix("one:") for v in picked if v.startswith("one:")]
    batches = [v.removeprefix("batch:") for v in picked if v.startswith("batch:")]
    _say_gone(len(page.workspace.decision_history.revert(ones, batches, actor=page.actor)))


def revert_all(page: Page, where: dict[str, str], expect: int) -> None:
    """Take back all of this person's decisions that match, if they are as many as the button said."""
    ids = matching_mine(page, where)
    if len(ids) != expect:
        state.session().notice = f"These are {len(ids):,} decisions now, not {expect:,}: something changed meanwhile. Nothing was taken back."
        return
    _say_gone(len(page.workspace.decision_history.revert(ids, actor=page.actor)))


def _say_gone(gone: int) -> None:
    state.session().notice = (
        f"Took back {plural(gone, 'decision')}." if gone else "There is nothing of yours left to undo."
    )


def _download(page: Page, where: dict[str, str], suffix: str) -> Callable[[], bytes]:
    """Make the file when it is asked for, not before."""

    def make() -> bytes:
        with tempfile.TemporaryDirectory(prefix="winnow-") as folder:
            page.workspace.write_log(path := Path(folder) / f"log{suffix}", **where)
            return path.read_bytes()

    return make


def _chosen() -> dict[str, str]:
    found = {field: str(st.session_state.get(f"w-history-{field}", "")) for field in FIELDS}
    return {**found, "times": found["times"] if found["times"] in SPANS else ""}


def draw() -> None:
    """Draw the page."""
    page = page_frame("history", "Who decided what?")
    chosen, at = _chosen(), int(st.session_state.get("w-history-at", 0))

    def act(value: dict[str, Any]) -> None:
        workspace = hub().workspace(page.key)
        do = value.get("do")
        if do == "undo":
            take_back(page, value.get("decision"), value.get("batch"))
        elif do == "class-undo":
            workspace.class_editor.undo(str(value.get("event")), page.actor)
            state.session().notice = "Taken back: every sample has the class that it had before."
        elif do == "revert" and isinstance(value.get("picked"), list):
            revert(page, [str(v) for v in value["picked"]])
        elif do == "revert-all" and isinstance(value.get("expect"), int):
            revert_all(page, where_of(chosen), value["expect"])
        elif not people.act(page, value):
            acts.dispatch(value)

    def handle(value: dict[str, Any]) -> None:
        do = value.get("do")
        if do == "pick" and value.get("field") in FIELDS:
            st.session_state[f"w-history-{value['field']}"] = str(value.get("value", ""))
            st.session_state["w-history-at"] = 0
        elif do == "turn" and isinstance(value.get("to"), int):
            st.session_state["w-history-at"] = max(0, value["to"])
        else:
            try:
                act(value)
            except WinnowError as error:
                state.session().notice = str(error)

    live(body(page, chosen, at), "w-body", handle)
    if page.info.n_decisions or page.info.n_class_changes:
        where, name = where_of(chosen), Path(page.info.path).stem
        with st.container(horizontal=True, key="w-log-files"):
            for title, suffix in (("CSV", ".csv"), ("Parquet", ".parquet")):
                st.download_button(
                    f"Download what matches as {title}",
                    data=_download(page, where, suffix),
                    file_name=f"{name}.log{suffix}",
                    icon=":material/download:",
                    on_click="ignore",
                    key=f"w-log{suffix}",
                )
