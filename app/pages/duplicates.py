"""Duplicates: every group side by side, what differs, which one to keep; one verdict for a whole group."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from winnow.app.components import actions as acts
from winnow.app.components.html import action_chip, button, count, empty, esc, go, icon, notice, plural
from winnow.app.components.page_frame import Page, fill, page_frame
from winnow.app.components.text_diff import marked
from winnow.app.components.thumbnails import picture
from winnow.app.server.state import hub
from winnow.app.session import cache, state
from winnow.core import Filter, WinnowError

MAX_COPIES = 20_000
"""Copies that one visit lists, the surest first."""

PER_PAGE = 12
SHOWN = 6
"""Members of one group that are drawn; the count says how many there are."""


@dataclass(frozen=True)
class Group:
    """One group of look-alikes: the keeper first. ``conflict``: its labels differ; ``leak``: its splits do."""

    number: int
    members: tuple[dict[str, Any], ...]
    conflict: bool
    leak: bool

    @property
    def keeper(self) -> dict[str, Any]:
        return self.members[0]

    @property
    def copies(self) -> list[dict[str, Any]]:
        return list(self.members[1:])

    @property
    def decided(self) -> bool:
        return all(m.get("decision") for m in self.copies)


def _distinct(members: Sequence[dict[str, Any]], name: str) -> list[str]:
    return list(dict.fromkeys(str(m[name]) for m in members if m.get(name)))


def groups_of(copies: Sequence[dict[str, Any]], keepers: Sequence[dict[str, Any]]) -> list[Group]:
    """Put copies with their keepers; conflicting labels first, then split leaks, then the surest."""
    by_id = {k["sample_id"]: k for k in keepers}
    found: dict[int, list[dict[str, Any]]] = {}
    for row in copies:
        found.setdefault(int(row["duplicate_group"]), []).append(row)
    out = []
    for number, rows in found.items():
        keeper = next((by_id[r["duplicate_of"]] for r in rows if r.get("duplicate_of") in by_id), None)
        members = ([keeper] if keeper else []) + [
            r for r in rows if r is not keeper and (not keeper or r["sample_id"] != keeper["sample_id"])
        ]
        if len(members) > 1:
            out.append(
                Group(
                    number, tuple(members), len(_distinct(members, "label")) > 1, len(_distinct(members, "split")) > 1
                )
            )
    return sorted(out, key=lambda g: (not g.conflict, not g.leak))


def load(page: Page) -> list[Group]:
    """The groups under the page's filter."""
    flt = replace(page.filter, kinds=("duplicate",))
    copies = cache.rows(page.key, page.workspace, flt, "-duplicate", MAX_COPIES)
    wanted = {r["duplicate_of"] for r in copies if r.get("duplicate_of")}
    keepers = (
        cache.rows(page.key, page.workspace, Filter(ids=tuple(sorted(wanted))), "row", MAX_COPIES) if wanted else []
    )
    return groups_of(copies, keepers)


def differs(group: Group) -> list[str]:
    """What tells the members apart, in words."""
    said = []
    if group.conflict:
        said.append("labels differ: " + ", ".join(_distinct(group.members, "label")))
    if group.leak:
        said.append("in several splits: " + ", ".join(_distinct(group.members, "split")))
    sizes = {(m.get("width"), m.get("height")) for m in group.members if m.get("width")}
    if len(sizes) > 1:
        said.append("sizes differ")
    sources = _distinct(group.members, "source")
    if len(sources) > 1:
        said.append("from several sources: " + ", ".join(sources))
    return said


def _sight(page: Page, group: Group, row: dict[str, Any], place: int) -> str:
    """A member's picture; of a text, the words in which it differs from the keeper (the keeper: from the first copy)."""
    other = group.members[0 if place else min(1, len(group.members) - 1)]
    if page.info.modality != "text" or not row.get("text") or not other.get("text"):
        return picture(page, row, "w-pic")
    words = marked(str(row["text"]), str(other["text"]))
    return f'<span class="w-pic w-said" title="{esc(row["text"])}">{words}</span>'


