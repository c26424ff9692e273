"""Select: choose the samples to train on, see what that costs and gains, and keep the choice under a name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from winnow.app.components import subset_cards as cards
from winnow.app.components.actions import dispatch, open_page
from winnow.app.components.html import notice
from winnow.app.components.html_component import Handler, live
from winnow.app.components.page_frame import Page, page_frame
from winnow.app.session import cache, state
from winnow.core import (
    SELECTORS,
    Comparisons,
    HoldoutGuard,
    Payoffs,
    Right,
    SubsetChoice,
    SubsetRequest,
    WinnowError,
    cancel_payoff,
    payoff_status,
    start_comparison,
    start_payoff,
)

EVERY = 1.0
ALL = "Everything"

YARDSTICK = "random"
"""The method that is chosen first, as long as none was measured to beat it on this data."""


def draw() -> None:
    """Draw the page."""
    page = page_frame("select")
    methods = [m for m in cache.methods(page.key, page.workspace) if not m["why_not"]]
    left, right = st.columns([5, 7], gap="small")
    with left, st.container(border=True, key="w-select"):
        request, among, target = _controls(page, methods, _recommended(page))
    try:
        choice, report = cache.choice(page.key, page.workspace, request, among, target)
    except WinnowError as error:
        with right:
            st.html(notice(str(error), "warn"))
        return
    with left:
        _keep(page, choice)
        live(cards.shares(report), "w-select-shares", dispatch)
    with right:
        notices = "".join(notice(text) for text in choice.notices)
        live(notices + cards.scorecard(choice, report), "w-select-score", dispatch)
        if (measured := Payoffs(Path(page.info.path) / "selections").get(choice.fingerprint)) is not None:
            live(cards.payoff_card(measured), "w-select-measured", dispatch)
        else:
            _payoff(page, choice, among, target)
        _comparison(page, request, among, target)


def _recommended(page: Page) -> str | None:
    """The method that beat random on this data by the most, as the latest comparison measured; None where none did."""
    kept = Comparisons(Path(page.info.path) / "selections")
    if not kept.all():
        return None
    latest = kept.latest(cache.comparison_marks(page.key, page.workspace, SubsetRequest())[1])
    return latest["recommended"] if latest else None


def _comparison(
    page: Page, request: SubsetRequest, among: tuple[str, ...] | None, target: tuple[str, ...] | None
) -> None:
    """Every method beside random under the settings on the page: measured, being measured, or a button to start it."""
    fingerprint, _ = cache.comparison_marks(page.key, page.workspace, request, among, target)
    root = Path(page.info.path)
    may = page.may(Right.DECIDE)

    def handle(value: dict[str, Any]) -> None:
        name = str(value.get("method"))
        if value.get("do") == "compare-start":
            _try(lambda: start_comparison(root, fingerprint, request, page.actor, among, target))
        elif value.get("do") == "compare-cancel":
            _try(lambda: cancel_payoff(root, fingerprint, page.actor))
        elif value.get("do") == "method" and name in SELECTORS:
            st.session_state["w-method"] = name
        else:
            dispatch(value)

    if (measured := Comparisons(root / "selections").get(fingerprint)) is not None:
        live(cards.comparison_card(measured, request.method), "w-select-compared", handle)
    elif payoff_status(root, fingerprint)["state"] == "running":
        _comparing(root, fingerprint, handle)
    else:
        live(cards.comparison_offer(payoff_status(root, fingerprint), may), "w-select-compare", handle)


@st.fragment(run_every=EVERY)
def _comparing(root: Path, fingerprint: str, handle: Handler) -> None:
    """A comparison that is being made, until it is finished."""
    status = payoff_status(root, fingerprint)
    if status["state"] != "running":
        st.rerun(scope="app")
    live(cards.comparison_waiting(status), "w-select-comparing", handle)


def _controls(
    page: Page, methods: list[dict[str, Any]], best: str | None
) -> tuple[SubsetRequest, tuple[str, ...] | None, tuple[str, ...] | None]:
    by_name = {m["name"]: m for m in methods}
    names = [m["name"] for m in methods]
    first = names.index(best if best in by_name else YARDSTICK)

    def title(name: str) -> str:
        return f"{by_name[name]['title']}{' · recommended' if name == best else ''}"

    name = st.selectbox("Method", names, index=first, format_func=title, key="w-method")
    method = by_name[name]
    st.caption(method["explain"])
    percent = st.slider("How much to keep", 1, 100, 30, format="%d%%", key="w-budget")
    one, two = st.columns(2)
    quality = one.slider(
        "Quality",
        0.0,
        1.0,
        0.5,
        0.05,
        key="w-quality",
        disabled="quality" not in method["uses"],
        help="0 = any sample counts the same; 1 = samples whose label and content are trusted come first.",
    )
    diversity = two.slider(
        "Diversity",
        0.0,
        1.0,
        0.5,
        0.05,
        key="w-diversity",
        disabled="diversity" not in method["uses"],
        help="0 = as it comes; 1 = as different from each other as can be.",
    )
    kept = {s.name: s for s in page.workspace.saved_selections.all()}
    target_ids: tuple[str, ...] | None = None
    if method["needs_target"]:
        aim = st.selectbox("Resemble", ["The held-out samples", *kept], key="w-target")
        if aim in kept:
            target_ids = tuple(page.workspace.saved_selections.ids(kept[aim].handle))
    with st.expander("Constraints"):
        sources = [ALL, *(["The current filter"] if _filtered(page) else []), *kept]
        source = st.selectbox("Choose among", sources, key="w-among")
        per_class = st.number_input("At least, of each class", 0, 10_000, 1, key="w-per-class")
        groups = st.checkbox("Keep the share of each source (or class)", key="w-keep-groups")
        guard = st.checkbox("Never leave out guarded rare samples", True, key="w-guard")
        unique = st.checkbox("Keep one of each duplicate group", True, key="w-unique")
        held = st.checkbox(
            "Choose held-out samples too",
            key="w-held",
            help="They judge the payoff: it ignores those that were chosen.",
        )
        seed = st.number_input("Seed", 0, 2**31 - 1, 0, key="w-seed")
    among: tuple[str, ...] | None = None
    if source == "The current filter":
        among = tuple(page.workspace.ids(page.filter))
    elif source in kept:
        among = tuple(page.workspace.saved_selections.ids(kept[source].handle))
    request = SubsetRequest(
        name, f"{percent}%", int(seed), quality, diversity, int(per_class), groups, guard, unique, held
    )
    return request, among, target_ids


def _filtered(page: Page) -> bool:
    return bool(page.counts.matching != page.counts.total)


def _keep(page: Page, choice: SubsetChoice) -> None:
    with st.container(border=True, key="w-keep"):
        usual = f"{choice.request.method.replace('_', ' ')} {choice.request.budget}"
        name = st.text_input("Name", value=usual, max_chars=80, key=f"w-keep-name-{usual}")
        save, out = st.columns(2)
        may = page.may(Right.DECIDE)
        if save.button("Save", width="stretch", icon=":material/bookmark_add:", disabled=not may, key="w-keep-save"):
            _save(page, choice, name)
        if out.button(
            "Save and export",
            type="primary",
            width="stretch",
            icon=":material/download:",
            disabled=not may,
            key="w-keep-out",
        ) and _save(page, choice, name):
            st.session_state["w-export-what"] = " ".join(name.split())
            open_page("export")
            st.rerun()


def _save(page: Page, choice: SubsetChoice, name: str) -> bool:
    try:
        saved = {s.name.casefold(): s for s in page.workspace.saved_selections.all()}
        known = saved.get(" ".join(name.split()).casefold())
        if known is None or known.fingerprint != choice.fingerprint:
            page.workspace.subsets.save(choice, name, page.actor)
    except WinnowError as error:
        st.html(notice(str(error), "bad"))
        return False
    st.html(notice(f"Kept as “{name}”.", "good"))
    return True


def _payoff(page: Page, choice: SubsetChoice, among: tuple[str, ...] | None, target: tuple[str, ...] | None) -> None:
    """The payoff of the choice on the page while it is being measured, or a button to start that: a visit does not."""
    root, fingerprint = Path(page.info.path), choice.fingerprint
    looks = len(HoldoutGuard(root / "selections").looks())

    def handle(value: dict[str, Any]) -> None:
        if value.get("do") == "payoff-start":
            _try(lambda: start_payoff(root, choice, page.actor, among, target))
        elif value.get("do") == "payoff-cancel":
            _try(lambda: cancel_payoff(root, fingerprint, page.actor))
        else:
            dispatch(value)

    status = payoff_status(root, fingerprint)
    if status["state"] == "running":
        _measuring(root, fingerprint, looks, handle)
    else:
        live(cards.payoff_ended(status, looks, page.may(Right.DECIDE)), "w-select-payoff", handle)


@st.fragment(run_every=EVERY)
def _measuring(root: Path, fingerprint: str, looks: int, handle: Handler) -> None:
    """A payoff that is being measured, until it is finished."""
    status = payoff_status(root, fingerprint)
    if status["state"] != "running":
        st.rerun(scope="app")
    live(cards.payoff_waiting(status, looks), "w-select-measuring", handle)


def _try(act: Callable[[], object]) -> None:
    """Do what a person asked for; where it is refused, the page says why."""
    try:
        act()
    except WinnowError as error:
        say(str(error))


def say(text: str) -> None:
    """Show a sentence at the head of the page."""
    state.session().notice = text
