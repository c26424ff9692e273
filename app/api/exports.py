"""GET /api/export: what a person exported on a server, sent while it is read, by a signed, expiring link.

A browser follows a link without a bearer token. So the link says who got it; whether the server's token behind it still
holds, and whether this person may export, is checked again when it is followed.
"""

from __future__ import annotations

import json
import logging
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from winnow.app.api.endpoint import NOT_SAVED, guard_headers, problem, status_of
from winnow.app.server.security import Refused, check_link, decode, decode_id, encode, encode_id, sign_link
from winnow.app.server.state import ServerState, server_state
from winnow.core import Download, WinnowError

LOG = logging.getLogger("winnow.app")


def export_link(server: ServerState, key: str, name: str, actor: str, proven: bool, source: str) -> str:
    """The link to an export, for one person.

    Parameters
    ----------
    server, key
        The server, and the key of the workspace.
    name
        Of the file or folder among the exports of the workspace.
    actor, proven, source
        See :class:`winnow.app.server.security.Claims`.
    """
    segment, person = encode_id(name), encode(json.dumps([actor, proven, source]).encode())
    return f"./api/export/{key}/{segment}?{sign_link(server.secret, 'export', key, segment, person)}"


async def export(request: Request) -> Response:
    """Download an export: a file as it is, a folder as a ZIP archive."""
    server = server_state()
    key, segment = request.path_params["ws"], request.path_params["id"]
    query = request.query_params
    try:
        guard_headers(server, request, writes=False)
        person = query.get("v", "")
        check_link(server.secret, "export", key, segment, person, query.get("e", ""), query.get("s", ""))
        actor, proven, source = json.loads(decode(person))
        server.check_source(source)

        def start() -> Download:
            workspace = server.workspace(key)
            server.admit(workspace, actor, proven)
            return workspace.exports.download(decode_id(segment), actor=actor)

        download = await run_in_threadpool(start)
    except Refused as error:
        return problem(error.status, str(error))
    except WinnowError as error:
        return problem(status_of(error), str(error))
    except Exception:  # the browser gets a sentence, never a stack trace; the log gets the trace
        LOG.exception("An export could not be sent")
        return problem(500, NOT_SAVED)
    headers = {
        "Content-Length": str(download.size),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(download.name, safe='')}",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    return StreamingResponse(download.chunks, media_type="application/octet-stream", headers=headers)
