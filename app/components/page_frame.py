"""The frame of every page: sidebar, the page's question, active filters as chips, how many, saved, and who decides.

A page starts with ``page = page_frame("Which labels look wrong?")`` and draws below it. A JavaScript surface takes
``page.data()`` as the start of its data, and tells the head what it does with two window events:
``new CustomEvent("winnow:saved", {detail: {state: "saving" | "saved" | "failed", text: "Saving…"}})`` and
``new CustomEvent("winnow:count", {detail: {text: "1,203 of 14,460"}})``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from winnow.app.components import search_box as finder
from winnow.app.components import sidebar, theme
from winnow.app.components.actions import dispatch
from winnow.app.components.html import bar, button, count, dot, empty, esc, go, icon, notice, plural
from winnow.app.components.html_component import Handler, live
from winnow.app.components.progress import job_panel
from winnow.app.server.security import mint_token
from winnow.app.server.signin import remember
from winnow.app.server.state import hub
from winnow.app.session import cache, state
from winnow.app.session.scans import look, request_of, table_of
from winnow.core import PICKS, PREFIX, Filter, Right, WinnowError, scan_status

KEYS: dict[str, tuple[tuple[str, str], ...]] = {
    "duplicates": (
        ("J K", "next and previous group"),
        ("X", "exclude the copies"),
        ("A", "keep all"),
        ("2 3 4 5 6", "keep another one instead"),
        ("U", "undo the last step"),
        ("N P", "next and previous page"),
    ),
    "classes": (
        ("J K", "next and previous class"),
        ("M", "merge it into another"),
        ("R", "rename it"),
        ("S", "split off a part as a new class"),
        ("D", "delete it, keep its samples"),
    ),
}
"""Keys of the pages that have keys of their own; the JavaScript surfaces show theirs themselves."""

COMMON_KEYS = (("Tab", "next part of the page"), ("Enter", "open or choose it"), ("?", "this list"))

SURFACES = frozenset({"map", "review", "gallery"})

FILTERED = frozenset({"overview", "map", "queues", "review", "gallery", "duplicates", "classes"})
"""Pages that the filters act on; the others show their question alone."""


@dataclass(frozen=True)
class Page:
    """What a page draws from. ``filter`` has a map selection already resolved to ids; ``query`` has its handle."""

    name: str
    key: str
    workspace: Any
    info: Any
    filter: Filter
    counts: Any
    query: str
    actor: str

    def token(self) -> str:
        """A bearer token for this tab's requests."""
        return mint_token(hub().secret, self.key, self.actor, proven=state.session().proven)

    def may(self, right: Right) -> bool:
        """Whether whoever looks at this page has a right."""
        return bool(self.workspace.roles.may(self.actor, right))

    def watch(self) -> dict[str, Any]:
        """What the head needs to tell what other people decide meanwhile."""
        return {
            "url": f"./api/changes/{self.key}",
            "token": self.token(),
            "since": self.info.n_decisions,
            "classes": self.info.n_class_changes,
            "actor": self.actor,
        }

    def data(self) -> dict[str, Any]:
        """What every JavaScript surface needs: where the routes are, the token, the queue, the verdicts' looks."""
        return {
            "api": "./",
            "ws": self.key,
            "token": self.token(),
            "query": self.query,
            "actor": self.actor,
            "decides": self.may(Right.DECIDE),
            "generation": str(self.info.generation),
            "matching": self.counts.matching,
            "total": self.counts.total,
            "verdicts": theme.verdict_payload(),
        }


def _chip(text: str, field: str, mark: str = "", value: Any = None) -> str:
    what = go("reset", field=field) if value is None else go("toggle", field=field, value=value)
    return f'<button type="button" class="w-pill" aria-label="Remove filter {esc(text)}" {what}>{mark}<span class="w-cut">{esc(text)}</span>{icon("close")}</button>'


def _selection_name(s: state.Session) -> str:
    """What a selection is called: its own name once it is saved."""
    if s.key and (s.selection or "").startswith(PREFIX):
        try:
            return f"Selection: {hub().workspace(s.key).saved_selections.get(s.selection).name}"
        except WinnowError:
            return "A selection that was deleted"
    return "Selected on the map"


