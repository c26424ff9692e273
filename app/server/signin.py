"""Who the person in front of the browser is.

Where sign-in is configured (Streamlit's ``[auth]`` secrets), nobody sees data before signing in, and decisions carry
the person's address. A server with tokens (:mod:`winnow.app.server.token_auth`) shows no page without one, and a
personal token proves a name. Otherwise people type their name; the browser remembers it, so that a reload does not
change it.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote

import streamlit as st
from streamlit.auth_util import get_secrets_auth_section

from winnow.app.components.html import empty
from winnow.app.components.html_component import live
from winnow.app.server.state import server_state
from winnow.app.server.token_auth import SessionPass

COOKIE = "winnow_name"
_SEPARATOR = "|"
MAX_NAME = 80


def remember(default: str, name: str) -> str:
    """The cookie that keeps a chosen name in this browser.

    It holds only while the server's default name stays the same: a server started with another ``--actor`` means that
    one.
    """
    return (
        f"{COOKIE}={quote(default, safe='')}{_SEPARATOR}{quote(name, safe='')}; path=/; max-age=31536000; samesite=lax"
    )


def remembered(default: str) -> str | None:
    """The name that was chosen in this browser before; None where none was, or the server's default has changed."""
    cookie = st.context.cookies.get(COOKIE, "")
    previous, _, name = str(cookie).partition(_SEPARATOR)
    name = unquote(name).strip()[:MAX_NAME]
    return name if name and unquote(previous) == default else None


def signed_in_person() -> str | None:
    """Who is signed in; None where sign-in is not configured. Raises PermissionError where nobody is signed in."""
    user: Any = st.user
    signed_in = getattr(user, "is_logged_in", None)
    if signed_in is None:
        return None
    if not signed_in:
        raise PermissionError("Nobody is signed in.")
    return str(getattr(user, "email", None) or getattr(user, "name", None) or "signed in")


def _session_pass() -> SessionPass | None:
    """The pass of this browser; None where no token is needed."""
    authenticator = server_state().authenticator
    if authenticator is None:
        return None
    cookies = "; ".join(f"{name}={value}" for name, value in st.context.cookies.items() if name == authenticator.cookie)
    session_pass = authenticator.read(cookies)
    if session_pass is None:  # the middleware lets no connection through without one; its token was withdrawn since
        raise PermissionError("This connection has no pass.")
    return session_pass


def token_owner() -> str | None:
    """The owner of the token that this browser gave; None for the shared one, and where no token is needed."""
    session_pass = _session_pass()
    return session_pass.name or None if session_pass is not None else None


def token_source() -> str:
    """Key of the token that this browser gave, "" where none is needed: the page's bearers end with it."""
    session_pass = _session_pass()
    return session_pass.key if session_pass is not None else ""


def configured() -> bool:
    """Whether sign-in is configured: the ``[auth]`` section of Streamlit's secrets."""
    return bool(get_secrets_auth_section())


def paths_from_browser() -> bool:
    """Whether a browser may name files of this computer: nobody else's reaches it, and nobody is asked who they are."""
    state = server_state()
    return not (state.shared or state.authenticator is not None or configured())


def require_sign_in() -> str | None:
    """Return the proven name of the person, if any. Where sign-in is needed, show its button and stop the page."""
    try:
        return signed_in_person() or token_owner()
    except PermissionError:
        live(
            empty("Sign in to see this data", "Decisions are kept with the name of who made them.", glyph="lock"),
            "w-gate",
        )
        st.button("Sign in", type="primary", on_click=st.login)
        st.stop()
