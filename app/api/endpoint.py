"""What every route shares: checks, the workspace, errors as one sentence of JSON, work off the event loop."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
from winnow.core import DecisionError, Filter, NotAllowed, QueryError, WinnowError, WorkspaceError

if TYPE_CHECKING:
    from winnow.core import Workspace

LOG = logging.getLogger("winnow.app")
MAX_BODY = 4 * 1024 * 1024
"""Most bytes of a request's body: a batch of decisions or a polygon. Many ids are sent as a handle instead."""

NOT_SAVED = "Winnow ran into a problem of its own with this request. The server's log has the details."


@dataclass(frozen=True)
class Call:
    """One checked request.

    Attributes
    ----------
    server
        The server's state.
    key
        Key of the workspace in URLs.
    workspace
        The opened workspace.
    claims
        Content of the bearer token: who asks.
    query, path
        Parameters of the query string in their order, and of the path.
    body
        The JSON body; None for GET.
    etag
        The If-None-Match header.
    generation
        Changes when a scan has written new results.
    head
        Sequence number of the last decision in the log.
    classes
        How many times classes were changed; answers that show labels depend on it.
    """

    server: ServerState
    key: str
    workspace: Workspace
    claims: Claims
    query: list[tuple[str, str]]
    body: dict[str, Any] | None
    path: dict[str, Any]
    etag: str | None
    generation: str
    head: int
    classes: int

    def get(self, name: str, default: str = "") -> str:
        """The last value of a query parameter."""
        return next((value for key, value in reversed(self.query) if key == name), default)

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """A query parameter as a whole number, limited to ``low`` … ``high``. Raises QueryError."""
        text = self.get(name)
        try:
            value = int(text) if text else default
        except ValueError:
            raise QueryError(f"{name} must be a whole number, not {text!r}.") from None
        return max(low, min(high, value))

    def filter(self) -> Filter:
        """The filter of the query string, narrowed to the ids of its ``selection`` handle where there is one."""
        flt = filters.from_pairs(self.query)
        handle = self.get("selection")
        return filters.with_ids(flt, self.server.selection(self.key, handle)) if handle else flt

    def links(self, row: dict[str, Any]) -> dict[str, Any]:
        """Add ``thumb`` and ``image`` links to a card or tile, and to its neighbours."""
        out = {**row, **media_links(self.server, self.key, self.generation, row.get("id") or row["sample_id"])}
        if neighbours := row.get("neighbors"):
            out["neighbors"] = [
                {**n, **media_links(self.server, self.key, self.generation, n["id"])} for n in neighbours
            ]
        return out


def media_links(server: ServerState, key: str, generation: str, sample: str) -> dict[str, str]:
    """The id of a sample with signed links to its thumbnail and its original."""
    segment = encode_id(sample)
    links = {
        kind: f"/api/{kind}/{key}/{segment}?{sign_link(server.secret, kind, key, segment, generation)}"
        for kind in ("thumb", "image")
    }
    return {"id": sample, **links}


class Answer(JSONResponse):
    """JSON in UTF-8. Halves of characters, which UTF-8 cannot hold and JSON can, are written as their codes."""

    def render(self, content: Any) -> bytes:
        """The body."""
        try:
            return super().render(content)
        except UnicodeEncodeError:
            return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def problem(status: int, message: str, **more: Any) -> Answer:
    """Answer with an error as JSON: one sentence that says what happened and what to do."""
    return Answer({"error": message, **more}, status_code=status, headers={"Cache-Control": "no-store"})


def status_of(error: WinnowError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, QueryError):
        return 400
    if isinstance(error, DecisionError):
        return 422
    if isinstance(error, NotAllowed):
        return 403
    return 404 if isinstance(error, WorkspaceError) else 409


class Conflict(WinnowError):
    """The count or generation in the request is out of date; answered with 409 and ``more``."""

    def __init__(self, message: str, **more: Any) -> None:
        super().__init__(message)
        self.more = more


def guard_headers(server: ServerState, request: Request, writes: bool) -> None:
    """Check Host and Origin. Raises Refused."""
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
    except RecursionError:
        raise Refused(400, "The body of this request is nested too deeply.") from None
    if not isinstance(body, dict):
        raise Refused(400, "The body of this request must be a JSON object.")
    return body


Work = Callable[[Call], "Response | dict[str, Any]"]
Endpoint = Callable[[Request], Awaitable[Response]]


def endpoint(work: Work) -> Endpoint:
    """Turn a blocking function into a route: checks first, work in a thread, errors as JSON, a new token when due."""

    @functools.wraps(work)
    async def handle(request: Request) -> Response:
        server = server_state()
        key = str(request.path_params.get("ws", ""))
        try:
            writes = request.method not in ("GET", "HEAD")
            guard_headers(server, request, writes)
            claims = read_token(server.secret, request.headers.get("authorization"), key)
            server.check_source(claims.source)
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
            if isinstance(answer, dict):
                answer = Answer(answer, headers={"Cache-Control": "no-store"})
        except Refused as error:
            return problem(error.status, str(error))
        except Conflict as error:
            return problem(409, str(error), **error.more)
        except WinnowError as error:
            return problem(status_of(error), str(error))
        except Exception:  # the browser gets a sentence, never a stack trace; the log gets the trace
            LOG.exception("A request to %s failed", request.url.path)
            return problem(500, NOT_SAVED)
        if claims.stale():
            answer.headers["X-Winnow-Token"] = mint_token(
                server.secret, key, claims.actor, proven=claims.proven, first=claims.first, source=claims.source
            )
        answer.headers.setdefault("X-Content-Type-Options", "nosniff")
        return answer

    return handle
