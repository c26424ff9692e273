"""What happens at every run of the page: style, URL, navigation, the page itself, and errors in words."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import streamlit as st

from winnow.app.components import theme
from winnow.app.components.actions import NEXT_PAGE
from winnow.app.components.html import notice, render
from winnow.app.components.page_frame import draw_sidebar
from winnow.app.components.sidebar import PAGES
from winnow.app.server.signin import require_sign_in
from winnow.app.server.state import server_state
from winnow.app.session import filters, state
from winnow.app.session.scans import again
from winnow.core import WinnowError


def _draw(name: str) -> Callable[[], None]:
    def draw() -> None:
        module = importlib.import_module(f"winnow.app.pages.{'home' if name == 'new' else name}")
        try:
            module.draw()
        except WinnowError as error:
            st.html(notice(str(error), "bad"))

    draw.__name__ = name
    return draw


def _first_page() -> str:
    """Where a dataset opens: without any label or tag on Label, else on Overview."""
    key = state.session().key
    if key is None:
        return "new"
    try:
        info = server_state().workspace(key).info()
    except WinnowError:  # the page itself says what is wrong with the dataset
        return "overview"
    return "overview" if info.n_labelled or info.modality == "pair" or info.results.get("n_tags") else "label"


def run() -> None:
    """Draw the page that the URL names."""
    st.set_page_config(
        page_title="Winnow", page_icon=str(theme.ASSETS / "logo.svg"), layout="wide", initial_sidebar_state="expanded"
    )
    st.html(render("macros", "style", theme.css()))
    if (person := require_sign_in()) is not None:
        state.signed_in(person)
    state.read_url()
    first = _first_page()
    pages = {name: st.Page(_draw(name), title=f"{title} · Winnow", url_path=name) for name, (title, _) in PAGES.items()}
    index = st.Page(_draw(first), title="Winnow", url_path="index", default=True)
    current = st.navigation([index, *pages.values()], position="hidden")
    if (name := st.session_state.pop(NEXT_PAGE, None)) and pages[name] != current:
        st.switch_page(pages[name], query_params=filters.params_of(state.pairs(state.session())))
    if (key := st.session_state.pop("w-rescan", None)) is not None:
        try:
            again(server_state(), key, state.session().actor, state.session().proven)
        except WinnowError as error:
            state.session().notice = str(error)
    draw_sidebar(next((name for name, page in pages.items() if page == current), first))
    current.run()
    state.write_url()
