"""What a page shows when its script fails. Imports nothing that uses a Streamlit cache: that warns outside a page."""

from __future__ import annotations

import logging

import streamlit as st

from winnow.app.components.html import notice
from winnow.core import WinnowError

LOG = logging.getLogger("winnow.app")


def on_script_error(error: Exception) -> bool:
    """Show a sentence in the page, and write the trace to the server's log."""
    LOG.error("A page failed", exc_info=error)
    if isinstance(error, WinnowError):
        st.html(notice(str(error), "bad"))
    else:
        st.html(
            notice(
                "This page ran into a problem of Winnow's own. Decisions made so far are safe in the log on disk. "
                "Reload the page; if it happens again, the server's log says what went wrong.",
                "bad",
            )
        )
    return True
