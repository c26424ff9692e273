"""Who may call the routes beside Streamlit: bearer tokens, signed media links, checks of Host and Origin.

A Streamlit session issues a **token** when it draws a page: workspace, actor and expiry under an HMAC with the
server's secret. Media links carry a **signature** of their own, because ``<img>`` cannot send a header. Neither holds
a path: the workspace is named by a key that the server looks up, the sample by its id.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Host names and addresses that only this computer reaches."""

TOKEN_SECONDS = 12 * 3600
"""Life of a token in seconds, a working day. An answer to a request past half of it carries a new token."""

RENEW_SECONDS = 7 * 24 * 3600
"""Seconds for which tokens are renewed. Then the page has to be loaded again, which checks who is there."""

LINK_SECONDS = 6 * 3600
"""Media links expire at multiples of this many seconds, so that the same link is issued, and cached, again."""


class Refused(Exception):
    """A refused request.

    Parameters
    ----------
    status
        HTTP status.
    message
        One sentence for the person.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Claims:
    """The content of a valid token.

    Attributes
    ----------
    workspace
        Key of the workspace.
    actor
        Who decides.
    expires
        Unix time in seconds.
    proven
        Whether the actor signed in by that name, or only typed it.
    first
        Unix time at which the first token of this chain of renewals was issued.
    source
        Key of the server's token whose pass it was minted under; "" = the server asked for none.
    """

    workspace: str
    actor: str
    expires: int
    proven: bool = False
    first: int = 0
    source: str = ""

    def stale(self, now: float | None = None) -> bool:
        """Whether more than half of the token's life is over and it may still be renewed."""
        now = now if now is not None else time.time()
        return self.expires - now < TOKEN_SECONDS / 2 and now - self.first < RENEW_SECONDS


def encode(raw: bytes) -> str:
    """URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Invert :func:`encode`. Raises ValueError for anything else."""
    try:
        return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError(f"not base64url: {text!r}") from error


def encode_id(sample_id: str) -> str:
    """A sample id as one URL path segment. Ids may hold slashes, quotes and characters of any language."""
    return encode(sample_id.encode("utf-8", "surrogatepass"))


def decode_id(segment: str) -> str:
    """The sample id of a path segment. Raises ValueError."""
    return decode(segment).decode("utf-8", "surrogatepass")


def _mac(secret: bytes, purpose: str, *parts: str) -> str:
    message = json.dumps([purpose, *parts], ensure_ascii=True, separators=(",", ":")).encode()
    return encode(hmac.new(secret, message, hashlib.sha256).digest())


def mint_token(
    secret: bytes,
    workspace: str,
    actor: str,
    now: float | None = None,
    *,
    proven: bool = False,
    first: int | None = None,
    source: str = "",
) -> str:
    """Issue a bearer token for one workspace and one person. ``proven``, ``first``, ``source``: see :class:`Claims`."""
    at = int(now if now is not None else time.time())
    claims = {
        "w": workspace,
        "a": actor,
        "e": at + TOKEN_SECONDS,
        "p": proven,
        "f": at if first is None else first,
        "k": source,
    }
    body = encode(json.dumps(claims, separators=(",", ":")).encode())
    return f"{body}.{_mac(secret, 'token', body)}"


def read_token(secret: bytes, header: str | None, workspace: str, now: float | None = None) -> Claims:
    """Check an ``Authorization`` header for one workspace. Raises :class:`Refused`."""
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Refused(401, "This request carries no token. Reload the page.")
    body, _, mac = token.strip().partition(".")
    if not hmac.compare_digest(mac.encode(), _mac(secret, "token", body).encode()):
        raise Refused(401, "This page's token is not valid on this server. Reload the page.")
    claims = json.loads(decode(body))
    if claims["e"] < (now if now is not None else time.time()):
        raise Refused(401, "This page's token has expired. Reload the page.")
    if claims["w"] != workspace:
        raise Refused(403, "This page's token is for another workspace. Reload the page.")
    proven, first, source = claims.get("p") is True, int(claims.get("f", 0)), str(claims.get("k", ""))
    return Claims(claims["w"], claims["a"], claims["e"], proven, first, source)


