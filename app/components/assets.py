"""The JavaScript and CSS of ``app/frontend``, and plotly.js, as cached files beside Streamlit.

The browser loads each surface as a plain ES module from ``/api/assets/{digest}/{path}``. The digest covers every
file of this folder and the version of plotly, so the answers may be kept for ever and a new release is never
served from an old cache. Only files that were listed at start-up can be asked for; nothing here is secret.
"""

from __future__ import annotations

import gzip
import hashlib
from functools import lru_cache
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

FRONTEND = Path(__file__).resolve().parents[1] / "frontend"
PLOTLY = "vendor/plotly-strict.min.js"
"""plotly.js without ``new Function``, so that the page needs no ``'unsafe-eval'``; kept packed, it is large."""
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
FOREVER = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}


@lru_cache(maxsize=1)
def files() -> dict[str, Path]:
    """Every servable file by its public path, for example ``review/review.js``."""
    own = {p.relative_to(FRONTEND).as_posix(): p for p in sorted(FRONTEND.rglob("*")) if p.suffix in TYPES}
    return own | {PLOTLY: FRONTEND / f"{PLOTLY}.gz"}


@lru_cache(maxsize=1)
def digest() -> str:
    """Twelve hexadecimal digits over the names and contents of all files."""
    h = hashlib.blake2b(digest_size=6)
    for name, path in files().items():
        h.update(name.encode() + b"\0")
        h.update(path.read_bytes())
    return h.hexdigest()


@lru_cache(maxsize=32)
def _packed(name: str) -> tuple[bytes, bytes]:
    """(content, gzipped content) of a file."""
    content = files()[name].read_bytes()
    if files()[name].suffix == ".gz":
        return gzip.decompress(content), content
    return content, gzip.compress(content, 6, mtime=0)


def text(name: str) -> str:
    """A file's text, for CSS that Streamlit puts into the component's shadow root."""
    return files()[name].read_text(encoding="utf-8")


def asset_path(name: str) -> str:
    """The path of a file relative to the root of the app: ``api/assets/{digest}/{name}``."""
    if name not in files():
        raise KeyError(f"No asset {name!r}; there are {', '.join(files())}.")
    return f"api/assets/{digest()}/{name}"


async def _serve(request: Request) -> Response:
    """A script or style of the app, by the digest of all of them."""
    name = request.path_params["name"]
    if name not in files():
        return PlainTextResponse("No such file.", status_code=404)
    content, packed = await run_in_threadpool(_packed, name)
    headers = dict(FOREVER) if request.path_params["digest"] == digest() else {"Cache-Control": "no-cache"}
    headers["Vary"] = "Accept-Encoding"
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        content = packed
    return Response(content, headers=headers, media_type=TYPES[Path(name).suffix])


def asset_routes() -> list[Route]:
    """The route that the app mounts beside Streamlit."""
    return [Route("/api/assets/{digest}/{name:path}", _serve, methods=["GET"])]
