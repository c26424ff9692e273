"""GET /api/cards, /api/like, /api/rows and /api/labels: what the review card and the gallery show next.

A **queue** is the order of ids that one tab works through, kept on the server under a handle, so that decisions made
meanwhile never shift the cards that were not handed out. The tab keeps its own cursor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from winnow.app.api.endpoint import Call
from winnow.app.session import filters
from winnow.core import IdSet, WinnowError

DEFAULT_SORT = "-confidence"
MAX_CARDS = 200
MAX_ROWS = 500
MAX_LAST = 10
"""Decisions whose likes are looked for in one request."""
MAX_TILES = 120
"""Samples of an offer that are shown."""
NEIGHBOUR_TEXT = 160
"""Characters of a neighbour's text on a card."""


def _build(call: Call) -> tuple[str, Sequence[str]]:
    ids = call.workspace.query.id_set(call.filter(), call.get("sort") or DEFAULT_SORT)
    return call.server.keep_selection(call.key, ids), ids


def _reordered(call: Call, old: Sequence[str], cursor: int) -> tuple[IdSet, dict[str, Any] | None]:
    """What was handed out stays where it is; the rest takes the newest order, by what the decisions teach. With what
    changed, None where the order is not one by suspicion.
    """
    handed = old[:cursor]
    sort = call.get("sort") or DEFAULT_SORT
    rest = IdSet.of(call.workspace.query.id_set(call.filter(), sort)).difference(handed)
    rounds = call.workspace.queue_ranker
    if not rounds.can_order(sort):
        return rest.prepend(handed), None
    # what changed is told against the order that the tab has
    ordered, moved = rounds.order(rest.reorder_like(old), sort)
    return IdSet.of(ordered).prepend(handed), {"moved": moved.count, "words": moved.words(), **_learnt(call, sort)}


def _learnt(call: Call, sort: str) -> dict[str, Any]:
    """Precision so far, what is left and whether to stop, and an offer to decide the same for samples like the last."""
    rounds = call.workspace.queue_ranker
    everything = call.workspace.query.id_set(replace(call.filter(), state="any"), sort)
    offers = [
        o for o in map(rounds.similar_offer, [v for k, v in call.query if k == "last"][:MAX_LAST]) if o is not None
    ]
    best = max(offers, key=lambda o: len(o.ids), default=None)
    return {
        "precision": [p.as_json() for p in rounds.precision() if p.decided],
        "advice": rounds.advice(everything, sort).as_json(),
        "noise": {"scan": rounds.scanned_noise_rate(), **asdict(rounds.noise_rate())},
        "offer": None if best is None else _offer(best),
    }


def _offer(offer: Any) -> dict[str, Any]:
    names = ("sample_id", "action", "label", "what", "said", "of")
    return {**{n: getattr(offer, n) for n in names}, "count": len(offer.ids), "expected": round(offer.expected)}


def like(call: Call) -> dict[str, Any]:
    """``?id=`` → samples that would get the decision that this one got: ``{offer}`` with all ``ids``, their
    ``probability``, and ``tiles`` of the first; ``offer`` null where too few are sure enough. Nothing is decided.
    """
    offer = call.workspace.queue_ranker.similar_offer(call.get("id"))
    if offer is None:
        return {"offer": None, "generation": call.generation}
    first = offer.ids[:MAX_TILES]
    found = call.workspace.rows(filters.with_ids(filters.Filter(), first), "row", 0, len(first))
    tile = {row["sample_id"]: call.links(row) for row in found}
    tiles = [
        {"id": i, "thumb": tile[i]["thumb"], "label": tile[i]["label"], "text": tile[i].get("text"), "p": p}
        for i, p in zip(first, offer.probability, strict=False)
        if i in tile
    ]
    shown = {**_offer(offer), "ids": offer.ids, "probability": offer.probability, "tiles": tiles}
    return {"offer": shown, "generation": call.generation}


def _texts(call: Call, shown: list[dict[str, Any]]) -> None:
    """Give the neighbours of texts their texts: a picture is fetched by link, a text has to come along."""
    ids = {n["id"] for card in shown for n in card.get("neighbors") or () if card.get("text") is not None}
    if not ids:
        return
    found = call.workspace.rows(filters.with_ids(filters.Filter(), ids), "row", 0, len(ids))
    said = {row["sample_id"]: (row.get("text") or "")[:NEIGHBOUR_TEXT] for row in found}
    for card in shown:
        card["neighbors"] = [{**n, "text": said.get(n["id"])} for n in card.get("neighbors") or ()]


def _cards(call: Call, ids: list[str]) -> list[dict[str, Any]]:
    shown = call.workspace.cards(ids) if ids else []
    _texts(call, shown)
    return [call.links(c) for c in shown]


def cards(call: Call) -> dict[str, Any]:
    """``?<filter>&sort=&queue=&cursor=&limit=`` → the next cards of a queue; ``?id=…&id=…`` → those cards.

    Answers ``{queue, cursor, total, restarted, cards}``. Without ``queue`` (or when the server no longer has it:
    ``restarted``) a queue is made from the filter; ``cursor`` then counts in the new queue, and a tab leaves out what it
    already holds.

    ``reorder=1`` re-orders what comes after ``cursor`` by what the decisions teach, and answers with ``order`` (the next
    ids) and ``round`` (what changed, precision, what is left, an offer to decide the same for samples like those named
    by ``last``). Cards between ``cursor`` and ``sent``, which the tab holds, are not sent again.
    """
    asked = [value for key, value in call.query if key == "id"]
    if asked:
        return {"cards": _cards(call, asked[:MAX_CARDS]), "generation": call.generation}
    limit = call.number("limit", 100, 1, MAX_CARDS)
    cursor = call.number("cursor", 0, 0, 10**9)
    handle, restarted = call.get("queue"), False
    if handle:
        try:
            ids = call.server.selection(call.key, handle)
        except WinnowError:
            handle, restarted = "", True
    if not handle:
        handle, ids = _build(call)
        cursor = 0
    elif call.get("reorder"):
        held = set(ids[cursor : call.number("sent", cursor, cursor, 10**9)])
        with call.server.heavy:
            ids, learnt = _reordered(call, ids, cursor)
        page = ids[cursor : cursor + limit]
        return {
            "queue": call.server.keep_selection(call.key, ids),
            "cursor": cursor + len(page),
            "total": len(ids),
            "restarted": False,
            "generation": call.generation,
            "order": page,
            "round": learnt,
            "cards": _cards(call, [i for i in page if i not in held]),
        }
    page = ids[cursor : cursor + limit]
    return {
        "queue": handle,
        "cursor": cursor + len(page),
        "total": len(ids),
        "restarted": restarted,
        "generation": call.generation,
        "cards": _cards(call, page),
    }


def rows(call: Call) -> dict[str, Any]:
    """``?<filter>&sort=&group=&offset=&limit=&selection=`` → ``{total, offset, rows, generation}``."""
    offset, limit = call.number("offset", 0, 0, 10**9), call.number("limit", 200, 1, MAX_ROWS)
    flt = call.filter()
    found = call.workspace.rows(flt, call.get("sort") or DEFAULT_SORT, offset, limit, call.get("group"))
    return {
        "total": call.workspace.query.matching(flt),
        "offset": offset,
        "generation": call.generation,
        "rows": [call.links(r) for r in found],
    }


def labels(call: Call) -> dict[str, Any]:
    """Every label that can be given: the dataset's and those that decisions added."""
    return {"labels": list(call.workspace.classes()), "generation": call.generation}
