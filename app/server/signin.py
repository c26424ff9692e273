"""Sign-in, where it is configured (Streamlit's ``[auth]`` secrets): nobody sees data before, and decisions carry the
person's address. A server with a token (:mod:`winnow.app.server.token_auth`) lets nobody reach this page without it, and a token of
one's own says who comes. Otherwise the name is what people say; the browser remembers it, so that a reload does not decide
under another name.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote

import streamlit as st
from streamlit.auth_util import get_secrets_auth_section

from winnow.app.components.html import empty
from winnow.app.components.html_component import live
from winnow.app.server.state import server_state

COOKIE = "winnow_name"
_APART = "|"
MAX_NAME = 80


def remember(default: str, name: str) -> str:
    """The cookie that keeps a chosen name in this browser, as long as the server's own default stays the same: who starts
    it with another ``--actor`` means that one.
    """
    return f"{COOKIE}={quote(default, safe='')}{_APART}{quote(name, safe='')}; path=/; max-age=31536000; samesite=lax"


def remembered(default: str) -> str | None:
    """The name that was chosen in this browser before; None where none was, or the server's default is another now."""
    found = st.context.cookies.get(COOKIE, "")
    was, _, name = str(found).partition(_APART)
    name = unquote(name).strip()[:MAX_NAME]
    return name if name and unquote(was) == default else None


def person() -> str | None:
    """Who is signed in; None where sign-in is not configured. Raises PermissionError when nobody is signed in."""
    user: Any = st.user
    signed_in = getattr(user, "is_logged_in", None)
    if signed_in is None:
        return None
    if not signed_in:
        raise PermissionError("Nobody is signed in.")
    return str(getattr(user, "email", None) or getattr(user, "name", None) or "signed in")


def by_token() -> str | None:
    """Whose token opened the door to this browser; None for the shared one, and where there is no door."""
    authenticator = server_state().authenticator
    if authenticator is None:
        return None
    cookies = "; ".join(f"{name}={value}" for name, value in st.context.cookies.items() if name == authenticator.cookie)
    found = authenticator.read(cookies)
    if found is None:  # cannot be: the gate lets no connection through without one
        raise PermissionError("This connection has no pass.")
    return found.name or None


def configured() -> bool:
    """Whether sign-in is configured: the ``[auth]`` section of Streamlit's secrets."""
    return bool(get_secrets_auth_section())


def gate() -> str | None:
    """Let signed-in people pass, and show the others the way in. Returns who is there, if that is proven."""
    try:
        return person() or by_token()
    except PermissionError:
        live(
            empty("Sign in to see this data", "Decisions are kept with the name of who made them.", glyph="lock"),
            "w-gate",
        )
        st.button("Sign in", type="primary", on_click=st.login)
        st.stop()
