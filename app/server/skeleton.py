"""The skeleton of the page: plain HTML and CSS that the browser shows until Streamlit has drawn the page.

Streamlit's page is empty until half a megabyte of script has run and the server has answered, a second or two on a
large dataset. Each half of the skeleton, sidebar and page, hides as soon as its half of the page is drawn.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from winnow.app.components.html import render
from winnow.app.components.theme import variables

ROOT = b'<div id="root"></div>'
"""The element of Streamlit's page that holds everything."""

TITLE = b"<title>Streamlit</title>"


@cache
def skeleton() -> bytes:
    """The skeleton as HTML with its own style, in the colours of the computer's theme."""
    return render("server", "skeleton", variables()).encode()


def with_skeleton(page: bytes) -> bytes:
    """Streamlit's page with the skeleton after its root; any other page unchanged."""
    if ROOT not in page:
        return page
    return page.replace(ROOT, ROOT + skeleton(), 1).replace(TITLE, b"<title>Winnow</title>", 1)


class SkeletonMiddleware:
    """ASGI middleware that writes the skeleton into Streamlit's page."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http" or scope["method"] != "GET" or not _accepts_html(scope):
            await self.app(scope, receive, send)
            return
        # neither compressed nor "not modified": the page has to be read here
        dropped = (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")
        scope = {**scope, "headers": [(k, v) for k, v in scope["headers"] if k.lower() not in dropped]}
        start: Any = None
        body = b""

        async def draw(message: Any) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_html(message):
                start = message
            elif start is None or message["type"] != "http.response.body":
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    page = with_skeleton(body)
                    stale = (b"content-length", b"etag", b"last-modified", b"accept-ranges")
                    headers = [(k, v) for k, v in start["headers"] if k.lower() not in stale]
                    await send({**start, "headers": [*headers, (b"content-length", str(len(page)).encode())]})
                    await send({"type": "http.response.body", "body": page})

        await self.app(scope, receive, draw)


def _accepts_html(scope: Any) -> bool:
    return any(k.lower() == b"accept" and b"text/html" in v for k, v in scope["headers"])


def _is_html(message: Any) -> bool:
    headers = {k.lower(): v for k, v in message["headers"]}
    return headers.get(b"content-type", b"").startswith(b"text/html") and b"content-encoding" not in headers
