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
        Rows of all its samples, the one that is proposed to be kept first.
    """

    number: int
    members: tuple[dict[str, Any], ...]

    @property
    def keeper(self) -> dict[str, Any]:
        """The member that is proposed to be kept."""
        return self.members[0]

    @property
    def copies(self) -> list[dict[str, Any]]:
        """The members that are flagged as duplicates."""
        return [m for m in self.members if "duplicate" in m["flags"]]

    @property
    def sure(self) -> list[dict[str, Any]]:
        """The keeper and the copies; all other members are possible copies."""
        return [self.keeper, *(m for m in self.copies if m is not self.keeper)]

    @property
    def remaining(self) -> list[dict[str, Any]]:
        """The members that nobody has excluded."""
        return [m for m in self.members if _action(m) != "exclude"]

    @property
    def conflict(self) -> bool:
        """Whether the labels in force of the remaining members differ."""
        return len(_distinct(self.remaining, "label_now")) > 1

    @property
    def leak(self) -> bool:
        """Whether the splits of the remaining members do."""
        return len(_distinct(self.remaining, "split")) > 1

    @property
    def decided(self) -> bool:
        """Whether every copy has a decision."""
        return all(m.get("decision") for m in self.copies)

    def keeps(self, row: dict[str, Any]) -> bool:
        """Whether a member stays: people kept it, or it is proposed and nobody has excluded it."""
        action = _action(row)
        return action not in (None, "exclude") or (action is None and row is self.keeper)


def _action(row: dict[str, Any]) -> str | None:
    return row["decision"]["action"] if row.get("decision") else None


def _distinct(members: Sequence[dict[str, Any]], name: str) -> list[str]:
    return list(dict.fromkeys(str(m[name]) for m in members if m.get(name)))


def groups_of(rows: Sequence[dict[str, Any]], order: Sequence[int]) -> list[Group]:
    """Put the members of groups together; conflicting labels first, then split leaks, then in ``order``.

    Parameters
    ----------
    rows
        All members of the groups.
    order
        Numbers of groups.
    """
    rows_of: dict[int, list[dict[str, Any]]] = {number: [] for number in order}
    for row in rows:
        rows_of[int(row["duplicate_group"])].append(row)
    groups = []
    for number, members in rows_of.items():
        keepers = {m["duplicate_of"] for m in members}
        members.sort(key=lambda m: (m["sample_id"] not in keepers, "duplicate" not in m["flags"]))
        if len(members) > 1:
            groups.append(Group(number, tuple(members)))
    return sorted(groups, key=lambda g: (not g.conflict, not g.leak))


def load_groups(page: Page) -> list[Group]:
    """The groups of the copies under the page's filter, with all their members."""
    flt = replace(page.filter, kinds=("duplicate",))
    copies = cache.rows(page.key, page.workspace, flt, "-duplicate", MAX_COPIES)
    order = list(dict.fromkeys(int(r["duplicate_group"]) for r in copies))
    if not order:
        return []
    members = filters.with_ids(Filter(), page.workspace.query.in_duplicate_groups(order))
    return groups_of(cache.rows(page.key, page.workspace, members, "row", 2 * MAX_COPIES), order)


def differences(group: Group) -> list[str]:
    """What tells the remaining members apart, in words."""
    left = group.remaining
    labels, splits, sources = (", ".join(_distinct(left, name)) for name in ("label_now", "split", "source"))
    sizes = {(m.get("width"), m.get("height")) for m in left if m.get("width")}
    phrases = (
        (group.conflict, f"labels differ: {labels}"),
        (group.leak, f"in several splits: {splits}"),
        (len(sizes) > 1, "sizes differ"),
        (len(_distinct(left, "source")) > 1, f"from several sources: {sources}"),
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
    reasons = (str(m["reasons"]) for m in group.copies if m.get("reasons"))
    reason = next(reasons, "").partition(", one of ")[0]  # how many there are and what differs, the card says itself
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
        if (chosen := value.get("id")) in [m["sample_id"] for m in group.members]:
            _keep_one(page, list(dict.fromkeys([str(chosen), *(m["sample_id"] for m in group.sure)])), str(chosen))
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
