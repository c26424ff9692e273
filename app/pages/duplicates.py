"""Duplicates: every group side by side, what differs, which one to keep; one verdict for a whole group."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from winnow.app.components import actions
from winnow.app.components.html import notice, render
from winnow.app.components.page_frame import Page, draw_body, page_frame
from winnow.app.components.text_diff import marked
from winnow.app.components.thumbnails import picture
from winnow.app.server.state import server_state
from winnow.app.session import cache, filters, state
from winnow.core import Filter, WinnowError, plural

MAX_COPIES = 20_000
"""Copies that one visit lists, the surest first."""

PER_PAGE = 12
REASON = "duplicate group"
"""What the log says of decisions about a group."""

SHOWN = 6
"""Members of one group that are drawn; the count says how many there are."""


@dataclass(frozen=True)
class Group:
    """One group of look-alikes.

    Attributes
    ----------
    number
        The group's number in the scan.
    members
        Rows of the samples, the keeper first.
    conflict
        Whether their labels differ.
    leak
        Whether their splits do.
    """

    number: int
    members: tuple[dict[str, Any], ...]
    conflict: bool
    leak: bool

    @property
    def keeper(self) -> dict[str, Any]:
        """The member that stays."""
        return self.members[0]

    @property
    def copies(self) -> list[dict[str, Any]]:
        """All others."""
        return list(self.members[1:])

    @property
    def decided(self) -> bool:
        """Whether every copy has a decision."""
        return all(m.get("decision") for m in self.copies)


def _distinct(members: Sequence[dict[str, Any]], name: str) -> list[str]:
    return list(dict.fromkeys(str(m[name]) for m in members if m.get(name)))


def groups_of(copies: Sequence[dict[str, Any]], keepers: Sequence[dict[str, Any]]) -> list[Group]:
    """Put copies with their keepers; conflicting labels first, then split leaks, then the surest."""
    by_id = {row["sample_id"]: row for row in keepers}
    rows_of: dict[int, list[dict[str, Any]]] = {}
    for row in copies:
        rows_of.setdefault(int(row["duplicate_group"]), []).append(row)
    groups = []
    for number, rows in rows_of.items():
        keeper = next((by_id[r["duplicate_of"]] for r in rows if r.get("duplicate_of") in by_id), None)
        if keeper is not None:
            rows = [keeper, *(r for r in rows if r["sample_id"] != keeper["sample_id"])]
        if len(rows) > 1:
            conflict, leak = len(_distinct(rows, "label")) > 1, len(_distinct(rows, "split")) > 1
            groups.append(Group(number, tuple(rows), conflict, leak))
    return sorted(groups, key=lambda g: (not g.conflict, not g.leak))


def load_groups(page: Page) -> list[Group]:
    """The groups under the page's filter."""
    flt = replace(page.filter, kinds=("duplicate",))
    copies = cache.rows(page.key, page.workspace, flt, "-duplicate", MAX_COPIES)
    keepers = Filter(ids=tuple(sorted({r["duplicate_of"] for r in copies if r.get("duplicate_of")})))
    return groups_of(copies, cache.rows(page.key, page.workspace, keepers, "row", MAX_COPIES) if keepers.ids else [])


def differences(group: Group) -> list[str]:
    """What tells the members apart, in words."""
    labels, splits, sources = (", ".join(_distinct(group.members, name)) for name in ("label", "split", "source"))
    sizes = {(m.get("width"), m.get("height")) for m in group.members if m.get("width")}
    phrases = (
        (group.conflict, f"labels differ: {labels}"),
        (group.leak, f"in several splits: {splits}"),
        (len(sizes) > 1, "sizes differ"),
        (len(_distinct(group.members, "source")) > 1, f"from several sources: {sources}"),
    )
    return [phrase for applies, phrase in phrases if applies]


def _sight(page: Page, group: Group, row: dict[str, Any], place: int) -> str:
    """A member's picture; of a text, the words in which it differs from the keeper (the keeper: from a copy)."""
    other = group.members[0 if place else min(1, len(group.members) - 1)]
    if page.info.modality != "text" or not row.get("text") or not other.get("text"):
        sight = picture(page, row, "w-pic")
        return render("duplicates", "look", row["sample_id"], sight, place) if row.get("width") else sight
    return render("macros", "snippet", marked(row["text"], other["text"]), row["text"], "w-pic")


