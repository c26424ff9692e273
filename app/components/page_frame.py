"""The frame of every page: sidebar, the page's name, active filters as chips, how many, saved, and who decides.

A page starts with ``page = page_frame("review")`` and draws below it. A JavaScript surface
takes ``page.data()`` as the start of its data, and tells the head what it does with two window events:
``new CustomEvent("winnow:saved", {detail: {state: "saving" | "saved" | "failed", text: "Saving…"}})`` and
``new CustomEvent("winnow:count", {detail: {text: "1,203 of 14,460"}})``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import streamlit as st

from winnow.app.api.exports import export_link
from winnow.app.components import search_box as finder
from winnow.app.components import sidebar, theme
from winnow.app.components.actions import dispatch
from winnow.app.components.assets import asset_path
from winnow.app.components.html import notice, render, restrict_to_role
from winnow.app.components.html_component import Handler, live
from winnow.app.components.keys import COMMANDS, keys_of
from winnow.app.components.progress import job_panel
from winnow.app.components.sidebar import PAGES
from winnow.app.server.security import mint_token
from winnow.app.server.signin import remember, token_source
from winnow.app.server.state import server_state
from winnow.app.session import cache, filters, state, views
from winnow.app.session.scans import look, request_of, table_of
from winnow.core import AGO, PREFIX, Counts, Filter, Right, WinnowError, Workspace, WorkspaceInfo, plural, scan_status

FILTERED = frozenset({"overview", "map", "queues", "review", "label", "gallery", "duplicates", "classes"})
"""Pages that the filters act on; the others show their name alone."""


@dataclass(frozen=True)
class Page:
    """What a page draws from.

    Attributes
    ----------
    name
        The page's path in the URL.
    key
        The dataset's key in the URL.
    workspace, info
        The opened dataset, and what it is.
    filter
        What is shown; a selection on the map is already resolved to ids.
    counts
        What matches the filter.
    query
        The filter as a query string; a selection is in it by its handle.
    actor
        Who decides.
    """

    name: str
    key: str
    workspace: Workspace
    info: WorkspaceInfo
    filter: Filter
    counts: Counts
    query: str
    actor: str

    def token(self) -> str:
        """A bearer token for this tab's requests."""
        proven = state.session().proven
        return mint_token(server_state().secret, self.key, self.actor, proven=proven, source=token_source())

    def export_link(self, name: str, new: tuple[str, str, dict[str, Any]] | None = None) -> str:
        """The link at which this person's browser gets an export; see :func:`winnow.app.api.exports.export_link`."""
        proven = state.session().proven
        return export_link(server_state(), self.key, name, self.actor, proven, token_source(), new)

    def may(self, right: Right) -> bool:
        """Whether whoever looks at this page has a right."""
        return self.workspace.roles.may(self.actor, right)

    def class_keys(self) -> dict[str, str]:
        """Class → key where this page has keys that stay with a class, else nothing."""
        fixed = self.name in ("label", "audit") or (self.name == "review" and self.workspace.class_keys.fixed)
        return self.workspace.class_keys.of_classes(COMMANDS) if fixed else {}

    def watch(self) -> dict[str, Any]:
        """What the head needs to show what other people decide meanwhile."""
        return {
            "url": f"./api/changes/{self.key}",
            "token": self.token(),
            "since": self.info.n_decisions,
            "classes": self.workspace.decision_history.class_changes_of_others(self.actor),
            "actor": self.actor,
        }

    def viewer(self) -> dict[str, Any]:
        """What the picture viewer needs that opens from HTML of the server."""
        routes = {"module": f"./{asset_path('viewer/viewer.js')}", "api": "./api/", "ws": self.key}
        return {**routes, "token": self.token(), "verdicts": theme.verdict_payload()}

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
            "ago": AGO,
        }


Chip = tuple[str, str, Any, str]
"""An active filter: words, field, the value where the field has several (None = all of it), a verdict's kind or ""."""


def _selection_name(s: state.Session) -> str:
    """What a selection is called: its own name once it is saved."""
    if s.selection == s.guide:
        return "First review"
    if s.key and s.selection and s.selection.startswith(PREFIX):
        try:
            return f"Selection: {server_state().workspace(s.key).saved_selections.get(s.selection).name}"
        except WinnowError:
            return "A selection that was deleted"
    return "Selected on the map"


def chips(s: state.Session) -> list[Chip]:
    """Every active filter as a chip that removes it."""
    active: list[Chip] = [
        (words, field, value, value if field in ("verdicts", "kinds") else "")
        for words, field, value in filters.chips(s.filter)
    ]
    if s.selection:
        active.append((_selection_name(s), "selection", None, ""))
    return active


def head(
    name: str,
    title: str,
    actor: str,
    *,
    total: str = "",
    chips: Sequence[Chip] = (),
    open_: bool = False,
    class_keys: Mapping[str, str] | None = None,
) -> str:
    """The one line at the top (``name`` "" = a page without keys), and the chips below; ``open_``: on a dataset."""
    keys = keys_of(name, class_keys) if name else ()
    return render("frame", "head", title, total, chips, actor, keys, open_)


@st.dialog("Your name")
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
    """The sidebar of a page. The script draws it, not the page, so it stays when the page changes."""
    s, page = state.session(), None
    if s.key:
        try:
            page = _page(name, s)
        except WinnowError:  # the page itself says what is wrong with the dataset
            page = None
    parts = [sidebar.brand()]
    if page is not None:
        parts += [sidebar.dataset_head(page.info), finder.box(page)]
    query = f"{state.query(s)}&ws={s.key}" if s.key else ""
    tagged = page is not None and page.workspace.has_tags
    parts.append(sidebar.nav(name, query, _badges(page), tagged))
    if page is not None:
        parts.append(sidebar.saved_views(page.key, page.workspace))
    if page is not None and name in FILTERED:
        parts.append(sidebar.filters_panel(page.key, page.workspace, s.filter, name, s.selection))
    with st.sidebar:
        live("".join(parts), "w-sidebar", dispatch, **({"search": finder.wiring(page)} if page is not None else {}))


