"""Labelling many samples at once: GET /api/labelling and POST /api/propagate."""

from __future__ import annotations

import time
from dataclasses import asdict
from math import isnan
from typing import Any

from winnow.app.api.endpoint import Call, Conflict
from winnow.app.session import filters
from winnow.core import DecisionError, QueryError, plural

THRESHOLD = 0.9
"""Least probability that is proposed at first."""


def progress(call: Call, threshold: float, flt: Any) -> dict[str, Any]:
    """How far labelling has come, and what accepting at ``threshold`` within a filter would do."""
    labeller = call.workspace.labeller
    estimate = asdict(labeller.estimate(threshold, call.workspace.query.id_set(flt)))
    return {"report": labeller.report(), "estimate": {**estimate, "error": _number(estimate["error"])}}


def _number(value: float) -> float | None:
    return None if isnan(value) else round(value, 4)


def labelling(call: Call) -> dict[str, Any]:
    """What accepting the likeliest labels with probability ≥ ``threshold`` would do, and how far labelling has come.

    ``?<filter>&threshold=`` → ``{report, estimate: {threshold, count, of, error, by_class}, generation}``.
    """
    text = call.get("threshold") or str(THRESHOLD)
    try:
        threshold = float(text)
    except ValueError:
        raise QueryError(f"threshold is a number from 0 to 1, not {text!r}.") from None
    with call.server.heavy:
        return {**progress(call, threshold, call.filter()), "generation": call.generation}


def propagate(call: Call) -> dict[str, Any]:
    """Accept the likeliest label of every sample without one whose probability is at least ``threshold``: one batch.

    ``{threshold, expect, batch_id?, filter?}`` → ``{count, batch_id, error, saved_at}``. ``expect`` is the count that
    the button showed; where it is no longer right, nothing is recorded and the answer is 409 with the ``count``.
    """
    body = call.body or {}
    threshold, expect, batch_id = body.get("threshold"), body.get("expect"), body.get("batch_id")
    if not isinstance(threshold, (int, float)) or not isinstance(expect, int):
        raise QueryError(
            "Accepting propagated labels needs the least probability (threshold) and the count shown (expect)."
        )
    if batch_id is not None and not isinstance(batch_id, str):
        raise DecisionError(f"batch_id must be text, not {batch_id!r}.")
    ids = call.workspace.query.id_set(filters.from_query(str(body.get("filter") or "")))
    with call.server.heavy:
        now = call.workspace.labeller.estimate(float(threshold), ids)
        if now.count != expect:
            raise Conflict(
                f"These are {plural(now.count, 'sample')} now, not {expect:,}: something changed meanwhile. "
                "Nothing was done. Look again and repeat.",
                count=now.count,
            )
        batch, done = call.workspace.labeller.accept(float(threshold), call.claims.actor, ids, batch_id)
    return {"count": done.count, "batch_id": batch, "error": _number(done.error), "saved_at": time.time()}
