"""Everything that a review card shows of a sample, as plain values for JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import plural
from ..storage.decision_log.state import PROPAGATED
from ..storage.effective_labels import MERGED_REASON, suggestions, verdict_without_noise
from ..storage.parquet_rows import RowReader
from ..storage.scan_context import ScanContext
from ..storage.tag_tables import EDITS
from ..types import ISSUE_KINDS, Decision, Kind

NEIGHBOR_TEXT = 200
"""Characters of a neighbour's text on a card."""

META_LIMIT = 2_000
"""Longest metadata value shown on a card, in characters."""


OFFERED = 9
"""Tags that a card offers beside those that the sample carries: one for each digit key."""


def tag_parts(scan: ScanContext) -> Callable[[int], dict[str, Any]]:
    """Make what a card shows of tags, by row; nothing where samples have none.

    ``tags``: given, now, missing and extra ([tag, probability that what is given is wrong, reason]) and offered
    ([tag, probability that the sample carries it], the likeliest first, without the given ones).
    """
    now = scan.tags
    if now is None:
        return lambda row: {}
    tables = now.tables

    def parts(row: int) -> dict[str, Any]:
        flagged = tables.samples.slice(row, 1).to_pylist()[0]
        edits = {
            kind: [
                [tag, round(p, 4), why]
                for tag, p, why in zip(flagged[kind], flagged[f"{kind}_p"], flagged[f"{kind}_reasons"], strict=True)
            ]
            for kind in EDITS
        }
        given, belief = tables.of_row(row), np.nan_to_num(np.asarray(tables.belief[row], np.float32))
        order = np.argsort(-belief, kind="stable")
        offered = [[tables.names[t], round(float(belief[t]), 4)] for t in order if tables.names[t] not in given]
        carried = tables.given.indices[tables.given.indptr[row] : tables.given.indptr[row + 1]]
        believed = {tables.names[t]: round(float(belief[t]), 4) for t in carried}
        return {
            "tags": {
                "given": given,
                "now": now.at([row])[0],
                "annotated": flagged["tags"] is not None,
                "belief": believed,
                "offered": offered[:OFFERED],
                **edits,
            }
        }

    return parts