def chips(s: state.Session) -> list[str]:
    """Every active filter as a chip that removes it."""
    flt, found = s.filter, []
    found += [_chip(theme.says(v), "verdicts", dot(v), v) for v in flt.verdicts or ()]
    found += [_chip(f"Flagged: {theme.says(v).lower()}", "kinds", dot(v), v) for v in flt.kinds or ()]
    found += [_chip(f"Class: {v}", "classes", value=v) for v in flt.classes or ()]
    found += [_chip(f"Suggested: {v}", "suggested", value=v) for v in flt.suggested or ()]
    found += [_chip(f"Split: {v}", "splits", value=v) for v in flt.splits or ()]
    found += [_chip(f"Source: {v}", "sources", value=v) for v in flt.sources or ()]
    found += [_chip(f"Cluster {v}", "clusters", value=v) for v in flt.clusters or ()]
    if flt.state and flt.state != "any":
        found.append(_chip(theme.STATES.get(flt.state, flt.state), "state"))
    if flt.pick:
        found.append(_chip(PICKS[flt.pick].title, "pick"))
    if flt.strict is not None:
        found.append(_chip(f"At most {flt.strict * 100:g} in 100 wrong", "strict"))
    if flt.pair:
        found.append(_chip(f"{flt.pair[0]} → {flt.pair[1]}", "pair"))
    if flt.text:
        found.append(_chip(f"Text: “{flt.text}”", "text"))
    found += [_chip(words, name) for words, name in finder.chips_of(flt)]
    if flt.duplicate_group is not None:
        found.append(_chip(f"Duplicate group {flt.duplicate_group}", "duplicate_group"))
    if flt.polygon:
        found.append(_chip("An area of the map", "polygon"))
    for name, (low, high) in flt.scores.items():
        span = f"≥ {low or 0:.2f}" if high is None else f"≤ {high:.2f}" if low is None else f"{low:.2f}–{high:.2f}"
        found.append(_chip(f"{theme.says(name)} {span}", f"score:{name}"))
    if s.selection:
        found.append(_chip(_selection_name(s), "selection"))
    return found


def keys_help(name: str) -> str:
    """The button, and the list of keys that it and ``?`` show."""
    if name in SURFACES:
        return ""
    rows = "".join(
        f"<dt>{' '.join(f'<kbd>{esc(k)}</kbd>' for k in keys.split())}</dt><dd>{esc(what)}</dd>"
        for keys, what in (*KEYS.get(name, ()), *COMMON_KEYS)
    )
    return (
        '<button type="button" class="w-btn w-small w-quiet" data-help aria-label="Keys of this page" title="Keys of this page (?)"><kbd>?</kbd></button>'
        f'<dialog class="w-help" aria-label="Keys of this page"><h2>Keys of this page</h2><dl class="w-facts">{rows}</dl>'
        '<form method="dialog"><button class="w-btn w-small">Close</button></form></dialog>'
    )


LINK = (
    f'<button type="button" class="w-btn w-quiet w-small" data-link title="Copy a link to exactly this view" '
    f'aria-label="Copy a link to exactly this view">{icon("link")}</button><span class="w-muted" data-linked role="status"></span>'
)
"""Copies the page's address: filter, order, grouping and selection are in it."""

OTHERS = (
    f'<button type="button" class="w-btn w-small w-others" hidden data-others title="Show what is there now" {go("refresh")}>'
    f'{icon("group")}<span data-said role="status"></span></button>'
)
"""Says what other people decided since the page was drawn; a click draws it anew."""


def head(question: str, total: str, marks: list[str], actor: str, saved: bool, keys: str = "") -> str:
    """The one line at the top, and the chips below it."""
    kept = (
        f'<span class="w-saved" role="status" title="Every decision is in the log on disk.">'
        f'<span data-saved data-state="saved">Saved</span>{icon("check")}</span>'
        if saved
        else ""
    )
    who = (
        f'<button type="button" class="w-actor" title="Who decides. Click to change." {go("actor")}>'
        f'<i aria-hidden="true">{esc(actor[:1].upper())}</i><span class="w-cut">{esc(actor)}</span></button>'
    )
    row = f'<div class="w-chips" aria-label="Active filters">{"".join(marks)}</div>' if marks else ""
    return (
        f'<div class="w-head"><h1>{esc(question)}</h1><span class="w-total" data-count>{total}</span>'
        f'<div class="w-side">{OTHERS + LINK if saved else ""}{keys}{kept}{who}</div></div>{row}'
    )


@st.dialog("Who decides?")
def _ask_actor() -> None:
    if state.session().proven:
        st.write("You signed in by this name, and decisions carry it.")
        return
    name = st.text_input(
        "Your name",
        value=state.session().actor,
        max_chars=80,
        help="Every decision carries it, so that History can say who decided.",
    )
    if st.button("Use this name", type="primary", width="stretch"):
        state.set_actor(name)
        st.rerun()


def draw_sidebar(name: str) -> None:
    """The sidebar of a page. The script draws it, not the page, so that it stays when the page changes."""
    s, page = state.session(), None
    if s.key:
        try:
            page = _page(name, s)
        except WinnowError:  # the page itself says what is wrong with the dataset
            page = None
    badges = _badges(page)
    parts = [sidebar.brand()]
    if page is not None:
        parts += [sidebar.dataset_head(page.info), finder.box(page)]
    parts.append(sidebar.nav(name, "" if s.key is None else state.query(s) + (f"&ws={s.key}" if s.key else ""), badges))
    if page is not None and name in FILTERED:
        parts.append(sidebar.filters_panel(page.key, page.workspace, s.filter, name, s.selection))
    with st.sidebar:
        live("".join(parts), "w-sidebar", dispatch, **({"search": finder.wiring(page)} if page is not None else {}))


def _say_notices(s: state.Session) -> None:
    if s.notice:
        st.html(notice(s.notice))
        s.notice = None


