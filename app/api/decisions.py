"""POST /api/decisions, /api/bulk and /api/undo: what a person decides, recorded as it happens."""

from __future__ import annotations

import time
from typing import Any

from winnow.app.api.endpoint import Call, Conflict
from winnow.app.session import filters
from winnow.core import DecisionError, QueryError

MAX_BATCH = 500
FIELDS = ("decision_id", "sample_id", "action", "label", "supersedes", "reason")


def _text(item: dict[str, Any], name: str) -> str | None:
    value = item.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise DecisionError(f"{name} of a decision must be text, not {value!r}.")
    return value


def decisions(call: Call) -> dict[str, Any]:
    """``{decisions: [{decision_id, sample_id, action, label?, supersedes?, reason?, settles?}, …]}`` → ``{results, saved_at}``.

    Recorded in order; a ``decision_id`` that is already there is a no-op with the same answer, so a batch can be sent
    again. The actor is the token's. One result per decision: ``{decision_id, status, error?, …}``.
    """
    batch = (call.body or {}).get("decisions")
    if not isinstance(batch, list) or not batch or not all(isinstance(item, dict) for item in batch):
        raise DecisionError("A batch is a list of decisions.")
    if len(batch) > MAX_BATCH:
        raise DecisionError(f"A batch holds at most {MAX_BATCH} decisions, not {len(batch):,}. Send it in parts.")
    clean: list[dict[str, Any]] = [{name: _text(item, name) for name in FIELDS if name in item} for item in batch]
    for item, kept in zip(batch, clean, strict=True):
        if item.get("settles") is True:
            kept["settles"] = True
    return {"results": call.workspace.record(clean, actor=call.claims.actor), "saved_at": time.time()}


def _target(call: Call, target: dict[str, Any]) -> list[str]:
    if (handle := target.get("selection")) is not None:
        ids = call.server.selection(call.key, str(handle))
        if target.get("filter"):
            return list(call.workspace.ids(filters.with_ids(filters.from_query(str(target["filter"])), ids)))
        return ids
    if (ids := target.get("ids")) is not None:
        if not isinstance(ids, list) or not all(isinstance(i, str) for i in ids):
            raise QueryError("ids must be a list of sample ids.")
        return list(dict.fromkeys(ids))
    if (query := target.get("filter")) is not None:
        return list(call.workspace.ids(filters.from_query(str(query))))
    raise QueryError("A bulk action names its samples by filter, selection or ids.")


def bulk(call: Call) -> dict[str, Any]:
    """``{action, label?, reason?, batch_id?, expect, target: {filter | selection | ids}}`` → ``{count, batch_id}``.

    ``expect`` is the count that was printed on the button. When the samples are not that many any more, nothing is
    done and the answer is 409 with the ``count`` that it would be.
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
            f"These are {len(ids):,} samples now, not {expect:,}: something changed meanwhile. "
            "Nothing was done. Look again and repeat.",
            count=len(ids),
        )
    if not ids:
        raise DecisionError("There are no samples to decide about.")
    done = call.workspace.decide_many(
        ids,
        action,
        label=_text(body, "label"),
        reason=_text(body, "reason"),
        actor=call.claims.actor,
        batch_id=_text(body, "batch_id"),
    )
    return {"count": len(ids), "batch_id": done.batch_id, "saved_at": time.time()}


def changes(call: Call) -> dict[str, Any]:
    """``?since=SEQ`` → ``{head, decisions, classes}``: the rows of the log after SEQ, the oldest first, at most 500, so that
    people on one workspace see each other's decisions. ``more``: ask again from the last ``seq``. ``classes``: how many
    changes of classes there were.
    """
    since = call.number("since", call.head, 0, 10**12)
    found: list[Any] = []
    if call.head > since:
        log = call.workspace.history(limit=call.head - since)
        found = [d for d in reversed(log) if d.seq > since]
    rows = [
        {
            "seq": d.seq,
            "sample_id": d.sample_id,
            "action": str(d.action),
            "label": d.label,
            "actor": d.actor,
            "at": d.at,
        }
        for d in found[:MAX_BATCH]
    ]
    more = len(found) > MAX_BATCH
    return {"head": rows[-1]["seq"] if rows else call.head, "more": more, "decisions": rows, "classes": call.classes}


def undo(call: Call) -> dict[str, Any]:
    """``{undo_id?, decision_id?, batch_id?}`` → ``{undone: [sample_id, …], count}``.

    Takes back exactly the decision or batch that is named, else this person's last step. The same ``undo_id`` again
    takes nothing more back.
    """
    body = call.body or {}
    wanted = {name: _text(body, name) for name in ("undo_id", "decision_id", "batch_id")}
    undone = call.workspace.undo(actor=call.claims.actor, **wanted)
    return {
        "count": len(undone),
        "undone": [d.sample_id for d in undone[:MAX_BATCH]],
    }
