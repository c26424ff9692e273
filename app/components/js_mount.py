"""The three JavaScript surfaces as Streamlit components: Review, Gallery and Map.

Each is a plain ES module in a folder of its own, loaded from the asset route; Streamlit only mounts it and carries
its data (which workspace, which filter, a bearer token) and one event back (``go``: the person wants another page).
Everything else travels between the browser and the routes under ``/api``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import streamlit as st

from winnow.app.components import search_box as finder
from winnow.app.components import theme
from winnow.app.components.actions import open_page
from winnow.app.components.assets import PLOTLY, asset_path, text
from winnow.app.components.keys import COMMANDS
from winnow.app.server.state import server_state
from winnow.app.session import state
from winnow.core import WinnowError, Workspace

_FIRST_SAMPLE = "w-first-sample"
REQUEST_SECONDS = 20.0
"""How long a request to begin Review with one sample counts: a change of page runs the script more than once."""

LOADER = """
export default async function (component) {
  const url = new URL(component.data.module, document.baseURI);
  const { default: mount } = await import(url.href);
  return mount(component);
}
"""
"""Streamlit turns a component's script into a blob, from which nothing relative can be imported."""


@lru_cache(maxsize=8)
def _component(name: str) -> Callable[..., Any]:
    return st.components.v2.component(
        f"winnow_{name}", js=LOADER, css=text("lib/common.css") + text(f"{name}/{name}.css"), html=""
    )


def base_path() -> str:
    """The path under which the app is served: "/" or "/prefix/"."""
    prefix = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{prefix}/" if prefix else "/"


def mount_surface(name: str, data: dict[str, Any], *, key: str) -> None:
    """Mount a surface: it fills the rest of the page.

    Parameters
    ----------
    name
        "review", "gallery" or "map".
    data
        Plain values for the browser: what :meth:`winnow.app.components.page_frame.Page.data` gives, and the surface's
        own.
    key
        The element's key; the surface lives as long as it stays the same.
    """
    payload = {**data, "module": base_path() + asset_path(f"{name}/{name}.js"), "api": base_path() + "api/"}
    if name == "map":
        payload["plotly"] = base_path() + asset_path(PLOTLY)
    _component(name)(key=key, data=payload, on_go_change=lambda: follow((st.session_state.get(key) or {}).get("go")))


def signal_options(workspace: Workspace, prefix: str = "") -> list[list[str]]:
    """Every signal that ran as an option of a menu: [value, title, its verdict, what it says in a sentence]."""
    ran = [s for s in workspace.signals() if s.ran]
    order = list(theme.VERDICTS)
    ran.sort(key=lambda s: order.index(s.kind) if s.kind in order else len(order))
    return [[f"{prefix}{s.name}", s.title, f"Signals: {theme.verdict_name(s.kind)}", s.explain] for s in ran]


def follow(event: Any) -> None:
    """Go where ``{page, id?, like?, selection?, reset?}`` says, or keep ``{class_keys: {fixed, keys}}``.

    It comes from the browser: every value is checked.
    """
    if not isinstance(event, dict):
        return
    s = state.session()
    if isinstance(choice := event.get("class_keys"), dict):
        _keep_class_keys(s, choice)
    if event.get("reset"):
        state.reset()
    if (handle := event.get("selection")) and s.key:
        try:
            server_state().selection(s.key, str(handle))
        except WinnowError as error:
            s.notice = str(error)
            return
        state.set_selection(str(handle))
    if sample := event.get("like"):
        finder.alike(str(sample))
    if sample := event.get("id"):
        st.session_state[_FIRST_SAMPLE] = (time.monotonic(), str(sample))
    open_page(str(event.get("page")))


def _keep_class_keys(s: state.Session, choice: dict[str, Any]) -> None:
    keys = choice.get("keys")
    if not s.key or not isinstance(keys, dict):
        return
    chosen = {str(name): str(key).lower() for name, key in keys.items() if key}
    try:
        workspace = server_state().workspace(s.key)
        workspace.class_keys.save(bool(choice.get("fixed")), chosen, actor=s.actor, commands=COMMANDS)
    except WinnowError as error:
        s.notice = str(error)


def class_key_data(workspace: Workspace) -> dict[str, Any]:
    """What Review and Label need to know of the keys of classes: whether Review uses them, and which they are."""
    keys = workspace.class_keys
    return {"fixed": keys.fixed, "keys": list(keys.of_classes(COMMANDS).items()), "commands": sorted(COMMANDS)}


def first_sample() -> list[str]:
    """The sample that Review was asked to begin with, for as long as it takes to get there."""
    at, sample = st.session_state.get(_FIRST_SAMPLE, (float("-inf"), ""))
    return [sample] if time.monotonic() - at < REQUEST_SECONDS else []
