"""GET /api/groups and /api/members, and /api/selections: sections of the gallery, who is in a selection, saved selections."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from starlette.responses import Response

from winnow.app.api.endpoint import Call
from winnow.app.api.map import framed
from winnow.app.session import filters
from winnow.core import QueryError, WorkspaceError

NONE = {"label": "No label", "cluster": "In no cluster", "duplicate_group": "Not alike to any other", "verdict": "–"}


def groups(call: Call) -> dict[str, Any]:
    """``?<filter>&group=label|cluster|duplicate_group|verdict`` → ``{groups: [{key, name, count}, …], total}``, the
    sections of ``/api/rows`` with the same ``group``, in their order.
    """
    by = call.get("group")
    found = call.workspace.groups(call.filter(), by)
    named: dict[Any, str] = {}
    if by == "cluster":
        try:
            named = {int(c["cluster"]): str(c["name"]) for c in call.workspace.points().clusters}
        except WorkspaceError:  # no map was drawn: clusters keep their numbers
            named = {}

    def name(value: Any) -> str:
        if value is None:
            return NONE[by]
        if by == "cluster":
            return f"Cluster {value}" + (f" · {named[value]}" if value in named else "")
        return f"Look-alikes {value}" if by == "duplicate_group" else str(value)

    sections = [{"key": value, "name": name(value), "count": n} for value, n in found]
    return {"groups": sections, "total": sum(n for _, n in found), "generation": call.generation}


def members(call: Call) -> Response:
    """``?<filter>&selection=handle`` → the rows (int32, in order of the dataset) of the samples that match, framed as in
    :mod:`winnow.app.api.map`, for the picture of the map.
    """
    rows = call.workspace.query.numbers(call.filter())
    return framed({"generation": call.generation, "count": len(rows)}, rows)


def _told(call: Call, selection: Any) -> dict[str, Any]:
    told = asdict(selection)
    return {**told, "polygons": list(told["polygons"]) if selection.generation == call.generation else []}


def listing(call: Call) -> dict[str, Any]:
    """Every saved selection, the latest first: ``{selections: [{handle, name, count, actor, at, polygons, filter}, …]}``.
    ``polygons`` is empty where the map has been drawn anew since.
    """
    return {"selections": [_told(call, s) for s in call.workspace.saved_selections.all()]}


def save(call: Call) -> dict[str, Any]:
    """``{name, selection: handle, polygons?, filter?}`` → ``{saved: {handle, name, count, …}}``."""
    body = call.body or {}
    name, handle, polygons = body.get("name"), body.get("selection"), body.get("polygons") or []
    if not isinstance(name, str) or not isinstance(handle, str) or not isinstance(polygons, list):
        raise QueryError("A selection is saved by its name and the handle of what is selected.")
    query = str(body.get("filter") or "")
    filters.from_query(query)
    made = call.workspace.saved_selections.save(
        name,
        call.server.selection(call.key, handle),
        actor=call.claims.actor,
        generation=call.generation,
        filter=query,
        polygons=[{"op": str(p["op"]), "points": p["points"]} for p in polygons],
    )
    return {"saved": _told(call, made)}


def delete(call: Call) -> dict[str, Any]:
    """``{handle}`` → ``{deleted: name}``."""
    return {
        "deleted": call.workspace.saved_selections.delete(str((call.body or {}).get("handle")), call.claims.actor).name
    }