def sign_link(secret: bytes, kind: str, workspace: str, segment: str, version: str, now: float | None = None) -> str:
    """Sign a link (``kind``: "thumb", "image" or "export"): its query string, the same for hours: caches work."""
    instant = now if now is not None else time.time()
    expires = str((int(instant) // LINK_SECONDS + 2) * LINK_SECONDS)
    return f"e={expires}&v={version}&s={_mac(secret, kind, workspace, segment, version, expires)}"


def check_link(
    secret: bytes,
    kind: str,
    workspace: str,
    segment: str,
    version: str,
    expires: str,
    signature: str,
    now: float | None = None,
) -> int:
    """Check a signed link. Returns the seconds for which it is still valid. Raises :class:`Refused`."""
    expected = _mac(secret, kind, workspace, segment, version, expires)
    if not hmac.compare_digest(signature.encode(), expected.encode()):
        raise Refused(403, "This link is not signed by this server. Reload the page.")
    left = int(expires) - int(now if now is not None else time.time())
    if left <= 0:
        raise Refused(403, "This link has expired. Reload the page.")
    return left


def _name(authority: str) -> str:
    """The host of ``host[:port]``, in lower case, without brackets."""
    return (urlsplit(f"//{authority}").hostname or "").lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def check_host(host: str | None, allowed: Iterable[str], any_address: bool) -> None:
    """Refuse a Host header that does not name this server (DNS rebinding).

    Parameters
    ----------
    host
        The header; None where there is none.
    allowed
        Host names in lower case.
    any_address
        Whether the server listens on every interface, so that any literal IP address is one of its own.

    Raises
    ------
    Refused
        The header names another host.
    """
    name = _name(host or "")
    if name in set(allowed) or (any_address and _is_address(name)):
        return
    raise Refused(
        421,
        f"This server does not answer to {name or 'an empty host name'!r}. "
        "Use its own address, or start it with WINNOW_ALLOWED_HOSTS naming this host.",
    )


class HostMiddleware:
    """ASGI middleware that checks Host and Origin of every request and WebSocket, Streamlit's own included.

    A page of another site can point its own name at 127.0.0.1 (DNS rebinding). Origin and Host then agree, and only the
    name shows that the request came from elsewhere.

    Parameters
    ----------
    app
        The ASGI application behind it.
    allowed
        Returns the host names of this server, and whether it answers to any literal address.
    """

    def __init__(self, app: Any, allowed: Callable[[], tuple[Iterable[str], bool]]) -> None:
        self.app, self.allowed = app, allowed

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle one ASGI connection."""
        if scope["type"] in ("http", "websocket"):
            host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), None)
            try:
                check_host(host, *self.allowed())
                if scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD", "OPTIONS"):
                    origin = next((v.decode("latin-1") for name, v in scope["headers"] if name == b"origin"), None)
                    check_origin(host, origin, None, required=False)
            except Refused as error:
                if scope["type"] == "websocket":
                    await send({"type": "websocket.close", "code": 4403})
                    return
                body = json.dumps({"error": str(error)}).encode()
                headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
                await send({"type": "http.response.start", "status": error.status, "headers": headers})
                await send({"type": "http.response.body", "body": body})
                return
        await self.app(scope, receive, send)


def check_origin(host: str | None, origin: str | None, fetch_site: str | None, required: bool) -> None:
    """Refuse requests from pages of other sites. ``required``: the request writes, so it must name its origin."""
    if fetch_site in ("cross-site", "same-site"):
        raise Refused(403, "Requests from other sites are refused.")
    if origin is None:
        if required:
            raise Refused(403, "A request that changes something must name its origin.")
        return
    if urlsplit(origin).netloc.lower() != (host or "").lower():
        raise Refused(403, "Requests from other sites are refused.")
