"""The dialogs that change a class. Each names what would change, with the count; afterwards it can be undone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from winnow.app.components.html import notice
from winnow.app.components.page_frame import Page
from winnow.app.server.state import server_state
from winnow.app.session import cache
from winnow.core import ClassEditor, ClassEvent, Filter, WinnowError, plural

TITLES = {
    "merge": "Merge a class into another",
    "rename": "Rename a class",
    "split": "Split off a part of a class",
    "delete": "Delete a class",
}


def open_dialog(page: Page, operation: str, name: str) -> None:
    """Open the dialog of one operation on one class."""
    if name not in page.workspace.classes():
        st.html(notice(f"There is no class {name!r} any more. Somebody has changed it meanwhile.", "warn"))
        return
    body = {"merge": _merge, "rename": _rename, "split": _split, "delete": _delete}[operation]
    st.dialog(TITLES[operation])(body)(page, name)


def parts_of(page: Page, name: str) -> dict[str, Filter]:
    """What of a class can be split off: the filter or selection that is on, then its clusters, the largest first."""
    editor, parts = page.workspace.class_editor, {}
    if page.filter != Filter():
        within = replace(page.filter, classes=())
        if ids := editor.members(name, within):
            parts[f"What is filtered or selected now ({plural(len(ids), 'sample')})"] = within
    names = cache.cluster_names(page.key, page.workspace)
    for cluster, n in editor.clusters(name).items():
        parts[f"Cluster {names.get(cluster, cluster)} ({plural(n, 'sample')})"] = Filter(clusters=(cluster,))
    return parts


def _apply(page: Page, change: Callable[[ClassEditor], ClassEvent]) -> None:
    """Make a change and close the dialog, or show in the dialog why it failed."""
    try:
        event = change(server_state().workspace(page.key).class_editor)
    except WinnowError as error:
        st.html(notice(str(error), "bad"))
        return
    st.session_state["w-class-done"] = event.event_id
    st.rerun()


def _confirm(
    page: Page,
    operation: str,
    name: str,
    target: str | None,
    change: Callable[[ClassEditor], ClassEvent],
    count: int | None = None,
) -> None:
    preview = page.workspace.class_editor.preview(operation, name, target, count)
    st.caption(_plain(preview.says))
    if st.button(_plain(preview.button), type="primary", width="stretch", key="w-class-confirm"):
        _apply(page, change)


def _plain(text: str) -> str:
    """Names in Streamlit's Markdown as they are."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]()<>#+-.!|~$:" else c for c in text)


def _merge(page: Page, name: str) -> None:
    others = [c for c in page.workspace.classes() if c != name]
    n = page.workspace.class_editor.size(name)
    target = st.selectbox(
        f"Merge {plural(n, 'sample')} of {_plain(name)} into",
        others,
        index=None,
        placeholder="Choose or type a class",
        key=f"w-merge-{name}",
    )
    if target is not None:
        _confirm(page, "merge", name, target, lambda editor: editor.merge(name, target, actor=page.actor))


def _rename(page: Page, name: str) -> None:
    to = st.text_input(f"New name of {_plain(name)}", value=name, max_chars=200, key=f"w-rename-{name}").strip()
    if to and to != name:
        _confirm(page, "rename", name, to, lambda editor: editor.rename(name, to, actor=page.actor))


def _split(page: Page, name: str) -> None:
    choices = parts_of(page, name)
    if not choices:
        st.caption(
            "There is nothing to split off: no cluster holds samples of this class. Select some on the Map first."
        )
        return
    which = st.selectbox(f"Part of {_plain(name)}", list(choices), key=f"w-split-{name}")
    to = st.text_input("Name of the new class", max_chars=200, key=f"w-split-to-{name}").strip()
    st.caption("Any other part: filter it, or select it on the Map, then come back here.")
    if to and which is not None:
        ids = page.workspace.class_editor.members(name, choices[which])
        _confirm(page, "split", name, to, lambda editor: editor.split(name, to, ids, actor=page.actor), len(ids))


def _delete(page: Page, name: str) -> None:
    _confirm(page, "delete", name, None, lambda editor: editor.delete(name, actor=page.actor))
