"""Labelling many samples at once: GET /api/labelling, POST /api/propagate, /api/label-group and /api/classes."""

from __future__ import annotations

import time
from dataclasses import asdict
from math import isnan
from typing import Any

from winnow.app.api.endpoint import Call, Conflict
from winnow.app.session import filters
from winnow.core import DecisionError, Filter, QueryError, Right, plural

THRESHOLD = 0.9
"""Least probability that is proposed at first."""


MOST_GROUPED = 50_000
"""Samples up to which a group is labelled together; a larger one is no group of samples like each other."""
MOST_NAMES = 1_000
"""Classes that are added at once, at most."""


def progress(call: Call, threshold: float, flt: Filter) -> dict[str, Any]:
    """How far labelling has come, and what accepting at ``threshold`` within a filter would do."""
    labeller = call.workspace.labeller
    ids = call.workspace.query.id_set(flt)
    estimate = asdict(labeller.estimate(threshold, ids))
    group = None
    if is_group(flt) and len(ids) <= MOST_GROUPED:
        fits, outliers = labeller.alike(ids)
        group = {"count": len(fits), "outliers": len(outliers)}
    shown = {**estimate, "error": _number(estimate["error"])}
    return {"report": labeller.report(), "estimate": shown, "group": group}


def is_group(flt: Filter) -> bool:
    """Whether a filter names samples that are like each other: a cluster, a selection, an area of the map, a search."""
    return bool(flt.clusters or flt.ids is not None or flt.polygon or flt.searching)


def _filter(call: Call) -> Filter:
    """The filter of a request's body, within its selection."""
    text = str((call.body or {}).get("filter") or "")
    flt = filters.from_query(text)
    handle = filters.parameter(text, "selection")
    return filters.with_ids(flt, call.server.selection(call.key, handle)) if handle else flt


def _number(value: float) -> float | None:
    return None if isnan(value) else round(value, 4)


def labelling(call: Call) -> dict[str, Any]:
    """What accepting the likeliest labels with probability ≥ ``threshold`` would do, and how far labelling has come.

    ``?<filter>&threshold=`` → ``{report, estimate: {threshold, count, of, error, by_class}, group, generation}``.
    ``group``: where the filter names samples like each other, how many one label would fit, and how many outliers
    are left out.
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
    ids = call.workspace.query.id_set(_filter(call))
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


def label_group(call: Call) -> dict[str, Any]:
    """Give the samples of a cluster, a selection or a search one label, but for its outliers: one batch.

    ``{label, expect, filter, batch_id?}`` → ``{count, outliers, batch_id, saved_at}``. ``expect`` is the count that the
    button showed; where it is no longer right, nothing is recorded and the answer is 409 with the ``count``.
    """
    body = call.body or {}
    label, expect, batch_id = body.get("label"), body.get("expect"), body.get("batch_id")
    if not isinstance(label, str) or not isinstance(expect, int):
        raise QueryError("Labelling samples like each other needs the label and the count shown (expect).")
    if batch_id is not None and not isinstance(batch_id, str):
        raise DecisionError(f"batch_id must be text, not {batch_id!r}.")
    call.workspace.roles.require(call.claims.actor, Right.DECIDE)
    flt = _filter(call)
    if not is_group(flt):
        raise QueryError("These samples are no group. Choose a cluster, or select some on the Map.")
    with call.server.heavy:
        fits, outliers = call.workspace.labeller.alike(call.workspace.query.id_set(flt))
        if len(fits) != expect:
            raise Conflict(
                f"These are {plural(len(fits), 'sample')} now, not {expect:,}: something changed meanwhile. "
                "Nothing was done. Look again and repeat.",
                count=len(fits),
            )
        if not fits:
            raise DecisionError("There are no samples to label.")
        batch = call.workspace.decide_many(fits, "relabel", label=label, actor=call.claims.actor, batch_id=batch_id)
    return {"count": len(fits), "outliers": len(outliers), "batch_id": batch.batch_id, "saved_at": time.time()}


def add_classes(call: Call) -> dict[str, Any]:
    """Add classes that no sample has yet.

    ``{names}`` → ``{added, refused}``; ``refused`` says why, for each name that cannot be a class.
    """
    names = (call.body or {}).get("names")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise QueryError("Adding classes needs their names, a list of texts.")
    if len(names) > MOST_NAMES:
        raise QueryError(f"At most {MOST_NAMES:,} classes are added at once, not {len(names):,}. Send them in parts.")
    added, refused = [], []
    for name in names:
        try:
            call.workspace.class_editor.add(name, actor=call.claims.actor)
            added.append(name.strip())
        except DecisionError as error:
            refused.append(str(error))
    return {"added": added, "refused": refused}
