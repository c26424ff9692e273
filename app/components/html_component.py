"""HTML drawn by the server, with parts that answer to clicks: one small component for every dense panel.

``live(html, key, handler)`` mounts the HTML; elements with ``data-go='{"do": …}'`` send that JSON to ``handler`` before
the next run of the page. The HTML comes from templates (:mod:`winnow.app.components.html`), which escape all data.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

Handler = Callable[[dict[str, Any]], None]

_JS = (Path(__file__).resolve().parents[1] / "frontend" / "live.js").read_text(encoding="utf-8")
_live = st.components.v2.component("winnow.live", js=_JS, isolate_styles=False)


def live(html: str, key: str, handler: Handler | None = None, **more: Any) -> None:
    """Mount HTML whose ``data-go`` parts call ``handler`` with their value.

    Parameters
    ----------
    html
        What a template drew.
    key
        The element's key; it stays mounted as long as the key does.
    handler
        Called with the value of a part that was clicked or changed.
    more
        ``watch`` ({url, token, since, actor, classes}) shows in the part ``[data-others]`` what other people decide
        meanwhile; ``cookie`` is kept by the browser; ``viewer`` ({module, api, ws, token, verdicts}) opens the picture
        viewer from parts with ``data-view="sample id"``.
    """

    def on_go() -> None:
        value = (st.session_state.get(key) or {}).get("go")
        if handler is not None and isinstance(value, dict):
            handler(value)

    _live(key=key, data={"html": html, **more}, on_go_change=on_go)
