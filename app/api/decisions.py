"""Decisions: POST /api/decisions, /api/bulk, /api/suggested, /api/undo and /api/redo, and GET /api/changes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from winnow.app.api.endpoint import Call, Conflict
from winnow.app.session import filters
from winnow.core import DecisionError, QueryError, plural
from winnow.core.types import Action

MAX_BATCH = 500
SUGGESTED = "suggested"
"""The action of a bulk verdict that takes for each sample what its verdict proposes."""
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


def suggested(call: Call) -> dict[str, Any]:
    """What the verdicts propose for many samples. Nothing is decided.

    ``{target: {filter | selection | ids}}`` → ``{of, count, relabel, exclude, expected, generation}``; ``expected`` is
    the share of the ``count`` proposals that is expected to be right.
    """
    target = (call.body or {}).get("target")
    if not isinstance(target, dict):
        raise QueryError("Proposals are asked for with their target.")
    ids = _target(call, target)
    proposals = call.workspace.suggested_decisions.of(ids)
    relabels = sum(p.action is Action.RELABEL for p in proposals)
    return {
        "of": len(ids),
        "count": len(proposals),
        "relabel": relabels,
        "exclude": len(proposals) - relabels,
        "expected": fmean(p.probability for p in proposals) if proposals else None,
        "generation": call.generation,
    }


def bulk(call: Call) -> dict[str, Any]:
    """Record the same decision for many samples, or what each one's verdict proposes, as one batch.

    ``{action, label?, reason?, batch_id?, expect, target: {filter | selection | ids}}`` → ``{count, batch_id,
    saved_at}``. The action "tag" takes ``add`` and ``remove`` (lists of tags); its ``count`` is that of the samples
    that it changes. ``expect`` is the count that the button showed: of samples, or with the action
    "suggested" of proposals. Where it is no longer right, nothing is recorded and the answer is 409 with the current
    ``count``.
    """
    body = call.body or {}
    action = str(body.get("action"))
    target = body.get("target")
    expect = body.get("expect")
    if not isinstance(target, dict) or not isinstance(expect, int):
        raise QueryError("A bulk action needs its target and the count that was shown (expect).")
    ids, batch_id = _target(call, target), _text(body, "batch_id")
    if action == SUGGESTED:
        return _take_suggestions(call, ids, expect, batch_id)
    _as_shown(len(ids), expect, "sample")
    if not ids:
        raise DecisionError("There are no samples to decide about.")
    who = {"reason": _text(body, "reason"), "actor": call.claims.actor, "batch_id": batch_id}
    if action == "tag":
        add, remove = _tags(body, "add") or [], _tags(body, "remove") or []
        if not add and not remove:
            raise DecisionError("Say which tags to add or to remove.")
        batch = call.workspace.edit_tags(ids, add=add, remove=remove, **who)
        return {"count": batch.count, "batch_id": batch.batch_id, "saved_at": time.time()}
    batch = call.workspace.decide_many(ids, action, label=_text(body, "label"), **who)
    return {"count": len(ids), "batch_id": batch.batch_id, "saved_at": time.time()}


def _as_shown(n: int, expect: int, noun: str) -> None:
    """Raise Conflict where a count is no longer the one that the button showed."""
    if n != expect:
        raise Conflict(
            f"These are {plural(n, noun)} now, not {expect:,}: something changed meanwhile. "
            "Nothing was done. Look again and repeat.",
            count=n,
        )


def _take_suggestions(call: Call, ids: Sequence[str], expect: int, batch_id: str | None) -> dict[str, Any]:
    n = call.workspace.batch_sizes({batch_id}).get(batch_id) if batch_id else None
    if n is None:  # not the repetition of a request whose answer was lost
        proposals = call.workspace.suggested_decisions.of(ids)
        _as_shown(len(proposals), expect, "suggestion")
        batch_id, decisions = call.workspace.suggested_decisions.take(proposals, call.claims.actor, batch_id)
        n = len(decisions)
    return {"count": n, "batch_id": batch_id, "saved_at": time.time()}


def changes(call: Call) -> dict[str, Any]:
    """Rows of the log after ``since``, the oldest first, so that people on one workspace see each other's decisions.

    ``?since=SEQ`` → ``{head, more, decisions, classes, badges?}``. At most 500 rows; ``more``: ask again from the last
    ``seq``. ``classes``: how many times others changed the classes. ``badges``: page → the number beside its name,
    where there are rows.
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
    answer: dict[str, Any] = {
        "head": rows[-1]["seq"] if rows else call.head,
        "more": more,
        "decisions": rows,
        "classes": others,
    }
    if rows:
        left, steps = call.workspace.query.matching(filters.FLAGGED), call.workspace.decision_history.count(steps=True)
        answer["badges"] = {"review": left, "history": steps}
    return answer


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
