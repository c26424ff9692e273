"""GET /api/openapi.json: what the routes take and answer, in OpenAPI 3.1, for programs that talk to the server."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import winnow.core
from winnow.app.api.decisions import MAX_BATCH, SUGGESTED
from winnow.app.api.map import MAX_CORNERS
from winnow.app.api.media import PICTURES
from winnow.app.api.sprite import MAX_PICTURES
from winnow.app.session import filters
from winnow.core import FIELDS
from winnow.core.types import ISSUE_KINDS, Action, Kind

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
TEXTS: Schema = {"type": "array", "items": TEXT}
FLAG: Schema = {"type": "string", "enum": ["", "1"]}
JSON, BYTES = "application/json", "application/octet-stream"


def _object(required: Iterable[str] = (), **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


def _answer(*names: str) -> Schema:
    """An object that has these entries."""
    return {"type": "object", "required": list(names)}


def _filter() -> dict[str, Schema]:
    """The parameters of a filter, and the handle of a selection."""
    named = {
        "verdicts": {"type": "string", "enum": [str(kind) for kind in Kind]},
        "kinds": {"type": "string", "enum": [str(kind) for kind in ISSUE_KINDS]},
        "state": {"type": "string", "enum": sorted(winnow.core.STATES)},
    }
    out: dict[str, Schema] = {}
    for name in sorted(filters.PARAMETERS):
        if prefix := FIELDS[name].prefix:
            out |= {f"{prefix}{kind}": TEXT for kind in Kind}
        else:
            out[name] = named.get(name, TEXT)
    return {**out, "selection": TEXT}


FILTER = _filter()
SORTED: dict[str, Schema] = {**FILTER, "sort": TEXT}
GROUP: Schema = {"type": "string", "enum": ["label", "cluster", "duplicate_group", "verdict"]}
CORNERS: Schema = {
    "type": "array",
    "minItems": 3,
    "maxItems": MAX_CORNERS,
    "items": {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "number"}},
}
POLYGONS: Schema = {
    "type": "array",
    "items": {"anyOf": [CORNERS, _object(["points"], op={"enum": ["add", "subtract"]}, points=CORNERS)]},
}
ACTION: Schema = {"type": "string", "enum": [str(action) for action in Action if action != Action.UNDO]}
DECISION = _object(
    ["sample_id", "action"],
    decision_id=TEXT,
    sample_id=TEXT,
    action=ACTION,
    label=TEXT,
    tags=TEXTS,
    supersedes=TEXT,
    reason=TEXT,
    settles={"type": "boolean"},
    audit=TEXT,
)
TARGET = _object(filter=TEXT, selection=TEXT, ids=TEXTS)


@dataclass(frozen=True)
class Operation:
    """What a route takes and answers.

    Attributes
    ----------
    answer
        JSON Schema of the answer; for other answers their media types.
    query
        Parameter → JSON Schema; one whose schema is an array may be repeated.
    required
        Parameters without which it answers with an error.
    body
        JSON Schema of the body, None = it takes none.
    headers
        Headers that it reads, but for the checks that all routes make.
    """

    answer: Schema | tuple[str, ...]
    query: Mapping[str, Schema] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    body: Schema | None = None
    headers: tuple[str, ...] = ()


_SIGNED: dict[str, Schema] = {"e": TEXT, "v": TEXT, "s": TEXT}
_PICTURE = Operation(tuple(sorted(PICTURES)), _SIGNED, ("e", "v", "s"), headers=("If-None-Match",))

OPERATIONS: dict[str, Operation] = {
    "/api/health": Operation(_answer("status", "version")),
    "/api/openapi.json": Operation(_answer("openapi", "paths")),
    "/api/thumb/{ws}/{id}": _PICTURE,
    "/api/image/{ws}/{id}": _PICTURE,
    "/api/export/{ws}/{id}": Operation((BYTES,), _SIGNED, ("e", "v", "s")),
    "/api/cards/{ws}": Operation(
        _answer("generation", "cards"),
        {
            **SORTED,
            "id": TEXTS,
            "queue": TEXT,
            "cursor": WHOLE,
            "limit": WHOLE,
            "reorder": FLAG,
            "sent": WHOLE,
            "last": TEXTS,
        },
    ),
    "/api/like/{ws}": Operation(_answer("offer", "generation"), {"id": TEXT}, ("id",)),
    "/api/rows/{ws}": Operation(
        _answer("total", "offset", "generation", "rows"), {**SORTED, "group": GROUP, "offset": WHOLE, "limit": WHOLE}
    ),
    "/api/labels/{ws}": Operation(_answer("labels", "tags", "generation")),
    "/api/labelling/{ws}": Operation(_answer("report", "estimate", "generation"), {**FILTER, "threshold": TEXT}),
    "/api/propagate/{ws}": Operation(
        _answer("count", "batch_id", "error", "saved_at"),
        body=_object(["threshold", "expect"], threshold={"type": "number"}, expect=WHOLE, batch_id=TEXT, filter=TEXT),
    ),
    "/api/label-group/{ws}": Operation(
        _answer("count", "outliers", "batch_id", "saved_at"),
        body=_object(["label", "expect", "filter"], label=TEXT, expect=WHOLE, filter=TEXT, batch_id=TEXT),
    ),
    "/api/classes/{ws}": Operation(
        _answer("added", "refused"), body=_object(["names"], names={**TEXTS, "minItems": 1})
    ),
    "/api/search/{ws}": Operation(
        _answer("total", "generation", "notice", "rows"), {**FILTER, "q": TEXT, "limit": WHOLE}
    ),
    "/api/warm/{ws}": Operation(_answer("ready")),
    "/api/bring/{ws}": Operation(
        _answer("file"), body=_object(["data"], data={"type": "string", "contentEncoding": "base64"})
    ),
    "/api/meaning/{ws}": Operation(
        _answer("id", "proposals", "by_words", "influence", "why", "generation"),
        {"id": TEXT, "words": FLAG, "label": TEXT},
        ("id",),
    ),
    "/api/evidence/{ws}": Operation(
        _answer("id", "kind", "signals", "generation"), {"id": TEXT, "kind": TEXT}, ("id", "kind")
    ),
    "/api/picture/{ws}": Operation(
        _answer("id", "label", "verdict", "path", "file", "why", "drawn", "others", "generation"), {"id": TEXT}, ("id",)
    ),
    "/api/changes/{ws}": Operation(_answer("head", "more", "decisions", "classes"), {"since": WHOLE}),
    "/api/points/{ws}": Operation((BYTES,), headers=("If-None-Match",)),
    "/api/point/{ws}/{index}": Operation(_answer("card"), {"g": TEXT}, ("g",)),
    "/api/colours/{ws}/{name}": Operation((BYTES,), headers=("If-None-Match",)),
    "/api/inside/{ws}": Operation(
        _answer("selection", "count", "generation", "by_verdict"),
        body=_object(["polygons"], polygons=POLYGONS, filter=TEXT, base=TEXT, ids={"type": "boolean"}),
    ),
    "/api/marks/{ws}": Operation(_answer("marks", "generation"), {"id": TEXTS}),
    "/api/sprite/{ws}": Operation((BYTES,), body=_object(["ids"], ids={**TEXTS, "maxItems": MAX_PICTURES})),
    "/api/groups/{ws}": Operation(_answer("groups", "total", "generation"), {**FILTER, "group": GROUP}, ("group",)),
    "/api/members/{ws}": Operation((BYTES,), FILTER),
    "/api/selections/{ws}": Operation(_answer("selections")),
    "/api/selections/{ws}/save": Operation(
        _answer("saved"),
        body=_object(["name", "selection"], name=TEXT, selection=TEXT, polygons=POLYGONS, filter=TEXT),
    ),
    "/api/selections/{ws}/delete": Operation(_answer("deleted"), body=_object(["handle"], handle=TEXT)),
    "/api/decisions/{ws}": Operation(
        _answer("results", "saved_at"),
        body=_object(
            ["decisions"], decisions={"type": "array", "minItems": 1, "maxItems": MAX_BATCH, "items": DECISION}
        ),
    ),
    "/api/bulk/{ws}": Operation(
        _answer("count", "batch_id", "saved_at"),
        body=_object(
            ["action", "target", "expect"],
            action={**ACTION, "enum": [*ACTION["enum"], "tag", SUGGESTED]},
            target=TARGET,
            expect=WHOLE,
            label=TEXT,
            add=TEXTS,
            remove=TEXTS,
            reason=TEXT,
            batch_id=TEXT,
        ),
    ),
    "/api/suggested/{ws}": Operation(
        _answer("of", "count", "relabel", "exclude", "expected", "generation"), body=_object(["target"], target=TARGET)
    ),
    "/api/undo/{ws}": Operation(
        _answer("count", "undone"), body=_object(undo_id=TEXT, decision_id=TEXT, batch_id=TEXT)
    ),
    "/api/redo/{ws}": Operation(_answer("count", "redone"), body=_object(undo_id=TEXT, redo_id=TEXT)),
    "/api/assets/{digest}/{name}": Operation(("text/javascript", "text/css")),
}
"""Path → what it takes and answers. A test holds it against the routes and against what their functions read."""

OPEN = (
    "/api/health",
    "/api/openapi.json",
    "/api/thumb/{ws}/{id}",
    "/api/image/{ws}/{id}",
    "/api/export/{ws}/{id}",
    "/api/assets/{digest}/{name}",
)
"""Routes without a bearer token: they say nothing about a dataset, or their link is signed."""

ERRORS = {
    400: "The request makes no sense; the sentence says what does.",
    401: "No token, or one that is not valid or withdrawn.",
    403: "This person may not do it, or the request comes from another site.",
    404: "No such workspace, file or picture.",
    405: "Another method.",
    409: "Something changed meanwhile.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    421: "The server does not answer to this host.",
    422: "The decision is not possible.",
}


def plain_path(route: Route) -> str:
    """The path of a route with its parameters as OpenAPI writes them, without convertors."""
    return route.path_format


def _operation(path: str, method: str, route: Route) -> Schema:
    described = OPERATIONS[path]
    summary, _, more = inspect.cleandoc(route.endpoint.__doc__ or "").partition("\n")
    types = (JSON,) if isinstance(described.answer, dict) else described.answer
    shape = {"schema": described.answer} if isinstance(described.answer, dict) else {}
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {**(WHOLE if name == "index" else TEXT), **({} if name == "index" else {"minLength": 1})},
        }
        for name in route.param_convertors
    ]
    parameters += [
        {"name": name, "in": "query", "required": name in described.required, "schema": schema}
        for name, schema in described.query.items()
    ]
    parameters += [{"name": name, "in": "header", "required": False, "schema": TEXT} for name in described.headers]
    error = {"content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}, "text/plain": {}}}
    answers: Schema = {"200": {"description": "Done.", "content": dict.fromkeys(types, shape)}}
    if "If-None-Match" in described.headers:
        answers["304"] = {"description": "Not changed."}
    answers |= {str(status): {"description": text, **error} for status, text in ERRORS.items()}
    out: Schema = {
        "operationId": f"{method} {path}",
        "summary": summary,
        "description": more.strip(),
        "parameters": parameters,
        "responses": answers,
    }
    if described.body is not None:
        out["requestBody"] = {"required": True, "content": {JSON: {"schema": described.body}}}
    return out if path in OPEN else {**out, "security": [{"bearer": []}]}


def describe(routes: Iterable[Route]) -> Schema:
    """The description of these routes."""
    paths: Schema = {}
    for route in routes:
        for method in sorted((route.methods or set()) - {"HEAD"}):
            paths.setdefault(plain_path(route), {})[method.lower()] = _operation(plain_path(route), method, route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Winnow",
            "version": winnow.core.__version__,
            "description": "The routes beside the pages. A page mints the bearer token of its person.",
        },
        "paths": paths,
        "components": {
            "schemas": {"Error": _object(["error"], error=TEXT)},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def openapi(routes: Callable[[], Iterable[Route]]) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint that describes these routes."""

    @cache
    def described() -> Schema:
        return describe(routes())

    async def answer(_: Request) -> Response:
        """The description of these routes in OpenAPI 3.1. Says nothing about any dataset."""
        return JSONResponse(described())

    return answer
