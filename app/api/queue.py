"""Queues: GET /api/cards, /api/like, /api/rows and /api/labels, for the review card and the gallery.

A **queue** is the order of ids that one tab works through, kept on the server under a handle, so that decisions made
meanwhile do not shift the cards that are still to come. The tab keeps its own cursor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from winnow.app.api.endpoint import Call
from winnow.app.api.labelling import THRESHOLD, progress
from winnow.app.session import filters
from winnow.core import Filter, IdSet, WinnowError

DEFAULT_SORT = "-confidence"
LABEL_SORT = "to_label"
"""The order of the Label page."""
AUDIT_SORT = "audit"
"""The order of the Audit page, whose cards say nothing but the label to be judged."""
LABELLED_AHEAD = 200
"""Samples that it puts in order; the others follow by row."""
MAX_CARDS = 200
MAX_ROWS = 500
MAX_LAST = 10
"""Most decisions for which similar samples are looked up in one request."""
MAX_TILES = 120
"""Most samples of an offer that are shown."""
NEIGHBOUR_TEXT = 160
"""Most characters of a neighbour's text on a card."""


def _build(call: Call) -> tuple[str, Sequence[str]]:
    sort = call.get("sort") or DEFAULT_SORT
    if sort == AUDIT_SORT:
        ids = IdSet.of(call.workspace.audit.next_ids())
        return call.server.keep_selection(call.key, ids), ids
    ids = call.workspace.query.id_set(call.filter(), "row" if sort == LABEL_SORT else sort)
    if sort == LABEL_SORT:
        ids = _to_label(call, ids)
    return call.server.keep_selection(call.key, ids), ids


def _to_label(call: Call, ids: IdSet) -> IdSet:
    """The samples that say most about the others come first."""
    first = call.workspace.labeller.next_ids(LABELLED_AHEAD, ids)
    return ids.difference(first).prepend(first)


def _reordered(call: Call, old: Sequence[str], cursor: int) -> tuple[IdSet, dict[str, Any] | None]:
    """Re-rank the queue after ``cursor`` by what the decisions so far have taught.

    Returns the new order, and what changed; None where the queue is not ordered by suspicion.
    """
    handed_out = old[:cursor]
    sort = call.get("sort") or DEFAULT_SORT
    if sort == AUDIT_SORT:
        return IdSet.of(call.workspace.audit.next_ids()).difference(handed_out).prepend(handed_out), None
    if sort == LABEL_SORT:
        open_ = call.workspace.query.id_set(call.filter(), "row").difference(handed_out)
        return _to_label(call, open_).prepend(handed_out), {"labelling": progress(call, THRESHOLD, call.filter())}
    rest = IdSet.of(call.workspace.query.id_set(call.filter(), sort)).difference(handed_out)
    ranker = call.workspace.queue_ranker
    if not ranker.can_order(sort):
        return rest.prepend(handed_out), None
    ordered, moved = ranker.order(
        rest.reorder_like(old), sort
    )  # changes are counted against the order that the tab has
    return IdSet.of(ordered).prepend(handed_out), {"moved": moved.count, "words": moved.words(), **_round(call, sort)}


def _round(call: Call, sort: str) -> dict[str, Any]:
    """Precision so far, what is left and whether to stop, and an offer to decide similar samples alike."""
    ranker = call.workspace.queue_ranker
    everything = call.workspace.query.id_set(replace(call.filter(), state="any"), sort)
    last = [value for name, value in call.query if name == "last"][:MAX_LAST]
    offers = [offer for offer in map(ranker.similar_offer, last) if offer is not None]
    best = max(offers, key=lambda offer: len(offer.ids), default=None)
    return {
        "precision": [p.as_json() for p in ranker.precision() if p.decided],
        "advice": ranker.advice(everything, sort).as_json(),
        "noise": {"scan": ranker.scanned_noise_rate(), **asdict(ranker.noise_rate())},
        "offer": None if best is None else _offer(best),
    }


def _offer(offer: Any) -> dict[str, Any]:
    names = ("sample_id", "action", "label", "what", "agreeing", "of")
    return {**{n: getattr(offer, n) for n in names}, "count": len(offer.ids), "expected": round(offer.expected)}


