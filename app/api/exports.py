"""GET /api/export: a person's export or log, sent while it is read, by a signed, expiring link.

A browser follows a link without a bearer token. So the link says who got it; whether the server's token behind it still
holds, and whether this person may export, is checked again when it is followed. It names an export of the workspace, or
says what is to be exported then, into a file that is there only while it is sent.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from winnow.app.api.endpoint import NOT_SAVED, guard_headers, problem, status_of
from winnow.app.server.security import Refused, check_link, decode, decode_id, encode, encode_id, sign_link
from winnow.app.server.state import ServerState, server_state
from winnow.app.session import filters
from winnow.core import Download, WinnowError, made_download

if TYPE_CHECKING:
    from winnow.core import Workspace

LOG = logging.getLogger("winnow.app")


def export_link(
    server: ServerState,
    key: str,
    name: str,
    actor: str,
    proven: bool,
    source: str,
    new: tuple[str, str, dict[str, Any]] | None = None,
) -> str:
    """The link to an export, for one person.

    Parameters
    ----------
    server, key
        The server, and the key of the workspace.
    name
        Of the file or folder among the exports of the workspace; of the file that is made where ``new`` is given.
    actor, proven, source
        See :class:`winnow.app.server.security.Claims`.
    new
        What is exported when the link is followed: "data" or "log"; the filter of the samples as a query string, ""
        for all; and the options of ``Workspace.exports.export``, or the filters of ``Workspace.write_log``.
    """
    segment, person = encode_id(name), encode(json.dumps([actor, proven, source, new]).encode())
    return f"./api/export/{key}/{segment}?{sign_link(server.secret, 'export', key, segment, person)}"


def _made(server: ServerState, key: str, workspace: Workspace, name: str, actor: str, new: Any) -> Download:
    what, query, options = new
    if what == "log":
        return made_download(name, lambda path: workspace.write_log(path, by=actor, **options))
    only = None
    if query:
        flt, handle = filters.from_query(query), filters.parameter(query, "selection")
        only = workspace.ids(filters.with_ids(flt, server.selection(key, handle)) if handle else flt)
    return made_download(name, lambda path: workspace.exports.export(path, actor=actor, only=only, **options))


async def export(request: Request) -> Response:
    """Download an export, or the log of decisions: a file as it is, a folder as a ZIP archive."""
    server = server_state()
    key, segment = request.path_params["ws"], request.path_params["id"]
    query = request.query_params
    try:
        guard_headers(server, request, writes=False)
        person = query.get("v", "")
        check_link(server.secret, "export", key, segment, person, query.get("e", ""), query.get("s", ""))
        actor, proven, source, new = json.loads(decode(person))
        server.check_source(source)

        def start() -> Download:
            workspace = server.workspace(key)
            server.admit(workspace, actor, proven)
            name = decode_id(segment)
            if new is not None:
                return _made(server, key, workspace, name, actor, new)
            return workspace.exports.download(name, actor=actor)

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