class CardBuilder:
    """Builds cards from a workspace's tables.

    Parameters
    ----------
    scan
        The scan that the cards are about.
    """

    def __init__(self, scan: ScanContext) -> None:
        self._dataset, self._verdicts, self._ids, self._classes = scan.dataset, scan.verdicts, scan.ids, scan.labels
        self._signals, self._meta = (
            RowReader(path) if path.exists() else None for path in (scan.layout.signals, scan.layout.meta)
        )
        self._graph, self._modality = scan.files.label_graph, scan.results["modality"]
        self._tags, self._now = tag_parts(scan), scan.tags
        self._apart = {"__sample_id", *(self._now.tables.form.columns if self._now is not None else ())}

    def make(
        self, rows: Sequence[int], decisions: Mapping[str, Mapping[str, Decision]], k: int = 8
    ) -> list[dict[str, Any]]:
        """One card per row. ``decisions``: sample id → person → the decision in force."""
        tables = zip(self._dataset.take(rows), self._verdicts.take(rows), strict=True)
        scores = self._signals.take(rows) if self._signals else [{} for _ in rows]
        metas = self._meta.take(rows) if self._meta else [{} for _ in rows]
        return [
            self._card(row, who, verdict, score, meta, decisions, k)
            for row, (who, verdict), score, meta in zip(rows, tables, scores, metas, strict=True)
        ]

    def _card(
        self,
        row: int,
        who: dict[str, Any],
        verdict: dict[str, Any],
        score: dict[str, Any],
        meta: dict[str, Any],
        decisions: Mapping[str, Mapping[str, Decision]],
        k: int,
    ) -> dict[str, Any]:
        sample_id, given = who["sample_id"], self._classes.given()[row]
        verdict = _settled(verdict) if self._classes.suggestion_merged()[row] else verdict
        place = [verdict["x"], verdict["y"]]
        return {
            "id": sample_id,
            "row": int(row),
            "modality": self._modality,
            "text": who["text"],
            "width": who["width"],
            "height": who["height"],
            "label": given,
            "suggestions": suggestions(verdict["suggested"], verdict["suggested_prob"], given, self._classes.renames()),
            "verdict": verdict["verdict"],
            "confidence": _round(verdict["confidence"]),
            "reason": _with_words(verdict["reasons"], score.get("ood_zero_shot.reasons")),
            "kinds": {
                kind.value: {
                    "p": _round(verdict[kind.value]),
                    "flag": bool(verdict[f"{kind.value}_flag"]),
                    "reason": verdict[f"{kind.value}_reason"],
                }
                for kind in ISSUE_KINDS
            },
            "scores": {name: _round(v) for name, v in score.items() if isinstance(v, float) and v == v},
            "neighbors": self._neighbors(row, k),
            "duplicate_of": verdict["duplicate_of"],
            "duplicate_group": verdict["duplicate_group"],
            "split": who["split"],
            "source": who["source"],
            "cluster": verdict["cluster"],
            "xy": [_round(v) for v in place] if all(v == v for v in place) else None,
            **self._tags(row),
            "meta": {name: _short(v) for name, v in meta.items() if name not in self._apart},
            "decisions": [as_json(d) for d in decisions.get(sample_id, {}).values()],
        }

    def _neighbors(self, row: int, k: int) -> list[dict[str, Any]]:
        """The nearest samples with their labels in force, and whether each agrees with the sample's own."""
        if self._graph is None:
            return []
        near = np.asarray(self._graph.indices[row, :k])
        far = np.asarray(self._graph.distances[row, :k])
        out = []
        texts: list[str | None] = [None] * int((near >= 0).sum())
        if self._modality in ("text", "pair"):
            texts = [(who["text"] or "")[:NEIGHBOR_TEXT] for who in self._dataset.take(near[near >= 0].tolist())]
        others = near[near >= 0].tolist()
        label, *labels = self._classes.effective_at([row, *others])
        now = self._now.at([row, *others]) if self._now is not None else []
        for i, (other, theirs, distance, text) in enumerate(zip(others, labels, far[near >= 0], texts, strict=True), 1):
            neighbor = {
                "id": self._ids[other],
                "text": text,
                "label": theirs,
                "distance": _round(float(distance)),
                "agrees": None if label is None or theirs is None else theirs == label,
            }
            if now:  # a neighbour without any of the sample's tags disagrees
                neighbor |= {"tags": now[i], "agrees": not now[0] or not now[i] or bool({*now[0]} & {*now[i]})}
            out.append(neighbor)
        return out


def _settled(verdict: dict[str, Any]) -> dict[str, Any]:
    """The verdict of a sample whose given and suggested label became one class."""
    noisy = Kind.NOISY_LABEL.value
    out = {**verdict, noisy: 0.0, f"{noisy}_flag": False, f"{noisy}_reason": MERGED_REASON}
    if verdict["verdict"] == noisy:
        out["verdict"] = verdict_without_noise(verdict[f"{Kind.HARD.value}_flag"], verdict[f"{Kind.NAIVE.value}_flag"])
        out["reasons"] = MERGED_REASON
    return out


def _with_words(reasons: str | None, negative: str | None) -> str | None:
    """The reasons, and the word that fits the sample better than every class, where there is one."""
    if not negative:
        return reasons
    reason = f"{reasons.rstrip('.')}. " if reasons else ""
    return f"{reason}By its words it {negative}."


def as_json(d: Decision) -> dict[str, Any]:
    """A decision as the browser sees it; ``probability`` is that of a propagated label that it accepted, else null."""
    return {
        "decision_id": d.decision_id,
        "sample_id": d.sample_id,
        "action": d.action.value,
        "label": d.label,
        "tags": None if d.tags is None else list(d.tags),
        "actor": d.actor,
        "at": d.at,
        "reason": d.reason,
        "supersedes": d.supersedes,
        "batch_id": d.batch_id,
        "probability": d.evidence.get(PROPAGATED, {}).get("probability"),
        "seq": d.seq,
    }


def _round(value: float | None, digits: int = 4) -> float | None:
    return None if value is None or value != value else round(float(value), digits)


def _short(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    text = plural(len(value), "byte") if isinstance(value, (bytes, bytearray)) else str(value)
    return text if len(text) <= META_LIMIT else text[:META_LIMIT] + "…"