def bare_frame(name: str, question: str) -> Page | None:
    """The frame of a page that works without a dataset. Returns the open dataset's page, if there is one."""
    s, page = state.session(), None
    if s.key:
        try:
            page = _page(name, s)
        except WinnowError:
            page = None
    live(head(question, "", [], s.actor, saved=False, keys=keys_help(name)), "w-head", dispatch)
    _say_notices(s)
    _dialogs()
    return page


def _dialogs() -> None:
    if st.session_state.pop("w-ask-actor", False):
        _ask_actor()


def _badges(page: Page | None) -> dict[str, str]:
    if page is None:
        return {}
    decided = page.info.n_decisions
    left = cache.matching(page.key, page.workspace, Filter(verdicts=theme.PROBLEMS, state="undecided"))
    return {"review": count(left) if left else "", "history": count(decided) if decided else ""}


def _page(name: str, s: state.Session) -> Page:
    key = s.key or ""
    workspace = hub().workspace(key)
    hub().admit(workspace, s.actor, s.proven)
    bar(workspace.roles, s.actor)
    try:
        flt = state.effective_filter(s)
    except WinnowError as error:
        s.notice, s.selection, flt = str(error), None, s.filter
    try:
        found = cache.counts(key, workspace, flt)
    except WinnowError as error:
        s.notice, s.filter, s.sort, flt = str(error), Filter(), None, Filter()
        found = cache.counts(key, workspace, flt)
    return Page(name, key, workspace, workspace.info(), flt, found, state.query(s), s.actor)


def page_frame(name: str, question: str) -> Page:
    """Draw the frame and return what the page draws from. Without a dataset, or while its first scan runs, the page
    shows that instead and stops here.
    """
    s = state.session()
    if not s.key:
        _nothing_open(question)
    try:
        page = _page(name, s)
    except WinnowError as error:
        _not_ready(question, s, error)
    filtered = name in FILTERED
    if filtered and page.counts.matching != page.counts.total:
        total = f"{count(page.counts.matching)} of {count(page.counts.total)}"
    else:
        total = f"{count(page.counts.total)} samples"
    live(
        head(question, total, chips(s) if filtered else [], s.actor, saved=True, keys=keys_help(name)),
        "w-head",
        dispatch,
        watch=page.watch(),
        **({"cookie": remember(state.default_name(), s.actor)} if s.named else {}),
    )
    _say_notices(s)
    if filtered and (said := finder.said(page)):
        st.html(notice(said))
    _running(page)
    _dialogs()
    return page


def fill(page: Page, make: Callable[[], str], handler: Handler) -> None:
    """Draw a page's body; until it is there for the first time, a skeleton of it."""
    place, seen = st.empty(), f"w-seen-{page.name}-{page.key}"
    if seen not in st.session_state:
        st.session_state[seen] = True
        place.html(
            '<div class="w-wait" aria-hidden="true"><div class="w-skeleton" style="height:136px"></div>'
            '<div class="w-two"><div class="w-skeleton" style="height:340px"></div><div class="w-skeleton" style="height:340px"></div></div></div>'
        )
    try:
        html = make()
    except Exception:
        place.empty()
        raise
    with place:
        live(html, "w-body", handler)


def _running(page: Page) -> None:
    """A scan at work in the open workspace is shown, while what is ready can be looked at."""
    path = Path(page.info.path)
    if scan_status(path)["state"] == "running":
        job_panel(path, page.key, compact=True)


def _nothing_open(question: str) -> None:
    live(
        head(question, "", [], state.session().actor, saved=False)
        + empty(
            "No dataset is open",
            "Open one that was scanned before, or scan a folder, a table or embeddings.",
            button("Choose a dataset", go("page", page="new"), "add_circle", primary=True),
            "dataset",
        ),
        "w-head",
        dispatch,
    )
    _dialogs()
    st.stop()


def _source_preview(path: Path) -> None:
    """What can be looked at before the first results: the rows that are being scanned."""
    try:
        config = request_of(path)
        found = look(config.source, config.columns)
    except WinnowError:
        return
    what = plural(found.n, "row") if found.n is not None else "rows"
    live(
        f"<section class='w-card'><header><h2>{esc(config.name or Path(config.source).name)}</h2><span class='w-muted'>the first of {what} "
        f"in <code>{esc(config.source)}</code>; the Overview opens by itself as soon as there are verdicts</span></header></section>",
        "w-source-title",
    )
    st.dataframe(table_of(found), height=320, hide_index=True, width="stretch")


def _not_ready(question: str, s: state.Session, error: WinnowError) -> None:
    live(head(question, "", [], s.actor, saved=False), "w-head", dispatch)
    try:
        path = hub().path(s.key or "")
    except WinnowError:
        path = None
    if path is not None and scan_status(path)["state"] != "none":
        job_panel(path, s.key or "")
        _source_preview(path)
    else:
        live(
            empty(
                "This dataset cannot be opened",
                str(error),
                button("Choose a dataset", go("page", page="new"), "add_circle", primary=True),
                "folder_off",
            ),
            "w-body",
            dispatch,
        )
    _dialogs()
    st.stop()
