"""Token authentication for a server that other computers can reach: a shared token, or one for each person.

A valid token is exchanged for a **session pass**: a cookie that scripts cannot read, signed by the server and bound
to that token, so that a server started with another token does not accept it. Without a pass nothing behind
:class:`TokenMiddleware` answers: no page, no WebSocket, no picture, no route. A token may be given in a link
(``/?token=…``); it is removed from the address at once.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode

from winnow.app.components import theme
from winnow.app.components.html import render
from winnow.app.server.security import Refused, check_origin, decode, encode
from winnow.core import WinnowError

MIN_LENGTH = 16
"""Least number of characters of a token; ``auto`` makes one of 256 bits."""

PASS_SECONDS = 7 * 24 * 3600
TRIES, ALL_TRIES, WINDOW = 8, 60, 60.0
"""Wrong tokens from one address, and from all together, within a window of seconds, after which none is compared."""

MAX_FORM = 4096
"""Bytes of the form that carries a token."""

OPEN_PATHS = ("/api/health", "/_stcore/health")
"""Paths that answer without a pass: whether the server is alive, nothing about any dataset."""


def parse_tokens(given: Iterable[str]) -> dict[str, str]:
    """Read the tokens that the server was started with.

    Parameters
    ----------
    given
        Each ``TOKEN``, ``auto``, ``NAME=TOKEN`` or ``NAME=auto``.

    Returns
    -------
    dict
        Token → name of its owner, "" for the shared token.

    Raises
    ------
    WinnowError
        A token is too short, holds a space, or is given twice.
    """
    tokens: dict[str, str] = {}
    for item in given:
        name, equals, token = item.partition("=")
        name, token = (name.strip(), token.strip()) if equals else ("", item.strip())
        token = secrets.token_urlsafe(32) if token == "auto" else token
        if len(token) < MIN_LENGTH or not token.isprintable() or " " in token:
            raise WinnowError(
                f"A token has at least {MIN_LENGTH} characters and no space; this one has {len(token)}. "
                "`--token auto` makes one."
            )
        if token in tokens:
            raise WinnowError("The same token is given twice. Each person needs one of their own.")
        tokens[token] = name
    return tokens


@dataclass(frozen=True)
class SessionPass:
    """The content of a pass.

    Attributes
    ----------
    name
        Owner of the token; "" = the shared token, whose users say who they are.
    expires
        Unix time in seconds.
    key
        Which token it was issued for; does not tell the token.
    """

    name: str
    expires: int
    key: str


@dataclass
class TokenAuthenticator:
    """Compares tokens, counts wrong ones, and issues passes.

    Attributes
    ----------
    secret
        The server's secret, which signs the passes.
    tokens
        Token → name of its owner, "" for the shared token.
    """

    secret: bytes
    tokens: Mapping[str, str]
    _wrong: dict[str, deque[float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def _mac(self, *parts: str) -> str:
        return encode(hmac.new(self.secret, json.dumps(["pass", *parts]).encode(), hashlib.sha256).digest())

    @property
    def cookie(self) -> str:
        """The cookie's name. It depends on the tokens, so that two servers on one computer do not share a cookie."""
        return "winnow_pass_" + self._mac("name", *sorted(self.tokens))[:10].replace("-", "a").replace("_", "b")

    def key(self, token: str) -> str:
        """Which token something was issued for, as it is told to browsers."""
        return self._mac("key", token)

    def knows(self, key: str) -> bool:
        """Whether this key is of a token that the server has now."""
        return any(hmac.compare_digest(key.encode(), self.key(t).encode()) for t in self.tokens)

    def _throttled(self, address: str, now: float) -> bool:
        for key, most in ((address, TRIES), ("", ALL_TRIES)):
            times = self._wrong.get(key, deque())
            while times and now - times[0] > WINDOW:
                times.popleft()
            if len(times) >= most:
                return True
            if not times:
                self._wrong.pop(key, None)
        return False

    def enter(self, token: str, address: str, now: float | None = None) -> str:
        """Exchange a token for a pass.

        Parameters
        ----------
        token
            As the person gave it.
        address
            Of the client; wrong tokens are counted by it.
        now
            Unix time in seconds (default: the clock).

        Returns
        -------
        str
            The value of the cookie.

        Raises
        ------
        Refused
            With status 401 for a wrong token, 429 after too many of them.
        """
        now = time.time() if now is None else now
        with self._lock:
            if self._throttled(address, now):
                raise Refused(429, "Too many wrong tokens were tried. Wait a minute, then try again.")
        given = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        name, matching = None, ""
        for known, owner in self.tokens.items():  # all are compared: the time must not tell which one matched
            if hmac.compare_digest(given, hashlib.sha256(known.encode()).digest()):
                name, matching = owner, known
        if name is None:
            with self._lock:
                for key in (address, ""):
                    self._wrong.setdefault(key, deque()).append(now)
            raise Refused(401, "This is not the token of this server. Ask whoever started it.")
        body = encode(json.dumps({"n": name, "e": int(now) + PASS_SECONDS, "k": self.key(matching)}).encode())
        return f"{body}.{self._mac('cookie', body)}"

    def read(self, cookies: str | None, now: float | None = None) -> SessionPass | None:
        """The valid pass in a Cookie header, or None."""
        try:
            morsel = SimpleCookie(cookies or "").get(self.cookie)
        except CookieError:
            return None
        body, _, mac = (morsel.value if morsel else "").partition(".")
        if not body or not hmac.compare_digest(mac.encode(), self._mac("cookie", body).encode()):
            return None
        content = json.loads(decode(body))
        if content["e"] < (time.time() if now is None else now):
            return None
        if not self.knows(content["k"]):
            return None
        return SessionPass(content["n"], content["e"], content["k"])


