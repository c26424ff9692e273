"""What every route shares: who asks, which workspace, errors as one sentence of JSON, work off the event loop."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from winnow.app.server.security import (
    Claims,
    Refused,
    check_host,
    check_origin,
    encode_id,
    mint_token,
    read_token,
    sign_link,
)
from winnow.app.server.state import ServerState, server_state
from winnow.app.session import filters
from winnow.core import DecisionError, NotAllowed, QueryError, WinnowError, WorkspaceError

LOG = logging.getLogger("winnow.app")
MAX_BODY = 4 * 1024 * 1024
"""Bytes of a request's body: a batch of decisions, a polygon; ids of a bulk action travel as a handle instead."""

NOT_SAVED = "Winnow ran into a problem of its own with this request. The server's log has the details."


@dataclass(frozen=True)
class Call:
    """One checked request: the server, the opened workspace, who asks, and the body (None for GET)."""

    server: ServerState
    key: str
    workspace: Any
    claims: Claims
    query: list[tuple[str, str]]
    body: dict[str, Any] | None
    path: dict[str, Any]
    etag: str | None
    generation: str
    head: int
    classes: int
    """How many changes of classes there were: what shows labels depends on it."""

    def get(self, name: str, default: str = "") -> str:
        """The last value of a query parameter."""
        return next((value for key, value in reversed(self.query) if key == name), default)

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """A whole query parameter between ``low`` and ``high``."""
        text = self.get(name)
        try:
            value = int(text) if text else default
        except ValueError:
            raise QueryError(f"{name} must be a whole number, not {text!r}.") from None
        return max(low, min(high, value))

    def filter(self) -> Any:
        """The filter of the query string; a ``selection`` handle narrows it to the ids that the server keeps."""
        flt = filters.from_pairs(self.query)
        handle = self.get("selection")
        return filters.with_ids(flt, self.server.selection(self.key, handle)) if handle else flt

    def links(self, row: dict[str, Any]) -> dict[str, Any]:
        """A card or tile with ``thumb`` and ``image`` links, its neighbours' too."""
        out = {**row, **media_links(self.server, self.key, self.generation, row.get("id") or row["sample_id"])}
        if neighbours := row.get("neighbors"):
            out["neighbors"] = [
                {**n, **media_links(self.server, self.key, self.generation, n["id"])} for n in neighbours
            ]
        return out


def media_links(server: ServerState, key: str, generation: str, sample: str) -> dict[str, str]:
    """The id of a sample, and signed links to its thumbnail and its original."""
    segment = encode_id(sample)
    links = {
        kind: f"/api/{kind}/{key}/{segment}?{sign_link(server.secret, kind, key, segment, generation)}"
        for kind in ("thumb", "image")
    }
    return {"id": sample, **links}


def problem(status: int, message: str, **more: Any) -> JSONResponse:
    """An error as JSON: one sentence that says what happened and what to do."""
    return JSONResponse({"error": message, **more}, status_code=status, headers={"Cache-Control": "no-store"})


def _status(error: WinnowError) -> int:
    if isinstance(error, QueryError):
        return 400
    if isinstance(error, DecisionError):
        return 422
    if isinstance(error, NotAllowed):
        return 403
    return 404 if isinstance(error, WorkspaceError) else 409


class Conflict(WinnowError):
    """The request's own count or generation does not hold any more; answered with 409 and ``more``."""

    def __init__(self, message: str, **more: Any) -> None:
        super().__init__(message)
        self.more = more


def guard_headers(server: ServerState, request: Request, writes: bool) -> None:
    """Check Host and Origin; raises Refused."""
    check_host(request.headers.get("host"), server.hosts, server.any_address)
    check_origin(
        request.headers.get("host"),
        request.headers.get("origin"),
        request.headers.get("sec-fetch-site"),
        required=writes,
    )


async def _body(request: Request) -> dict[str, Any]:
    if not request.headers.get("content-type", "").lower().startswith("application/json"):
        raise Refused(415, "The body of this request must be application/json.")
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY:
            raise Refused(413, f"The body of this request is over {MAX_BODY // 1024**2} MiB. Send smaller batches.")
        chunks.append(chunk)
    try:
        body = json.loads(b"".join(chunks))
    except ValueError:
        raise Refused(400, "The body of this request is not JSON.") from None
    if not isinstance(body, dict):
        raise Refused(400, "The body of this request must be a JSON object.")
    return body


Work = Callable[[Call], "Response | dict[str, Any]"]
Endpoint = Callable[[Request], Awaitable[Response]]


def endpoint(work: Work) -> Endpoint:
    """Make a route of a blocking function: checks first, work in a thread, errors as JSON, a fresh token when due."""

    @functools.wraps(work)
    async def handle(request: Request) -> Response:
        server = server_state()
        key = str(request.path_params.get("ws", ""))
        try:
            writes = request.method not in ("GET", "HEAD")
            guard_headers(server, request, writes)
            claims = read_token(server.secret, request.headers.get("authorization"), key)
            body = await _body(request) if writes else None

            def run() -> Response | dict[str, Any]:
                workspace = server.workspace(key)
                server.admit(workspace, claims.actor, claims.proven)
                info = workspace.info()
                call = Call(
                    server=server,
                    key=key,
                    workspace=workspace,
                    generation=str(info.generation),
                    head=info.n_decisions,
                    classes=info.n_class_changes,
                    claims=claims,
                    query=list(request.query_params.multi_items()),
                    body=body,
                    path=dict(request.path_params),
                    etag=request.headers.get("if-none-match"),
                )
                return work(call)

            answer = await run_in_threadpool(run)
        except Refused as error:
            return problem(error.status, str(error))
        except Conflict as error:
            return problem(409, str(error), **error.more)
        except WinnowError as error:
            return problem(_status(error), str(error))
        except Exception:  # the browser gets a sentence, never a stack trace; the log gets the trace
            LOG.exception("A request to %s failed", request.url.path)
            return problem(500, NOT_SAVED)
        if isinstance(answer, dict):
            answer = JSONResponse(answer, headers={"Cache-Control": "no-store"})
        if claims.stale():
            answer.headers["X-Winnow-Token"] = mint_token(
                server.secret, key, claims.actor, proven=claims.proven, first=claims.first
            )
        answer.headers.setdefault("X-Content-Type-Options", "nosniff")
        return answer

    return handle