def _member(page: Page, group: Group, row: dict[str, Any], place: int) -> str:
    size = f"{row['width']}×{row['height']}" if row.get("width") else ""
    meta = " · ".join(esc(v) for v in (row.get("split"), size) if v)
    decided = action_chip(row["decision"]["action"], row["decision"].get("label")) if row.get("decision") else ""
    label = f'<b class="w-cut">{esc(row.get("label") or "no label")}</b>'
    if place == 0:
        role = f'<span class="w-role">{icon("verified")}keep</span>'
    else:
        role = (
            f'<button type="button" class="w-btn w-small w-quiet" data-key="{place + 1}" title="Keep this one instead (key {place + 1})" '
            f"{go('keeper', group=group.number, id=row['sample_id'])}>Keep this</button>"
        )
    return (
        f'<figure class="w-member{" w-keeper" if place == 0 else ""}">{_sight(page, group, row, place)}'
        f'<figcaption>{label}<span class="w-muted w-cut" title="{esc(row["sample_id"])}">{esc(row["sample_id"])}</span>'
        f'<span class="w-muted w-cut">{meta}</span>{decided or role}</figcaption></figure>'
    )


def card(page: Page, group: Group) -> str:
    """One group."""
    shown = "".join(_member(page, group, row, i) for i, row in enumerate(group.members[:SHOWN]))
    more = len(group.members) - SHOWN
    flag = "".join(
        f'<span class="w-chip" style="--c:{colour}">{icon(glyph)}{text}</span>'
        for on, glyph, text, colour in (
            (group.conflict, "label_off", "labels differ", "var(--v-noisy_label)"),
            (group.leak, "call_split", "leak", "var(--w-warn)"),
        )
        if on
    )
    copies = len(group.copies)
    does = (
        button(
            "Exclude the copy" if copies == 1 else f"Exclude {copies} copies",
            go("exclude", group=group.number) + ' data-key="x"',
            "block",
            extra="w-small",
        )
        + button("Keep all", go("keep", group=group.number) + ' data-key="a"', "check", extra="w-small w-quiet")
        if not group.decided
        else '<span class="w-muted">decided</span>'
    )
    reason = next((str(m["reasons"]) for m in group.copies if m.get("reasons")), "")
    said = ". ".join(part[:1].upper() + part[1:].rstrip(".") for part in ("; ".join(differs(group)), reason) if part)
    return (
        f'<article class="w-card w-group" tabindex="0" data-card data-k="group-{group.number}" aria-label="{plural(len(group.members), "look-alike")}">'
        f"<header><h2>{count(len(group.members))} alike</h2>{flag}</header>"
        f'<div class="w-members">{shown}{f"<span class=w-muted>and {more:,} more</span>" if more > 0 else ""}</div>'
        f'<p class="w-muted w-two-lines" title="{esc(said)}">{esc(said)}</p><footer class="w-row">{does}</footer></article>'
    )


