"""GET /api/meaning and /api/evidence: what words, and what the signals, say about a sample."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from winnow.app.api.endpoint import Call
from winnow.core import QueryError

PROPOSALS = 3
"""Most captions of similar images that are offered for an image–text pair."""


def meaning(call: Call) -> dict[str, Any]:
    """Explain one sample in words.

    ``?id=`` → ``{id, proposals, by_words, influence, why, generation}``. ``proposals``: captions of similar images
    that fit an image better than its own. With ``words=1`` also ``by_words``: {classes: [[name, p] × ≤3], between,
    negative}, None where the encoder does not embed words; and ``influence``: {label, belief, stability, words:
    [{start, end, influence}, …]} for ``label``, by default the given one, None where there is no embedded text.
    ``start`` and ``end`` count code points. ``why`` says what is missing.
    """
    ws, sample = call.workspace, call.get("id")
    (card,) = ws.cards([sample])
    answer: dict[str, Any] = {
        "id": sample,
        "proposals": [],
        "by_words": None,
        "influence": None,
        "why": "",
        "generation": call.generation,
    }
    if card["modality"] == "pair":
        answer["proposals"] = [asdict(p) for p in ws.image_text_pairs.offered(sample, PROPOSALS)]
    if not call.get("words"):
        return answer
    answer["why"] = ws.zero_shot.why_not()
    if not answer["why"]:
        answer["by_words"] = asdict(ws.zero_shot.by_words(ws.row(sample)))
    label = call.get("label") or card["label"]
    if card["modality"] == "text" and card["text"] and label:
        try:
            answer["influence"] = asdict(ws.zero_shot.influence(card["text"], label))
        except QueryError as error:
            answer["why"] = str(error)
    return answer


def evidence(call: Call) -> dict[str, Any]:
    """What the signals of one kind say of a sample, the most suspicious first.

    ``?id=&kind=`` → ``{id, kind, signals: [{name, title, explain, formula, value, percentile, suggestion}, …],
    generation}``.
    """
    sample, kind = call.get("id"), call.get("kind")
    signals = [asdict(e) for e in call.workspace.evidence(sample, kind)]
    return {"id": sample, "kind": kind, "signals": signals, "generation": call.generation}
