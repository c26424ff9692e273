"""What a person sees from the first moment: the outline of the page, in Streamlit's own HTML, until the page is drawn.

Streamlit's page is empty until half a megabyte of script has run and the server has answered; on a large dataset that is a
second or two of white. The outline is plain HTML and CSS: each half of it hides when its half of the page is there.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from winnow.app.components.theme import variables

ROOT = b'<div id="root"></div>'
"""Where Streamlit's page puts everything."""
TITLE = b"<title>Streamlit</title>"

_CSS = """
#w-first { color-scheme: light dark; position: fixed; inset: 0; display: flex; pointer-events: none; z-index: 999990;
  animation: w-first-gone 0s 30s forwards; }
#w-first > div { background: var(--w-bg); padding: 22px 24px; display: flex; flex-direction: column; gap: 12px; }
#w-first > .side { width: 248px; background: var(--w-side); border-right: 1px solid var(--w-line); box-sizing: border-box; padding: 22px 12px; }
#w-first > .main { flex: 1; }
#w-first i { display: block; border-radius: 6px; height: 18px; background: var(--w-fill); }
body:has([data-testid="stSidebar"] .w-live > *) #w-first > .side { visibility: hidden; }
body:has(:is([data-testid="stMain"] .w-live > *, [data-testid="stMain"] [data-testid="stAlert"], [data-testid="stException"], [role="dialog"])) #w-first { display: none; }
@keyframes w-first-gone { to { visibility: hidden; } }
@media (max-width: 768px) { #w-first > .side { display: none; } }
@media (scripting: none) { #w-first { display: none; } }
@media print { #w-first { display: none; } }
"""


@cache
def outline() -> bytes:
    """The outline as HTML with its own style: sidebar and page, in the palette of the computer's theme."""
    side = '<i style="width:60%"></i><i style="height:44px"></i>' + '<i style="height:14px;width:80%"></i>' * 10
    main = '<i style="width:min(360px,60%);height:22px"></i><i style="width:min(560px,80%);height:26px"></i><i style="flex:1"></i>'
    return (
        f'<style>{variables()}{_CSS}</style><div id="w-first" aria-hidden="true"><div class="side">{side}</div>'
        f'<div class="main">{main}</div></div>'
    ).encode()


def drawn(page: bytes) -> bytes:
    """Streamlit's page with the outline behind its root; any other page as it is."""
    return page.replace(ROOT, ROOT + outline(), 1).replace(TITLE, b"<title>Winnow</title>", 1) if ROOT in page else page


class SkeletonMiddleware:
    """ASGI middleware that draws the outline into Streamlit's page."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not _wants_a_page(scope):
            await self.app(scope, receive, send)
            return
        # neither packed nor "still the same": the page has to be read here
        left = (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")
        scope = {**scope, "headers": [(k, v) for k, v in scope["headers"] if k.lower() not in left]}
        start: Any = None
        body = b""

        async def draw(message: Any) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_a_page(message):
                start = message
            elif start is None or message["type"] != "http.response.body":
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    page = drawn(body)
                    own = (b"content-length", b"etag", b"last-modified", b"accept-ranges")
                    kept = [(k, v) for k, v in start["headers"] if k.lower() not in own]
                    await send({**start, "headers": [*kept, (b"content-length", str(len(page)).encode())]})
                    await send({"type": "http.response.body", "body": page})

        await self.app(scope, receive, draw)


def _wants_a_page(scope: Any) -> bool:
    return any(k.lower() == b"accept" and b"text/html" in v for k, v in scope["headers"])


def _is_a_page(message: Any) -> bool:
    kinds = {k.lower(): v for k, v in message["headers"]}
    return kinds.get(b"content-type", b"").startswith(b"text/html") and b"content-encoding" not in kinds