def _page(action: str, to: str, error: str = "") -> tuple[bytes, str]:
    """The page that asks for the token, and its Content-Security-Policy."""
    nonce = secrets.token_urlsafe(12)
    logo = (theme.ASSETS / "logo.svg").read_text(encoding="utf-8")
    html = render("server", "token_page", nonce, theme.variables(), logo, action, to, error)
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return html.encode(), policy


def _header(scope: Any, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


def _local(to: str) -> str:
    """A path of this server: ``to``, or "/" where that could lead to another site."""
    return to if to.startswith("/") and to[1:2] not in ("/", "\\") and to.isprintable() and "\\" not in to else "/"


class TokenMiddleware:
    """ASGI middleware that answers nothing without a session pass, but for :data:`OPEN_PATHS`.

    Parameters
    ----------
    app
        The ASGI application behind it.
    authenticator
        Returns the server's authenticator, None where no token is needed.
    prefix
        Returns the path under which the app is served, without a slash at its end.
    """

    def __init__(
        self, app: Any, authenticator: Callable[[], TokenAuthenticator | None], prefix: Callable[[], str] = lambda: ""
    ) -> None:
        self.app, self.authenticator, self.prefix = app, authenticator, prefix

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle one ASGI connection."""
        authenticator = self.authenticator() if scope["type"] in ("http", "websocket") else None
        path = scope.get("path", "").removeprefix(self.prefix())
        if (
            authenticator is None
            or path in OPEN_PATHS
            or (path != "/enter" and authenticator.read(_header(scope, b"cookie")) is not None)
        ):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 4401})
        else:
            await self._ask(authenticator, scope, path, receive, send)

    async def _ask(self, authenticator: TokenAuthenticator, scope: Any, path: str, receive: Any, send: Any) -> None:
        query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        rest = urlencode([(k, v) for k, v in query if k != "token"])
        to, token = _local(path + (f"?{rest}" if rest else "")), dict(query).get("token")
        try:
            if path == "/enter":
                to = "/"
                form = await self._form(scope, receive)
                to, token = _local(form.get("next", "/")), form.get("token", "").strip()
            elif scope["method"] != "GET" or path.startswith(("/api/", "/_stcore/")):
                raise Refused(401, "This server asks for a token first. Reload the page.")
            if token is not None:
                issued = authenticator.enter(token, str((scope.get("client") or ("",))[0]))
                cookie = f"{authenticator.cookie}={issued}; Path={self.prefix() or '/'}; Max-Age={PASS_SECONDS}"
                cookie += "; HttpOnly; SameSite=Lax" + ("; Secure" if scope.get("scheme") == "https" else "")
                headers = [
                    (b"location", (self.prefix() + to).encode("latin-1", "replace")),
                    (b"set-cookie", cookie.encode()),
                ]
                await _answer(send, 303, b"", headers)
                return
            body, policy = _page(self.prefix() + "/enter", to)
            await _answer(send, 401, body, [(b"content-security-policy", policy.encode())])
        except Refused as error:
            if path.startswith(("/api/", "/_stcore/")):
                body = json.dumps({"error": str(error)}).encode()
                await _answer(send, error.status, body, [], b"application/json")
                return
            body, policy = _page(self.prefix() + "/enter", to, str(error))
            more = [(b"retry-after", b"60")] if error.status == 429 else []
            await _answer(send, error.status, body, [(b"content-security-policy", policy.encode()), *more])

    async def _form(self, scope: Any, receive: Any) -> dict[str, str]:
        if scope["method"] != "POST":
            return {"token": ""}
        check_origin(
            _header(scope, b"host"), _header(scope, b"origin"), _header(scope, b"sec-fetch-site"), required=True
        )
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                raise Refused(400, "The form did not arrive whole. Send it again.")
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > MAX_FORM:
                raise Refused(413, "This form is too large.")
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


async def _answer(
    send: Any, status: int, body: bytes, headers: list[tuple[bytes, bytes]], kind: bytes = b"text/html; charset=utf-8"
) -> None:
    plain = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": [*plain, *headers]})
    await send({"type": "http.response.body", "body": body})
