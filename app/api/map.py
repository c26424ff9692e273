"""The map: GET /api/points, /api/point and /api/colours, POST /api/inside.

Binary answers are framed: four bytes little-endian length of a JSON head, the head padded with spaces so that what
follows starts at a multiple of eight bytes, then the raw array (``head.dtype``, ``head.shape``, row-major,
little-endian).
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from winnow.app.api.endpoint import Call, Conflict
from winnow.app.session import filters
from winnow.core import Filter, QueryError

MAX_CORNERS = 20_000
"""Most corners of a polygon."""

MAX_IDS = 5_000
"""Most ids in an answer about a polygon."""


def frame(head: dict[str, Any], array: NDArray[Any]) -> bytes:
    """A JSON head and an array as one body."""
    plain = np.ascontiguousarray(array)
    if plain.dtype.byteorder == ">":
        plain = plain.astype(plain.dtype.newbyteorder("<"))
    meta = json.dumps({**head, "dtype": plain.dtype.name, "shape": plain.shape}, ensure_ascii=False).encode()
    meta += b" " * (-(len(meta) + 4) % 8)
    return struct.pack("<I", len(meta)) + meta + plain.tobytes()


def framed(head: dict[str, Any], array: NDArray[Any], tag: str = "") -> Response:
    """Answer with a framed array. With a ``tag`` the browser can ask whether it has changed."""
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"} if tag else {"Cache-Control": "no-store"}
    return Response(frame(head, array), media_type="application/octet-stream", headers=headers)


def _unchanged(call: Call, tag: str) -> Response | None:
    if call.etag == tag:
        return Response(status_code=304, headers={"ETag": tag, "Cache-Control": "private, no-cache"})
    return None


def points(call: Call) -> Response:
    """Coordinates of every sample on the map: float32 (n, 2) in row order, with the clusters in the head."""
    tag = f'"points-{call.generation}-{call.classes}"'
    if answer := _unchanged(call, tag):
        return answer
    points = call.workspace.points()
    head = {"generation": call.generation, "clusters": points.clusters, "fine": points.fine}
    return framed(head, np.asarray(points.xy, np.float32), tag)


def colours(call: Call) -> Response:
    """One value per point, (n,): uint8 or uint16 codes into ``head.names``, or float32 scores.

    A code beyond the names, and a score of NaN, stand for no value.
    """
    name = call.path["name"]
    tag = f'"colours-{name}-{call.generation}-{call.head}-{call.classes}"'.encode("ascii", "replace").decode()
    if answer := _unchanged(call, tag):
        return answer
    colours = call.workspace.colours(name)
    if colours.codes is None:
        array: NDArray[Any] = np.asarray(colours.values, np.float32)
    else:
        array = _compact(colours.codes, len(colours.names or ()))
    head = {"generation": call.generation, "name": name, "names": colours.names, "ends": colours.ends}
    return framed(head, array, tag)


def _compact(codes: NDArray[Any], names: int) -> NDArray[Any]:
    """Codes in one byte each where that is enough; the highest code stands for no value."""
    return np.minimum(codes, 255).astype(np.uint8) if names < 256 else codes


def point(call: Call) -> dict[str, Any]:
    """The tile of point ``index``, for hovering. Raises Conflict where the page shows an older map."""
    if call.get("g") != call.generation:
        raise Conflict("The map has changed since this page was drawn. Reload it.", generation=call.generation)
    (card,) = call.workspace.cards([call.workspace.query.id_at(int(call.path["index"]))])
    return {"card": call.links(card)}


def _polygon(item: Any) -> tuple[str, list[tuple[float, float]]]:
    op, corners = (item.get("op", "add"), item.get("points", ())) if isinstance(item, dict) else ("add", item)
    try:
        ring = [(float(x), float(y)) for x, y in corners]
    except (TypeError, ValueError):
        raise QueryError("A polygon is a list of corners [x, y] in map coordinates.") from None
    if op not in ("add", "subtract") or not 3 <= len(ring) <= MAX_CORNERS or not np.isfinite(ring).all():
        raise QueryError(f"A polygon has 3 to {MAX_CORNERS} finite corners and op 'add' or 'subtract'.")
    return op, ring


def read_polygons(body: dict[str, Any]) -> list[tuple[str, list[tuple[float, float]]]]:
    """The polygons of a body: (op, corners) of each. Raises QueryError where they are none."""
    polygons = body.get("polygons") or []
    if not isinstance(polygons, list):
        raise QueryError("Polygons are a list; each is a list of corners [x, y], or {op, points}.")
    return [_polygon(item) for item in polygons]


def inside(call: Call) -> dict[str, Any]:
    """Select the samples within polygons, over all points of the map.

    ``{polygons: [{op, points: [[x, y], …]}], filter: query, base: handle, ids: bool}`` → ``{selection, count,
    by_verdict, generation, ids?}``. Polygons apply in order, starting from ``base`` (an earlier selection) where it
    is given. With ``ids: true`` the first 5,000 ids are sent too.
    """
    body = call.body or {}
    rings = read_polygons(body)
    query = str(body.get("filter") or "")
    flt = filters.from_query(query)
    if handle := filters.parameter(query, "selection"):
        flt = filters.with_ids(flt, call.server.selection(call.key, handle))
    base = call.server.selection(call.key, str(body["base"])) if body.get("base") else None
    ids = call.workspace.query.outlined(rings, flt, base)
    within = filters.with_ids(Filter(), ids)
    answer: dict[str, Any] = {
        "selection": call.server.keep_selection(call.key, ids),
        "count": len(ids),
        "generation": call.generation,
        "by_verdict": dict(call.workspace.groups(within, "verdict")) if len(ids) else {},
    }
    if body.get("ids"):
        answer["ids"] = ids[:MAX_IDS]
    return answer