def body(page: Page, groups: list[Group], decided: bool, at: int) -> str:
    """The page below its head."""
    if not groups:
        return empty(
            "No duplicates under these filters" if state.filters.to_pairs(page.filter) else "No duplicates were found",
            "Every sample is one of its kind, by content, by look and by embedding.",
            button("Back to the Overview", go("page", page="overview"), "arrow_back"),
            "task_alt",
        )
    open_ = [g for g in groups if not g.decided]
    shown = [g for g in groups if g.decided] if decided else open_
    copies = sum(len(g.copies) for g in open_)
    conflicts = sum(g.conflict for g in open_)
    tabs = "".join(
        f'<button type="button" class="w-btn w-small" aria-pressed="{str(decided == on).lower()}" {go("tab", decided=on)}>{text} {count(n)}</button>'
        for on, text, n in ((False, "To decide", len(open_)), (True, "Decided", len(groups) - len(open_)))
    )
    clear = [g for g in open_ if not g.conflict]
    clear_copies = sum(len(g.copies) for g in clear)
    bulk = (
        button(
            f"Exclude {plural(clear_copies, 'copy', 'copies')} of the {plural(len(clear), 'group')} whose labels agree",
            go("exclude_all", expect=clear_copies),
            "block",
            extra="w-small",
        )
        if clear and not decided
        else ""
    )
    pages = max(1, -(-len(shown) // PER_PAGE))
    at = min(at, pages - 1)
    pager = (
        f'<span class="w-muted">{at + 1} of {count(pages)}</span>'
        + button(
            "Back", go("turn", to=at - 1) + ' data-page-key="p"' + (" disabled" if at == 0 else ""), extra="w-small"
        )
        + button(
            "Next",
            go("turn", to=at + 1) + ' data-page-key="n"' + (" disabled" if at + 1 >= pages else ""),
            extra="w-small",
        )
        if pages > 1
        else ""
    )
    said = f"{plural(copies, 'copy', 'copies')} to decide" + (
        f", {plural(conflicts, 'group')} with conflicting labels" if conflicts else ""
    )
    back = button("Undo", go("undo") + ' data-page-key="u"', "undo", extra="w-small w-quiet")
    head = (
        f'<div class="w-row w-tabs">{tabs}<span class="w-muted">{said}</span><span class="w-grow"></span>{bulk}'
        f"{back}{pager}</div>"
    )
    cards = "".join(card(page, g) for g in shown[at * PER_PAGE : (at + 1) * PER_PAGE])
    return head + (
        f'<div class="w-groups">{cards}</div>'
        if cards
        else empty(
            "All groups are decided", "Look at them under Decided, or go on with another queue.", glyph="task_alt"
        )
    )


def decide(page: Page, value: dict[str, Any]) -> None:
    """Carry out what was clicked. Groups are looked up anew: the browser names them by number only."""
    groups = {g.number: g for g in load(page)}
    do, group = value.get("do"), groups.get(value.get("group", -1))
    if do == "exclude" and group:
        _decide(page, [m["sample_id"] for m in group.copies], "exclude")
    elif do == "keep" and group:
        _decide(page, [m["sample_id"] for m in group.copies], "accept")
    elif do == "keeper" and group:
        ids = [m["sample_id"] for m in group.members]
        if (chosen := value.get("id")) in ids:
            _keep_one(page, ids, str(chosen))
    elif do == "exclude_all":
        ids = [m["sample_id"] for g in groups.values() if not g.conflict and not g.decided for m in g.copies]
        if len(ids) != value.get("expect"):
            state.session().notice = (
                f"These are {len(ids):,} copies now: something changed meanwhile. Look again and repeat."
            )
        else:
            _decide(page, ids, "exclude")
    elif do == "undo":
        undone = page.workspace.undo(actor=page.actor)
        state.session().notice = None if undone else "There is nothing of yours left to undo."


def _keep_one(page: Page, ids: list[str], chosen: str) -> None:
    """Keep the chosen one and exclude the others, as one batch that one undo takes back."""
    batch = uuid.uuid4().hex
    items = [
        {
            "sample_id": i,
            "action": "accept" if i == chosen else "exclude",
            "batch_id": batch,
            "reason": "duplicate group",
            "decision_id": uuid.uuid4().hex,
        }
        for i in ids
    ]
    wrong = [answer["error"] for answer in page.workspace.record(items, actor=page.actor) if not answer["ok"]]
    if wrong:
        state.session().notice = wrong[0]


def _decide(page: Page, ids: list[str], action: str) -> None:
    page.workspace.decide_many(ids, action, reason="duplicate group", actor=page.actor)


def draw() -> None:
    """Draw the page."""
    page = page_frame("duplicates", "Which samples are the same?")

    def handle(value: dict[str, Any]) -> None:
        do = value.get("do")
        if do == "tab":
            st.session_state["w-dup-decided"], st.session_state["w-dup-at"] = bool(value.get("decided")), 0
        elif do == "turn" and isinstance(value.get("to"), int):
            st.session_state["w-dup-at"] = max(0, value["to"])
        elif do in ("exclude", "keep", "keeper", "exclude_all", "undo"):
            try:
                decide(replace(page, workspace=hub().workspace(page.key)), value)
            except WinnowError as error:
                state.session().notice = str(error)
        else:
            acts.dispatch(value)

    fill(page, lambda: _html(page), handle)


def _html(page: Page) -> str:
    html = body(page, load(page), st.session_state.get("w-dup-decided", False), st.session_state.get("w-dup-at", 0))
    if (failed := page.info.failures.get("signals")) is not None:
        return notice(f"Duplicates may be missing: {failed} Scan again to look for them.", "warn") + html
    return html