def _show_notice(s: state.Session) -> None:
    if s.notice:
        st.html(notice(s.notice))
        s.notice = None


def bare_frame(name: str) -> Page | None:
    """The frame of a page that works without a dataset. Returns the open dataset's page, if there is one."""
    s, page = state.session(), None
    if s.key:
        try:
            page = _page(name, s)
        except WinnowError:
            page = None
    live(head(name, PAGES[name][0], s.actor), "w-head", dispatch)
    _show_notice(s)
    _dialogs()
    return page


@st.dialog("Save this view")
def _save_view(address: str) -> None:
    name = st.text_input("Name", max_chars=80, help="The page with its filters, order and colour, as it is now.")
    if st.button("Save", type="primary", width="stretch"):
        try:
            views.save(name, address)
        except WinnowError as error:
            st.html(notice(str(error), "bad"))
        else:
            st.rerun()


def _dialogs() -> None:
    if (address := st.session_state.pop("w-save-view", None)) is not None:
        _save_view(address)
    if st.session_state.pop("w-ask-actor", False):
        _ask_actor()


def _badges(page: Page | None) -> dict[str, str]:
    if page is None:
        return {}
    steps = cache.steps(page.key, page.workspace)
    left = cache.matching(page.key, page.workspace, filters.FLAGGED)
    return {"review": f"{left:,}" if left else "", "history": f"{steps:,}" if steps else ""}


def _page(name: str, s: state.Session) -> Page:
    key = s.key or ""
    workspace = server_state().workspace(key)
    server_state().admit(workspace, s.actor, s.proven)
    restrict_to_role(workspace.roles, s.actor)
    try:
        flt = state.effective_filter(s)
    except WinnowError as error:
        s.notice, s.selection, flt = str(error), None, s.filter
    try:
        counts = cache.counts(key, workspace, flt)
    except WinnowError as error:
        s.notice, s.filter, s.sort, flt = str(error), Filter(), None, Filter()
        counts = cache.counts(key, workspace, flt)
    return Page(name, key, workspace, workspace.info(), flt, counts, state.query(s), s.actor)


def page_frame(name: str) -> Page:
    """Draw the frame and return what the page draws from.

    Without a dataset, or while its first scan runs, the page shows that instead and stops here.
    """
    s = state.session()
    if not s.key:
        _nothing_open(name)
    try:
        page = _page(name, s)
    except WinnowError as error:
        _not_ready(name, s, error)
    filtered = name in FILTERED
    total = plural(page.counts.total, "sample")
    if filtered and page.counts.matching != page.counts.total:
        total = f"{page.counts.matching:,} of {page.counts.total:,}"
    active, fixed = chips(s) if filtered else (), page.class_keys()
    live(
        head(name, PAGES[name][0], s.actor, total=total, chips=active, open_=True, class_keys=fixed),
        "w-head",
        dispatch,
        watch=page.watch(),
        **({"cookie": remember(state.default_name(), s.actor)} if s.named else {}),
    )
    _show_notice(s)
    if filtered and (text := finder.describe_search(page)):
        st.html(notice(text))
    _show_running_scan(page)
    _dialogs()
    return page


def draw_body(page: Page, make: Callable[[], str], handler: Handler) -> None:
    """Draw a page's body; until it is made for the first time, an outline of it."""
    place, drawn = st.empty(), f"w-seen-{page.name}-{page.key}"
    if drawn not in st.session_state:
        st.session_state[drawn] = True
        place.html(render("frame", "skeleton"))
    try:
        html = make()
    except Exception:
        place.empty()
        raise
    with place:
        live(html, "w-body", handler, viewer=page.viewer())


def _show_running_scan(page: Page) -> None:
    """A scan at work in the open workspace is shown, while what is ready can be looked at."""
    path = Path(page.info.path)
    if scan_status(path)["state"] == "running":
        job_panel(path, page.key, compact=True)


def _nothing_open(name: str) -> NoReturn:
    text = "Open one that was scanned before, or scan a folder, a table or embeddings."
    empty = render("frame", "no_dataset", "No dataset is open", text, "dataset")
    live(head("", PAGES[name][0], state.session().actor) + empty, "w-head", dispatch)
    _dialogs()
    st.stop()


def _source_preview(path: Path) -> None:
    """What can be looked at before the first results: the rows that are being scanned."""
    try:
        config = request_of(path)
        preview = look(config.source, config.columns)
    except WinnowError:
        return
    rows = plural(preview.n, "row") if preview.n is not None else "rows"
    name = config.name or Path(config.source).name
    live(render("frame", "source", name, rows, config.source), "w-source-title")
    st.dataframe(table_of(preview), height=320, hide_index=True, width="stretch")


def _not_ready(name: str, s: state.Session, error: WinnowError) -> NoReturn:
    live(head("", PAGES[name][0], s.actor), "w-head", dispatch)
    try:
        path = server_state().path(s.key or "")
    except WinnowError:
        path = None
    if path is not None and scan_status(path)["state"] != "none":
        job_panel(path, s.key or "")
        _source_preview(path)
    else:
        live(
            render("frame", "no_dataset", "This dataset cannot be opened", str(error), "folder_off"), "w-body", dispatch
        )
    _dialogs()
    st.stop()
