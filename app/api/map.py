"""GET /api/points and /api/colours, POST /api/inside: the map.

Binary answers are framed: four bytes little-endian length of a JSON head, the head padded with spaces so that what
follows starts on a multiple of eight bytes, then the raw array (``head.dtype``, ``head.shape``, row-major,
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
from winnow.core import QueryError

MAX_CORNERS = 20_000
MAX_IDS = 5_000


def frame(head: dict[str, Any], array: NDArray[Any]) -> bytes:
    """A JSON head and an array as one body."""
    plain = np.ascontiguousarray(array)
    if plain.dtype.byteorder == ">":
        plain = plain.astype(plain.dtype.newbyteorder("<"))
    meta = json.dumps({**head, "dtype": plain.dtype.name, "shape": plain.shape}, ensure_ascii=False).encode()
    meta += b" " * (-(len(meta) + 4) % 8)
    return struct.pack("<I", len(meta)) + meta + plain.tobytes()


def framed(head: dict[str, Any], array: NDArray[Any], tag: str = "") -> Response:
    """A framed answer; with a ``tag`` the browser may ask whether it is still the same."""
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"} if tag else {"Cache-Control": "no-store"}
    return Response(frame(head, array), media_type="application/octet-stream", headers=headers)


def _unchanged(call: Call, tag: str) -> Response | None:
    if call.etag == tag:
        return Response(status_code=304, headers={"ETag": tag, "Cache-Control": "private, no-cache"})
    return None


def _fields(value: Any, leave_out: tuple[str, ...]) -> dict[str, Any]:
    """The small fields of an answer of the engine, as plain values."""
    items = value if isinstance(value, dict) else vars(value)
    out = {}
    for name, item in items.items():
        if name not in leave_out:
            out[name] = item.tolist() if isinstance(item, (np.ndarray, np.generic)) else item
    return out


def points(call: Call) -> Response:
    """Every sample's place on the map, float32 (n, 2) in row order; the head names the clusters and their centres."""
    tag = f'"points-{call.generation}-{call.classes}"'
    if answer := _unchanged(call, tag):
        return answer
    atlas = call.workspace.points()
    head = {"generation": call.generation, **_fields(atlas, ("ids", "xy"))}
    return framed(head, np.asarray(atlas.xy, np.float32), tag)


def colours(call: Call) -> Response:
    """One value per point: uint8 or uint16 codes into ``head.names`` (beyond them = none), or float32 scores (NaN = none)."""
    name = call.path["name"]
    tag = f'"colours-{name}-{call.generation}-{call.head}-{call.classes}"'.encode("ascii", "replace").decode()
    if answer := _unchanged(call, tag):
        return answer
    drawn = call.workspace.colours(name)
    array = np.asarray(drawn.values, np.float32) if drawn.codes is None else _bytes(drawn.codes, len(drawn.names))
    head = {"generation": call.generation, "name": name, **_fields(drawn, ("codes", "values", "name"))}
    return framed(head, np.asarray(array), tag)


def _bytes(codes: NDArray[Any], names: int) -> NDArray[Any]:
    """Codes in as few bytes as they need; a point without a value has the highest code there is."""
    return np.minimum(codes, 255).astype(np.uint8) if names < 256 else codes


def point(call: Call) -> dict[str, Any]:
    """The tile of point ``index`` of this generation, for hovering. A page of an older map is told to reload."""
    if call.get("g") != call.generation:
        raise Conflict("The map has changed since this page was drawn. Reload it.", generation=call.generation)
    index = int(call.path["index"])
    found = call.workspace.cards([call.workspace.query.id_at(index)])
    return {"card": call.links(found[0])}


def _polygon(item: Any) -> tuple[str, list[tuple[float, float]]]:
    op, corners = (item.get("op", "add"), item.get("points")) if isinstance(item, dict) else ("add", item)
    try:
        ring = [(float(x), float(y)) for x, y in corners]
    except (TypeError, ValueError):
        raise QueryError("A polygon is a list of corners [x, y] in map coordinates.") from None
    if op not in ("add", "subtract") or not 3 <= len(ring) <= MAX_CORNERS or not np.isfinite(ring).all():
        raise QueryError(f"A polygon has 3 to {MAX_CORNERS} finite corners and op 'add' or 'subtract'.")
    return op, ring


def inside(call: Call) -> dict[str, Any]:
    """``{polygons: [{op, points: [[x, y], …]}], filter: query, base: handle, ids: bool}`` → ``{selection, count, counts}``.

    Polygons apply in order, on top of ``base`` (an earlier selection) when given. Membership is computed here over
    all points. ``ids: true`` brings the first 5,000 ids too.
    """
    body = call.body or {}
    rings = [_polygon(item) for item in body.get("polygons") or []]
    query = str(body.get("filter") or "")
    flt = filters.from_query(query)
    if handle := filters.parameter(query, "selection"):
        flt = filters.with_ids(flt, call.server.selection(call.key, handle))
    base = call.server.selection(call.key, str(body["base"])) if body.get("base") else None
    ids = call.workspace.query.outlined(rings, flt, base)
    within = filters.with_ids(filters.Filter(), ids)
    answer: dict[str, Any] = {
        "selection": call.server.keep_selection(call.key, ids),
        "count": len(ids),
        "generation": call.generation,
        "by_verdict": dict(call.workspace.groups(within, "verdict")) if len(ids) else {},
    }
    if body.get("ids"):
        answer["ids"] = ids[:MAX_IDS]
    return answer
