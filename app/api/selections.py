"""Groups and selections: /api/groups, /api/members and /api/selections."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from starlette.responses import Response

from winnow.app.api.endpoint import Call
from winnow.app.api.map import framed, read_polygons
from winnow.app.session import filters
from winnow.core import QueryError, WorkspaceError

NONE = {"label": "No label", "cluster": "In no cluster", "duplicate_group": "Not a duplicate", "verdict": "–"}


def groups(call: Call) -> dict[str, Any]:
    """The sections of ``/api/rows`` with the same ``group``, in their order.

    ``?<filter>&group=label|cluster|duplicate_group|verdict`` → ``{groups: [{key, name, count}, …], total,
    generation}``.
    """
    by = call.get("group")
    counts = call.workspace.groups(call.filter(), by)
    named: dict[Any, str] = {}
    if by == "cluster":
        try:
            named = {int(c["cluster"]): str(c["name"]) for c in call.workspace.points().clusters}
        except WorkspaceError:  # without a map clusters have no names
            named = {}

    def name(value: Any) -> str:
        if value is None:
            return NONE[by]
        if by == "cluster":
            return f"Cluster {value}" + (f" · {named[value]}" if value in named else "")
        return f"Look-alikes {value}" if by == "duplicate_group" else str(value)

    sections = [{"key": value, "name": name(value), "count": n} for value, n in counts]
    return {"groups": sections, "total": sum(n for _, n in counts), "generation": call.generation}


def members(call: Call) -> Response:
    """Row numbers of the matching samples, (m,) int32 ascending, framed as in :mod:`winnow.app.api.map`.

    ``?<filter>&selection=handle``; the map draws them.
    """
    rows = call.workspace.query.numbers(call.filter())
    return framed({"generation": call.generation, "count": len(rows)}, rows)


def _described(call: Call, selection: Any) -> dict[str, Any]:
    return {
        **asdict(selection),
        "polygons": list(selection.polygons) if selection.generation == call.generation else [],
    }


def listing(call: Call) -> dict[str, Any]:
    """Every saved selection, the latest first.

    → ``{selections: [{handle, name, count, actor, at, polygons, filter}, …]}``. ``polygons`` is empty where the map has
    been drawn again since.
    """
    return {"selections": [_described(call, s) for s in call.workspace.saved_selections.all()]}


def save(call: Call) -> dict[str, Any]:
    """Save a selection: ``{name, selection: handle, polygons?, filter?}`` → ``{saved: {handle, name, count, …}}``."""
    body = call.body or {}
    name, handle = body.get("name"), body.get("selection")
    if not isinstance(name, str) or not isinstance(handle, str):
        raise QueryError("A selection is saved by its name and the handle of what is selected.")
    query = str(body.get("filter") or "")
    filters.from_query(query)
    saved = call.workspace.saved_selections.save(
        name,
        call.server.selection(call.key, handle),
        actor=call.claims.actor,
        generation=call.generation,
        filter=query,
        polygons=[{"op": op, "points": corners} for op, corners in read_polygons(body)],
    )
    return {"saved": _described(call, saved)}


def delete(call: Call) -> dict[str, Any]:
    """Delete a saved selection: ``{handle}`` → ``{deleted: name}``."""
    handle = str((call.body or {}).get("handle"))
    return {"deleted": call.workspace.saved_selections.delete(handle, call.claims.actor).name}
