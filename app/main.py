"""The app: one Streamlit script and the routes beside it. ``streamlit run app/main.py`` and ``winnow app`` start it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from winnow.app.faults import on_script_error
from winnow.app.hub import hub
from winnow.app.routes import build_routes
from winnow.app.security import HostGuard

app = st.App(
    Path(__file__).with_name("page.py"),
    routes=build_routes(),
    middleware=[Middleware(HostGuard, allowed=lambda: (hub().hosts, hub().any_address))],
    on_script_error=on_script_error,
)
"""The ASGI application, by this name and in one statement: ``streamlit run`` looks for it in the source."""