def like(call: Call) -> dict[str, Any]:
    """Samples that would get the decision that one sample got. Nothing is decided.

    ``?id=`` → ``{offer, generation}``. The offer holds all ``ids``, their ``probability``, and ``tiles`` of the
    first; it is null where too few are sure enough.
    """
    offer = call.workspace.queue_ranker.similar_offer(call.get("id"))
    if offer is None:
        return {"offer": None, "generation": call.generation}
    first = offer.ids[:MAX_TILES]
    rows = call.workspace.rows(filters.with_ids(Filter(), first), "row", 0, len(first))
    by_id = {row["sample_id"]: call.links(row) for row in rows}
    tiles = [
        {"id": i, "thumb": by_id[i]["thumb"], "label": by_id[i]["label"], "text": by_id[i].get("text"), "p": p}
        for i, p in zip(first, offer.probability, strict=False)
        if i in by_id
    ]
    answer = {**_offer(offer), "ids": offer.ids, "probability": offer.probability, "tiles": tiles}
    return {"offer": answer, "generation": call.generation}


def _add_texts(call: Call, cards: list[dict[str, Any]]) -> None:
    """Add the texts of the neighbours: a picture is fetched by its link, a text has to be sent along."""
    ids = {n["id"] for card in cards for n in card.get("neighbors") or () if card.get("text") is not None}
    if not ids:
        return
    rows = call.workspace.rows(filters.with_ids(Filter(), ids), "row", 0, len(ids))
    texts = {row["sample_id"]: (row.get("text") or "")[:NEIGHBOUR_TEXT] for row in rows}
    for card in cards:
        card["neighbors"] = [{**n, "text": texts.get(n["id"])} for n in card.get("neighbors") or ()]


def _cards(call: Call, ids: Sequence[str]) -> list[dict[str, Any]]:
    cards = call.workspace.cards(ids) if ids else []
    if call.get("sort") == AUDIT_SORT:
        cards = call.workspace.audit.cards(cards)
    _add_texts(call, cards)
    return [call.links(card) for card in cards]


def cards(call: Call) -> dict[str, Any]:
    """The next cards of a queue (``?<filter>&sort=&queue=&cursor=&limit=``), or certain cards (``?id=…&id=…``).

    → ``{queue, cursor, total, restarted, generation, cards}``. Without ``queue`` a queue is made from the filter, and
    also where the server no longer has it (``restarted``); ``cursor`` then counts in the new queue, and a tab skips
    the cards that it already holds.

    ``reorder=1`` re-ranks what comes after ``cursor`` by what the decisions have taught, and adds ``order`` (the next
    ids) and ``round`` (what changed, precision, what is left, and an offer to decide samples similar to those in
    ``last`` alike). Cards between ``cursor`` and ``sent``, which the tab holds, are not sent again.
    """
    wanted = [value for key, value in call.query if key == "id"]
    if wanted:
        return {"cards": _cards(call, wanted[:MAX_CARDS]), "generation": call.generation}
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
        if call.get("sort") == LABEL_SORT:
            held = set()  # their suggestions are new
        with call.server.heavy:
            ids, changes = _reordered(call, ids, cursor)
        page: Sequence[str] = ids[cursor : cursor + limit]
        return {
            "queue": call.server.keep_selection(call.key, ids),
            "cursor": cursor + len(page),
            "total": len(ids),
            "restarted": False,
            "generation": call.generation,
            "order": page,
            "round": changes,
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
    """One page of matching samples.

    ``?<filter>&sort=&group=&offset=&limit=&selection=`` → ``{total, offset, rows, generation}``.
    """
    offset, limit = call.number("offset", 0, 0, 10**9), call.number("limit", 200, 1, MAX_ROWS)
    flt = call.filter()
    page = call.workspace.rows(flt, call.get("sort") or DEFAULT_SORT, offset, limit, call.get("group"))
    return {
        "total": call.workspace.query.matching(flt),
        "offset": offset,
        "generation": call.generation,
        "rows": [call.links(row) for row in page],
    }


def labels(call: Call) -> dict[str, Any]:
    """Every label and every tag that can be given: the dataset's, and those that people added."""
    ws = call.workspace
    tags = [{"name": name, "count": n} for name, n in ws.tags.now.counts().items()] if ws.has_tags else None
    return {"labels": list(ws.classes()), "tags": tags, "generation": call.generation}
