"""The app: one Streamlit script, and the routes beside it.

``streamlit run app/main.py`` and ``winnow app`` start it.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from winnow.app.server.error_page import on_script_error
from winnow.app.server.routes import build_routes
from winnow.app.server.security import HostMiddleware
from winnow.app.server.security_headers import SecurityHeadersMiddleware
from winnow.app.server.signin import SignInMiddleware
from winnow.app.server.skeleton import SkeletonMiddleware
from winnow.app.server.state import server_state
from winnow.app.server.token_auth import TokenMiddleware
from winnow.core import WinnowError

LOG = logging.getLogger("winnow.app")


def prefix() -> str:
    """The path under which the app is served: "" or "/prefix"."""
    path = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""


def _warm_up() -> None:
    """Load the first page and the first dataset before the browser asks for them.

    Other pages load when they are opened, so that what only they need (scipy, faiss) does not delay the first picture.
    """
    try:
        importlib.import_module("winnow.app.pages.router")
        if first := server_state().first:
            workspace = server_state().workspace(first)
            workspace.counts()  # shown on every page; the first call reads labels and ids
            if workspace.info().has_map:
                workspace.points()  # the sidebar names the clusters
        importlib.import_module(f"winnow.app.pages.{'overview' if first else 'home'}")
    except WinnowError as error:  # the page shows it
        LOG.info("Nothing to warm up: %s", error)


@asynccontextmanager
async def _lifespan(_: st.App) -> AsyncIterator[None]:
    task = asyncio.get_running_loop().run_in_executor(None, _warm_up)
    yield
    task.cancel()


app = st.App(
    # in pages/, not beside it: Streamlit takes a folder "pages" next to its script for pages of its own
    Path(__file__).parent / "pages" / "script.py",
    routes=build_routes(),
    middleware=[
        Middleware(SecurityHeadersMiddleware),
        Middleware(HostMiddleware, allowed=lambda: (server_state().hosts, server_state().any_address)),
        Middleware(TokenMiddleware, authenticator=lambda: server_state().authenticator, prefix=prefix),
        Middleware(SignInMiddleware, prefix=prefix),
        Middleware(SkeletonMiddleware),
    ],
    on_script_error=on_script_error,
    lifespan=_lifespan,
)
"""The ASGI application. The name and the single statement matter: ``streamlit run`` looks for them in the source."""
