"""Pictures by signed, expiring links: GET /api/thumb and /api/image.

A link never holds a path, and no type that can run scripts is served.
"""

from __future__ import annotations

import logging
from functools import cache

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from winnow.app.api.endpoint import NOT_SAVED, guard_headers, problem
from winnow.app.components.theme import ASSETS
from winnow.app.server.security import Refused, check_link, decode_id
from winnow.app.server.state import server_state
from winnow.core import WinnowError

LOG = logging.getLogger("winnow.app")

PICTURES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/avif"})
"""Media types that are served. Anything else (SVG and HTML can run scripts) is replaced by the "no picture" image."""

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Disposition": "inline",
}


_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
)


def sniff(data: bytes) -> str:
    """The media type of a picture by its first bytes; "application/octet-stream" for anything else."""
    for magic, media_type in _MAGIC:
        if data.startswith(magic):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return "image/avif" if data[4:12] in (b"ftypavif", b"ftypavis") else "application/octet-stream"


@cache
def _no_picture() -> bytes:
    """The image for a sample that cannot be shown."""
    return (ASSETS / "no_picture.png").read_bytes()


async def _picture(request: Request, kind: str) -> Response:
    server = server_state()
    key, segment = request.path_params["ws"], request.path_params["id"]
    query = request.query_params
    version = query.get("v", "")
    try:
        guard_headers(server, request, writes=False)
        left = check_link(server.secret, kind, key, segment, version, query.get("e", ""), query.get("s", ""))
        tag = f'"{kind}-{segment[-24:]}-{version}"'
        cache = {"Cache-Control": f"private, max-age={left}, immutable", "ETag": tag, **HEADERS}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=cache)
        sample = decode_id(segment)

        def read() -> tuple[bytes, str]:
            workspace = server.workspace(key)
            if kind == "thumb":
                data, media_type = workspace.thumbnail(sample) or (b"", "")
            else:
                data = workspace.image(sample)
                media_type = sniff(data)
            return (data, media_type) if media_type in PICTURES else (_no_picture(), "image/png")

        data, media_type = await run_in_threadpool(read)
    except Refused as error:
        return problem(error.status, str(error))
    except WinnowError as error:
        return problem(404, str(error))
    except Exception:  # the browser gets a sentence, never a stack trace; the log gets the trace
        LOG.exception("A picture could not be served")
        return problem(500, NOT_SAVED)
    return Response(data, media_type=media_type, headers=cache)


async def thumb(request: Request) -> Response:
    """The thumbnail of a sample."""
    return await _picture(request, "thumb")


async def image(request: Request) -> Response:
    """The original picture of a sample."""
    return await _picture(request, "image")
