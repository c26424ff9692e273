"""The part of the History page about people: how much each decided, how far they agree, and what is open."""

from __future__ import annotations

from typing import Any

from winnow.app.components.charts import queue_link
from winnow.app.components.html import button, count, esc, go, percent, plural
from winnow.app.components.page_frame import Page
from winnow.app.components.thumbnails import picture
from winnow.app.server.state import hub
from winnow.app.session import state
from winnow.core import AgreementReport, Dispute, Filter

SHOWN = 20
"""Open disagreements that are listed; Review has the rest as a queue."""


def section(page: Page) -> str:
    """The card; "" while one person or nobody has decided."""
    report: AgreementReport = page.workspace.annotators.report()
    if len(report.people) < 2:
        return ""
    open_ = len(report.disputes)
    said = (
        f"{plural(report.overlaps, 'sample')} decided by several: {count(report.agreements)} the same, {count(report.disagreements)} differently"
        + (f", <b>{count(open_)} open</b>" if open_ else ", none open")
        if report.overlaps
        else "nobody has decided a sample that somebody else did"
    )
    rows = "".join(
        f"<tr><th scope='row'>{esc(p.actor)}</th><td class='w-r'>{count(p.decisions)}</td><td class='w-r'>{count(p.overlaps)}</td>"
        f"<td class='w-r'>{percent(p.agreements, p.overlaps) if p.overlaps else '–'}</td>"
        f"<td class='w-r'>{f'{p.quality:.2f}' if p.quality is not None else '–'}</td><td class='w-muted'>{esc(p.note)}</td></tr>"
        for p in report.people
    )
    table = (
        "<table class='w-table'><thead><tr><th scope='col'>Person</th><th scope='col' class='w-r'>Decisions</th>"
        "<th scope='col' class='w-r' title='Samples that others decided too'>Shared</th><th scope='col' class='w-r' title='Of the shared samples: all said the same'>Agreement</th>"
        "<th scope='col' class='w-r' title='How far this person’s labels can be relied on, 0 to 1, from the votes of all and the scan (CROWDLAB)'>Quality</th><th></th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )
    return (
        f"<details class='w-card w-people' data-k='people'{' open' if open_ else ''}><summary data-k='people-sum'><b>People</b> <span class='w-muted'>{said}</span></summary>"
        f"<div class='w-scroll' tabindex='0' role='region' aria-label='People'>{table}{_open(page, report.disputes)}</div></details>"
    )


def _open(page: Page, disputes: tuple[Dispute, ...]) -> str:
    if not disputes:
        return ""
    tiles = {
        t["sample_id"]: t
        for t in page.workspace.rows(Filter(ids=tuple(d.sample_id for d in disputes[:SHOWN])), "row", 0, SHOWN)
    }
    rows = "".join(_dispute(page, d, tiles.get(d.sample_id, {"sample_id": d.sample_id})) for d in disputes[:SHOWN])
    sure = sum(d.consensus is not None for d in disputes)
    settle = (
        button(f"Settle {count(sure)} by consensus", go("settle-all", expect=sure), "handshake", extra="w-small")
        if sure
        else ""
    )
    link = queue_link(
        "Review them one by one", Filter(state="disputed"), "review", "row", "w-btn w-small", key=page.key
    )
    more = f"<p class='w-muted'>and {count(len(disputes) - SHOWN)} more</p>" if len(disputes) > SHOWN else ""
    return f"<h3>People disagree about {plural(len(disputes), 'sample')}</h3><div class='w-row'>{link}{settle}</div><table class='w-table'><tbody>{rows}</tbody></table>{more}"


def _says(answer: tuple[str, str | None]) -> str:
    action, label = answer
    return "exclude" if action == "exclude" else f"keep “{label}”" if action == "accept" else f"“{label}”"


def _dispute(page: Page, d: Dispute, tile: dict[str, Any]) -> str:
    votes = ", ".join(f"{esc(who)}: <b>{esc(_says(answer))}</b>" for who, answer in d.answers.items())
    how = "the majority, ties by the scan" if d.quality is None else f"{d.quality:.2f}"
    consensus = (
        f"{esc(d.consensus)} <span class='w-muted'>({how})</span>"
        if d.consensus is not None
        else "<span class='w-muted'>none: fewer than two gave a label</span>"
    )
    buttons = button("Settle so", go("settle", sample=d.sample_id), extra="w-small") if d.consensus is not None else ""
    return (
        f"<tr><td><div class='w-row'>{picture(page, tile, 'w-mini')}<span class='w-cut' title='{esc(d.sample_id)}'>{esc(d.sample_id)}</span></div></td>"
        f"<td>{votes}</td><td>Consensus: {consensus}</td><td class='w-r'>{buttons}</td></tr>"
    )


def act(page: Page, value: dict[str, Any]) -> bool:
    """Do what a click in the card says. False where it is none of this card's. Raises WinnowError."""
    people = hub().workspace(page.key).annotators
    if value.get("do") == "settle":
        people.settle([str(value.get("sample"))], page.actor)
        state.session().notice = "Settled. What the others said stays in the log."
        return True
    if value.get("do") == "settle-all":
        ids = [d.sample_id for d in people.report().disputes if d.consensus is not None]
        if len(ids) != value.get("expect"):
            state.session().notice = (
                f"These are {len(ids):,} now, not {value.get('expect')}: look again. Nothing was settled."
            )
            return True
        people.settle(ids, page.actor)
        state.session().notice = f"Settled {plural(len(ids), 'sample')} by consensus. One undo takes that back."
        return True
    return False
