"""Decisions: POST /api/decisions, /api/bulk, /api/undo and /api/redo, and GET /api/changes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from winnow.app.api.endpoint import Call, Conflict
from winnow.app.session import filters
from winnow.core import DecisionError, QueryError, plural

MAX_BATCH = 500
FIELDS = ("decision_id", "sample_id", "action", "label", "supersedes", "reason", "audit")


def _text(item: dict[str, Any], name: str) -> str | None:
    value = item.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise DecisionError(f"{name} of a decision must be text, not {value!r}.")
    return value


def _tags(item: dict[str, Any], name: str = "tags") -> list[str] | None:
    """A list of tags. Raises DecisionError for anything else."""
    value = item.get(name)
    if value is not None and not (isinstance(value, list) and all(isinstance(tag, str) for tag in value)):
        raise DecisionError(f"{name} of a decision must be a list of texts, not {value!r}.")
    return value


def decisions(call: Call) -> dict[str, Any]:
    """Record a batch of decisions in order, by the token's actor.

    ``{decisions: [{decision_id, sample_id, action, label?, tags?, supersedes?, reason?, settles?, audit?}, …]}`` →
    ``{results: [{decision_id, ok, error?, …}, …], saved_at}``. ``audit`` is
    the id of the blind audit that it answers. A ``decision_id`` that is already in the log changes nothing and gets the
    same answer, so a batch can be sent again.
    """
    batch = (call.body or {}).get("decisions")
    if not isinstance(batch, list) or not batch or not all(isinstance(item, dict) for item in batch):
        raise DecisionError("A batch is a list of decisions.")
    if len(batch) > MAX_BATCH:
        raise DecisionError(f"A batch holds at most {MAX_BATCH} decisions, not {len(batch):,}. Send it in parts.")
    clean: list[dict[str, Any]] = [{name: _text(item, name) for name in FIELDS if name in item} for item in batch]
    for item, checked in zip(batch, clean, strict=True):
        if (tags := _tags(item)) is not None:
            checked["tags"] = tags
        if item.get("settles") is True:
            checked["settles"] = True
    return {"results": call.workspace.record(clean, actor=call.claims.actor), "saved_at": time.time()}


def _target(call: Call, target: dict[str, Any]) -> Sequence[str]:
    if (handle := target.get("selection")) is not None:
        ids = call.server.selection(call.key, str(handle))
        if target.get("filter"):
            return call.workspace.ids(filters.with_ids(filters.from_query(str(target["filter"])), ids))
        return ids
    if (listed := target.get("ids")) is not None:
        if not isinstance(listed, list) or not all(isinstance(i, str) for i in listed):
            raise QueryError("ids must be a list of sample ids.")
        return list(dict.fromkeys(listed))
    if (query := target.get("filter")) is not None:
        return call.workspace.ids(filters.from_query(str(query)))
    raise QueryError("A bulk action names its samples by filter, selection or ids.")


def bulk(call: Call) -> dict[str, Any]:
    """Record the same decision for many samples as one batch.

    ``{action, label?, reason?, batch_id?, expect, target: {filter | selection | ids}}`` → ``{count, batch_id,
    saved_at}``. The action "tag" takes ``add`` and ``remove`` (lists of tags); its ``count`` is that of the samples
    that it changes. ``expect`` is the count that the button showed. Where it is no longer right, nothing is recorded
    and the answer is 409 with the current ``count``.
    """
    body = call.body or {}
    action = str(body.get("action"))
    target = body.get("target")
    expect = body.get("expect")
    if not isinstance(target, dict) or not isinstance(expect, int):
        raise QueryError("A bulk action needs its target and the count that was shown (expect).")
    ids = _target(call, target)
    if len(ids) != expect:
        raise Conflict(
            f"These are {plural(len(ids), 'sample')} now, not {expect:,}: something changed meanwhile. "
            "Nothing was done. Look again and repeat.",
            count=len(ids),
        )
    if not ids:
        raise DecisionError("There are no samples to decide about.")
    who = {"reason": _text(body, "reason"), "actor": call.claims.actor, "batch_id": _text(body, "batch_id")}
    if action == "tag":
        add, remove = _tags(body, "add") or [], _tags(body, "remove") or []
        if not add and not remove:
            raise DecisionError("Say which tags to add or to remove.")
        batch = call.workspace.edit_tags(ids, add=add, remove=remove, **who)
        return {"count": batch.count, "batch_id": batch.batch_id, "saved_at": time.time()}
    batch = call.workspace.decide_many(ids, action, label=_text(body, "label"), **who)
    return {"count": len(ids), "batch_id": batch.batch_id, "saved_at": time.time()}


def changes(call: Call) -> dict[str, Any]:
    """Rows of the log after ``since``, the oldest first, so that people on one workspace see each other's decisions.

    ``?since=SEQ`` → ``{head, more, decisions, classes}``. At most 500 rows; ``more``: ask again from the last ``seq``.
    ``classes``: how many times others changed the classes.
    """
    since = call.number("since", call.head, 0, 10**12)
    log = call.workspace.history(limit=call.head - since) if call.head > since else []
    newer = [d for d in reversed(log) if d.seq > since]
    rows = [
        {
            "seq": d.seq,
            "sample_id": d.sample_id,
            "action": str(d.action),
            "label": d.label,
            "tags": None if d.tags is None else list(d.tags),
            "actor": d.actor,
            "at": d.at,
        }
        for d in newer[:MAX_BATCH]
    ]
    more = len(newer) > MAX_BATCH
    others = call.workspace.decision_history.class_changes_of_others(call.claims.actor)
    return {"head": rows[-1]["seq"] if rows else call.head, "more": more, "decisions": rows, "classes": others}


def undo(call: Call) -> dict[str, Any]:
    """Undo the decision or batch that is named, else this person's last step.

    ``{undo_id?, decision_id?, batch_id?}`` → ``{undone: [sample_id, …], count}``. A second request with the same
    ``undo_id`` undoes nothing more.
    """
    body = call.body or {}
    wanted = {name: _text(body, name) for name in ("undo_id", "decision_id", "batch_id")}
    undone = call.workspace.undo(actor=call.claims.actor, **wanted)
    return {
        "count": len(undone),
        "undone": [d.sample_id for d in undone[:MAX_BATCH]],
    }


def redo(call: Call) -> dict[str, Any]:
    """Decide again what an undo took back: the one that is named, else this person's last step if it was one.

    ``{redo_id?, undo_id?}`` → ``{redone: [sample_id, …], count}``. A second request with the same ``redo_id`` adds
    nothing more.
    """
    body = call.body or {}
    again = call.workspace.redo(call.claims.actor, undo_id=_text(body, "undo_id"), redo_id=_text(body, "redo_id"))
    return {"count": len(again), "redone": [d.sample_id for d in again[:MAX_BATCH]]}
