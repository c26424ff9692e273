"""Where decisions come in: from words to rows of the log, with what the scan said of each sample kept beside them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from ..errors import DecisionError, QueryError, choices
from ..explore.cards import as_json
from ..storage.artifacts import load_table
from ..storage.decision_log.class_registry import ClassRegistry
from ..storage.decision_log.store import DecisionRequest
from ..storage.gc_pause import gc_paused
from ..storage.scan_context import ScanContext
from ..types import Action, Decision


class DecisionRecorder:
    """Makes decisions of one scan.

    Parameters
    ----------
    scan
        The scan that the decisions are about, and its log.
    """

    def __init__(self, scan: ScanContext) -> None:
        self._store, self._row, self._given, self._generation = scan.store, scan.row, scan.class_names, scan.generation
        self._said = load_table(scan.layout.verdicts, columns=["verdict", "confidence", "suggested_label"])
        self._lock = threading.Lock()

    @gc_paused()
    def append(self, items: Sequence[dict[str, Any]], actor: str) -> list[Decision]:
        """Record decisions in order, all or none. Items: see :meth:`record`. Raises DecisionError or QueryError."""
        seen = self._evidence([self._row(str(item["sample_id"])) for item in items])
        with self._lock:
            registry = self._store.registry()
            requests = [self._request(item, actor, said, registry) for item, said in zip(items, seen, strict=True)]
            return self._store.append(requests, self._given)

    def record(self, items: Sequence[dict[str, Any]], actor: str) -> list[dict[str, Any]]:
        """Record decisions in order; a bad one is answered with its error and does not cost the others.

        Each item: sample_id, action, and if there are: label, decision_id, supersedes, reason, batch_id, and settles
        (true = this speaks for what others decided about the sample so far).
        """
        answers: list[dict[str, Any]] = []
        requests: list[DecisionRequest] = []
        with self._lock:
            registry = self._store.registry()
            for item in items:
                try:
                    said = self._evidence([self._row(str(item.get("sample_id")))])[0]
                    requests.append(self._request(item, actor, said, registry))
                    answers.append({})
                except (DecisionError, QueryError) as error:
                    answers.append(_refused(item, error))
            made = iter(self._store.append_each(requests, self._given))
        for i, item in enumerate(items):
            if not answers[i]:
                done = next(made)
                answers[i] = _refused(item, done) if isinstance(done, DecisionError) else {"ok": True, **as_json(done)}
        return answers

    def _evidence(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._said.take(pa.array(rows, pa.int64())).to_pylist()
        return found

    def _request(
        self, item: dict[str, Any], actor: str, seen: dict[str, Any], registry: ClassRegistry
    ) -> DecisionRequest:
        sample_id = str(item["sample_id"])
        try:
            action = Action(item["action"])
        except ValueError:
            raise DecisionError(f"{item['action']!r} is not a decision. There are: accept, relabel, exclude.") from None
        if action is Action.UNDO:
            raise DecisionError("Undo is a verb of its own: call undo().")
        label = (item.get("label") or "").strip() or None
        if action is Action.RELABEL and label is None:
            there = choices(self._store.classes(self._given))
            raise DecisionError(f"Relabelling {sample_id!r} needs a label. There are: {there}.")
        if action is Action.RELABEL and label in registry.renames and registry.resolve(label) is None:
            there = choices(self._store.classes(self._given))
            raise DecisionError(
                f"The class {label!r} was deleted, so {sample_id!r} cannot have it. There are: {there}."
            )
        evidence = {
            "verdict": seen["verdict"],
            "confidence": round(float(seen["confidence"]), 4),
            "suggested": seen["suggested_label"],
            "generation": self._generation,
        }
        if item.get("settles"):
            others = self._store.current([sample_id]).get(sample_id, {})
            evidence["settles"] = [d.decision_id for who, d in others.items() if who != actor]
        extra = {"supersedes": item["supersedes"]} if "supersedes" in item else {}
        return DecisionRequest(
            sample_id=sample_id,
            action=action,
            label=label if action is Action.RELABEL else None,
            actor=actor,
            decision_id=item.get("decision_id"),
            reason=item.get("reason"),
            batch_id=item.get("batch_id"),
            evidence=evidence,
            **extra,
        )


def _refused(item: dict[str, Any], error: Exception) -> dict[str, Any]:
    return {
        "ok": False,
        "decision_id": item.get("decision_id"),
        "sample_id": item.get("sample_id"),
        "error": str(error),
    }
