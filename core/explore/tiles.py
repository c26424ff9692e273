"""The rows of a page as tiles: what a gallery shows of each sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..types import ISSUE_KINDS
from .sql import EFFECTIVE_TAGS, Cursor, quote

TILE_TEXT = 500
"""Characters of a text that a tile carries."""

_SAMPLE = {
    "row": "d.row",
    "sample_id": "d.sample_id",
    "label": "d.label",
    "suggested": "v.suggested_label",
    "suggested_prob": "v.suggested_prob[1]",
    "verdict": "v.verdict",
    "confidence": "v.confidence",
    "reasons": "v.reasons",
    "text": f"left(d.text, {TILE_TEXT})",
    "split": "d.split",
    "source": "d.source",
    "cluster": "v.cluster",
    "duplicate_of": "v.duplicate_of",
    "duplicate_group": "v.duplicate_group",
    "width": "d.width",
    "height": "d.height",
}
_DECISION = {
    "action": "s.state",
    "label": "s.label",
    "actor": "s.actor",
    "at": "s.at",
    "reason": "s.reason",
    "n_people": "s.n_people",
}


_TAGS = {"tags": EFFECTIVE_TAGS, "tags_given": "t.tags", "missing": "t.missing", "extra": "t.extra"}


def tiles(
    ask: Cursor, source: str, rows: Sequence[int], score: tuple[str, str] | None, tagged: bool = False
) -> list[dict[str, Any]]:
    """The tiles of these rows, in this order.

    Parameters
    ----------
    ask
        Runs SQL.
    source
        ``FROM …`` with aliases d (dataset), v (verdicts) and s (decisions in force).
    rows
        Numbers of rows.
    score
        Name and SQL of a further score that each tile carries beside the kinds' own, or None.
    tagged
        Whether samples have tags: the alias t (tags) is there then.
    """
    kinds = [k.value for k in ISSUE_KINDS]
    parts = (
        _SAMPLE.values(),
        _DECISION.values(),
        (quote("v", kind) for kind in kinds),
        (quote("v", f"{kind}_flag") for kind in kinds),
        [score[1]] if score else [],
        _TAGS.values() if tagged else [],
    )
    columns = ", ".join(column for part in parts for column in part)
    place = {row: i for i, row in enumerate(rows)}
    page: list[dict[str, Any]] = [{} for _ in rows]
    for values in ask(f"SELECT {columns} {source} WHERE d.row IN (SELECT unnest(?))", [list(rows)]):
        rest = iter(values)
        tile = {name: next(rest) for name in _SAMPLE}
        decision = {name: next(rest) for name in _DECISION}
        tile["decision"] = decision if decision["action"] else None
        tile["label_now"] = decision["label"] if decision["action"] == "relabel" else tile["label"]
        tile["scores"] = {kind: next(rest) for kind in kinds}
        tile["flags"] = [kind for kind in kinds if next(rest)]
        if score:
            tile["scores"][score[0]] = next(rest)
        if tagged:
            tile |= {name: next(rest) for name in _TAGS}
        page[place[tile["row"]]] = tile
    return page