def card(page: Page, group: Group) -> str:
    """One group."""
    members = []
    for place, row in enumerate(group.members[:SHOWN]):
        size = f"{row['width']}×{row['height']}" if row.get("width") else ""
        facts = " · ".join(str(fact) for fact in (row.get("split"), size) if fact)
        members.append((row, _sight(page, group, row, place), facts))
    reason = next((str(m["reasons"]) for m in group.copies if m.get("reasons")), "")
    parts = [part[:1].upper() + part[1:].rstrip(".") for part in ("; ".join(differences(group)), reason) if part]
    return render("duplicates", "card", group, members, len(group.members) - SHOWN, ". ".join(parts))


def body(page: Page, groups: list[Group], decided: bool, at: int) -> str:
    """The page below its head."""
    if not groups:
        return render("duplicates", "none_found", bool(filters.to_pairs(page.filter)))
    undecided = [g for g in groups if not g.decided]
    clear = [g for g in undecided if not g.conflict]
    shown = [g for g in groups if g.decided] if decided else undecided
    pages = max(1, -(-len(shown) // PER_PAGE))
    at = min(at, pages - 1)
    return render(
        "duplicates",
        "body",
        decided=decided,
        n_open=len(undecided),
        n_decided=len(groups) - len(undecided),
        copies=sum(len(g.copies) for g in undecided),
        conflicts=sum(g.conflict for g in undecided),
        clear=len(clear),
        clear_copies=sum(len(g.copies) for g in clear),
        at=at,
        pages=pages,
        cards=[card(page, g) for g in shown[at * PER_PAGE : (at + 1) * PER_PAGE]],
    )


def decide(page: Page, value: dict[str, Any]) -> None:
    """Carry out what was clicked. Groups are looked up again: the browser only sends their numbers."""
    groups = {g.number: g for g in load_groups(page)}
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
            state.session().notice = f"These are {plural(len(ids), 'copy', 'copies')} now: something changed "
            "meanwhile. Look again and repeat."
        else:
            _decide(page, ids, "exclude")
    elif do == "undo":
        undone = page.workspace.undo(actor=page.actor)
        state.session().notice = None if undone else "There is nothing of yours left to undo."


def _keep_one(page: Page, ids: list[str], chosen: str) -> None:
    """Keep the chosen one and exclude the others, as one batch that one undo reverts."""
    batch = uuid.uuid4().hex
    items = [
        {
            "sample_id": i,
            "action": "accept" if i == chosen else "exclude",
            "batch_id": batch,
            "reason": REASON,
            "decision_id": uuid.uuid4().hex,
        }
        for i in ids
    ]
    errors = [answer["error"] for answer in page.workspace.record(items, actor=page.actor) if not answer["ok"]]
    if errors:
        state.session().notice = errors[0]


def _decide(page: Page, ids: list[str], action: str) -> None:
    page.workspace.decide_many(ids, action, reason=REASON, actor=page.actor)


def draw() -> None:
    """Draw the page."""
    page = page_frame("duplicates")

    def handle(value: dict[str, Any]) -> None:
        do = value.get("do")
        if do == "tab":
            st.session_state["w-dup-decided"], st.session_state["w-dup-at"] = bool(value.get("decided")), 0
        elif do == "turn" and isinstance(value.get("to"), int):
            st.session_state["w-dup-at"] = max(0, value["to"])
        elif do in ("exclude", "keep", "keeper", "exclude_all", "undo"):
            try:
                decide(replace(page, workspace=server_state().workspace(page.key)), value)
            except WinnowError as error:
                state.session().notice = str(error)
        else:
            actions.dispatch(value)

    draw_body(page, lambda: _html(page), handle)


def _html(page: Page) -> str:
    decided, at = st.session_state.get("w-dup-decided", False), st.session_state.get("w-dup-at", 0)
    html = body(page, load_groups(page), decided, at)
    if (failed := page.info.failures.get("signals")) is not None:
        return notice(f"Duplicates may be missing: {failed} Scan again to look for them.", "warn") + html
    return html
