"""Who the person in front of the browser is.

Where sign-in is configured (Streamlit's ``[auth]`` secrets), nobody sees data before signing in, and decisions carry
the person's address. A server with tokens (:mod:`winnow.app.server.token_auth`) shows no page without one, and a
personal token proves a name. Otherwise people type their name; the browser remembers it, so that a reload does not
change it.
"""

from __future__ import annotations

from collections.abc import Callable
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


IDENTITY = b"_streamlit_user="
"""How the cookie begins in which Streamlit keeps who signed in."""

REFUSED = "refused"
"""Value of the parameter ``signin`` of the address to which a refused sign-in leads."""


class SignInMiddleware:
    """ASGI middleware that says in the address of the page that a sign-in was refused.

    Streamlit checks what the provider sends (state, nonce, signature, issuer, audience, expiry) and leads back to the
    page in any case, without a word where it refused.

    Parameters
    ----------
    app
        The ASGI application behind it.
    prefix
        Returns the path under which the app is served, without a slash at its end.
    """

    def __init__(self, app: Any, prefix: Callable[[], str] = lambda: "") -> None:
        self.app, self.prefix = app, prefix

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http" or scope["path"] != f"{self.prefix()}/oauth2callback":
            await self.app(scope, receive, send)
            return

        async def say(message: Any) -> None:
            if message["type"] == "http.response.start" and message["status"] == 302:
                kept = [v for k, v in message["headers"] if k.lower() == b"set-cookie" and v.startswith(IDENTITY)]
                if not any(v.removeprefix(IDENTITY).partition(b";")[0].strip(b'" ') for v in kept):
                    headers = [(k, v) for k, v in message["headers"] if k.lower() != b"location"]
                    to = f"{self.prefix()}/?signin={REFUSED}".encode()
                    message = {**message, "headers": [*headers, (b"location", to)]}
            await send(message)

        await self.app(scope, receive, say)


def signed_in_person() -> str | None:
    """Who is signed in, by their address, else by the provider's own name of them (``sub``).

    Returns
    -------
    str or None
        None where sign-in is not configured.

    Raises
    ------
    PermissionError
        Nobody is signed in, or by an address that the provider has not verified.
    """
    user: Any = st.user
    signed_in = getattr(user, "is_logged_in", None)
    if signed_in is None:
        return None
    if not signed_in:
        if st.query_params.get("signin") == REFUSED:
            raise PermissionError(
                "The sign-in was not accepted: it took too long, was used before, or is not by your provider. "
                "Sign in again; the server's log says more."
            )
        raise PermissionError("Decisions are kept with the name of who made them.")
    email = getattr(user, "email", None)
    if email and str(getattr(user, "email_verified", True)).lower() == "false":
        raise PermissionError(
            f"Your provider has not verified the address {email}, so it does not prove who you are. Verify it there, "
            "then sign in again."
        )
    if person := email or getattr(user, "sub", None):
        return str(person)
    raise PermissionError("Your provider gave neither an address nor a name of its own (sub) for you.")


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
    except PermissionError as error:
        live(empty("Sign in to see this data", str(error), glyph="lock"), "w-gate")
        st.button("Sign in", type="primary", on_click=st.login)
        st.stop()
