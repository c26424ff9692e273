"""GET /api/influence and POST /api/newclass: which words a belief rests on, and what a class typed by a person would hold."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from winnow.app.api.base import Call
from winnow.core.errors import QueryError


def influence(call: Call) -> dict[str, Any]:
    """``?id=&label=`` → ``{label, belief, stability, words: [{start, end, influence}, …]}`` of a text about its given label, or
    about ``label``."""
    (card,) = call.workspace.cards([call.get("id")])
    label = call.get("label") or card.get("label")
    if not card.get("text") or not label:
        raise QueryError("Words have an influence on texts that have a label.")
    return {**asdict(call.workspace.zero_shot.influence(card["text"], label)), "generation": call.generation}


def newclass(call: Call) -> dict[str, Any]:
    """``{name}`` → ``{name, count, takes_from, selection}``: a handle for the samples that a class of this name would hold."""
    found = call.workspace.zero_shot.new_class(str((call.body or {}).get("name", "")))
    return {
        "name": found.name, "count": len(found.ids), "takes_from": found.takes_from,
        "selection": call.hub.keep_selection(call.key, found.ids), "generation": call.generation,
    }  # fmt: skip
