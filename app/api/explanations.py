"""GET /api/meaning: what words make of a sample."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from winnow.app.api.endpoint import Call
from winnow.core import QueryError

PROPOSALS = 3
"""Captions of look-alikes that are offered for a pair."""


def meaning(call: Call) -> dict[str, Any]:
    """``?id=`` → ``{id, proposals}``: captions of look-alikes that fit an image better than its own. With ``words=1`` also
    ``by_words`` ({classes: [[name, p] × ≤3], between, negative}, None where the encoder knows no words) and ``influence``
    ({label, belief, stability, words: [{start, end, influence}, …]} about ``label`` or the given one, None where there is no
    text that was embedded). ``start`` and ``end`` count characters (code points). ``why`` says what is missing.
    """
    ws, sample = call.workspace, call.get("id")
    (card,) = ws.cards([sample])
    found: dict[str, Any] = {
        "id": sample,
        "proposals": [],
        "by_words": None,
        "influence": None,
        "why": "",
        "generation": call.generation,
    }
    if card["modality"] == "pair":
        found["proposals"] = [asdict(p) for p in ws.image_text_pairs.offered(sample, PROPOSALS)]
    if not call.get("words"):
        return found
    found["why"] = ws.zero_shot.why_not()
    if not found["why"]:
        found["by_words"] = asdict(ws.zero_shot.by_words(ws.row(sample)))
    label = call.get("label") or card["label"]
    if card["modality"] == "text" and card["text"] and label:
        try:
            found["influence"] = asdict(ws.zero_shot.influence(card["text"], label))
        except QueryError as error:
            found["why"] = str(error)
    return found
