"""Recording decisions: each is checked, and written to the log with what the scan said about the sample."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, cast

import pyarrow as pa

from ..errors import DecisionError, QueryError, choices
from ..explore.cards import as_json
from ..storage.artifacts import load_table
from ..storage.decision_log.class_registry import ClassRegistry, check_new_name
from ..storage.decision_log.store import DecisionRequest
from ..storage.gc_pause import gc_paused
from ..storage.scan_context import ScanContext
from ..types import Action, Decision
from .roles import Right, Roles


class DecisionRecorder:
    """Records decisions about the samples of one scan.

    Parameters
    ----------
    scan
        The scan that the decisions are about, and its log.
    roles
        Of the workspace.
    """

    def __init__(self, scan: ScanContext, roles: Roles) -> None:
        self._roles = roles
        self._store, self._row, self._given, self._generation = scan.store, scan.row, scan.class_names, scan.generation
        self._tags = scan.tags
        self._verdicts = load_table(scan.layout.verdicts, columns=["verdict", "confidence", "suggested_label"])
        self._lock = threading.Lock()

    @gc_paused()
    def append(self, items: Sequence[dict[str, Any]], actor: str, by: str | None = None) -> list[Decision]:
        """Record decisions in order, all or none.

        Parameters
        ----------
        items
            See :meth:`record`; and ``source``, where a label is from that no person has given by looking at the sample:
            entries for the evidence.
        actor
            Who decides.
        by
            Who records it, if that is somebody else: theirs is the role that is asked for.

        Raises
        ------
        DecisionError
            An unknown action, a relabel without a label, or a label that was deleted.
        QueryError
            An unknown sample.
        NotAllowed
            The actor is no reviewer.
        """
        self._roles.require(by or actor, Right.DECIDE)
        scanned = self._evidence([self._row(str(item["sample_id"])) for item in items])
        with self._lock:
            registry = self._store.registry()
            live = self._store.classes(self._given)
            requests = [self._request(*pair, actor, registry, live) for pair in zip(items, scanned, strict=True)]
            return self._store.append(requests, self._given)

    def record(self, items: Sequence[dict[str, Any]], actor: str) -> list[dict[str, Any]]:
        """Record decisions in order; a bad one is answered with its error, and the others are recorded.

        Parameters
        ----------
        items
            Each: sample_id, action, and optionally label, tags (all that the sample is to carry), decision_id,
            supersedes, reason, batch_id, settles (true = this settles what others decided about the sample so far) and
            audit (the id of the blind audit that it answers).
        actor
            Who decides.

        Returns
        -------
        list of dict
            For each item ``ok``, and the decision or the ``error``.

        Raises
        ------
        NotAllowed
            The actor is no reviewer.
        """
        self._roles.require(actor, Right.DECIDE)
        answers: list[dict[str, Any]] = []
        requests: list[DecisionRequest] = []
        with self._lock:
            registry, live = self._store.registry(), self._store.classes(self._given)
            for item in items:
                try:
                    item = {
                        k: v for k, v in item.items() if k != "source"
                    }  # only the engine says where a label is from
                    scanned = self._evidence([self._row(str(item.get("sample_id")))])[0]
                    requests.append(self._request(item, scanned, actor, registry, live))
                    answers.append({})
                except (DecisionError, QueryError) as error:
                    answers.append(_refused(item, error))
            outcomes = iter(self._store.append_each(requests, self._given))
        for i, item in enumerate(items):
            if not answers[i]:
                outcome = next(outcomes)
                if isinstance(outcome, DecisionError):
                    answers[i] = _refused(item, outcome)
                else:
                    answers[i] = {"ok": True, **as_json(outcome)}
        return answers

    def _evidence(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        return cast("list[dict[str, Any]]", self._verdicts.take(pa.array(rows, pa.int64())).to_pylist())

    def _request(
        self, item: dict[str, Any], scanned: dict[str, Any], actor: str, registry: ClassRegistry, live: list[str]
    ) -> DecisionRequest:
        """The request of an item; a class that it is the first to name is added to ``live``."""
        sample_id = str(item["sample_id"])
        try:
            action = Action(item["action"])
        except ValueError:
            raise DecisionError(f"{item['action']!r} is not a decision. There are: accept, relabel, exclude.") from None
        if action is Action.UNDO:
            raise DecisionError("Undo is a verb of its own: call undo().")
        label = (item.get("label") or "").strip() or None
        tags = self._checked_tags(sample_id, item["tags"]) if item.get("tags") is not None else None
        if action is Action.RELABEL and label is None and tags is None:
            classes = choices(live)
            raise DecisionError(f"Relabelling {sample_id!r} needs a label. There are: {classes}.")
        if action is Action.RELABEL and label in registry.renames and registry.resolve(label) is None:
            classes = choices(live)
            raise DecisionError(
                f"The class {label!r} was deleted, so {sample_id!r} cannot have it. There are: {classes}."
            )
        if action is Action.RELABEL and label is not None and label not in live and label not in registry.renames:
            live.append(check_new_name(label, live))
        evidence = {
            "verdict": scanned["verdict"],
            "confidence": round(float(scanned["confidence"]), 4),
            "suggested": scanned["suggested_label"],
            "generation": self._generation,
            **item.get("source", {}),
        }
        if item.get("audit"):
            evidence["audit"] = str(item["audit"])
        if item.get("settles"):
            others = self._store.current([sample_id]).get(sample_id, {})
            evidence["settles"] = [d.decision_id for person, d in others.items() if person != actor]
        extra = {"supersedes": item["supersedes"]} if "supersedes" in item else {}
        return DecisionRequest(
            sample_id=sample_id,
            action=action,
            label=label if action is Action.RELABEL else None,
            tags=tags if action is Action.RELABEL else None,
            actor=actor,
            decision_id=item.get("decision_id"),
            reason=item.get("reason"),
            batch_id=item.get("batch_id"),
            evidence=evidence,
            **extra,
        )

    def _checked_tags(self, sample_id: str, tags: Any) -> tuple[str, ...]:
        """The tags that a sample is to carry, each once. Raises DecisionError that names the rule."""
        if self._tags is None:
            raise DecisionError(f"Samples have no tags here, so {sample_id!r} cannot get any. Give a label instead.")
        listed = isinstance(tags, Sequence) and not isinstance(tags, str)
        if not listed or not all(isinstance(tag, str) and tag.strip() for tag in tags):
            raise DecisionError(f"The tags of {sample_id!r} are a list of texts that are not empty, not {tags!r}.")
        named = tuple(dict.fromkeys(tag.strip() for tag in tags))
        known = self._tags.names()
        for tag in named:
            if tag not in known:
                check_new_name(tag, known, "tag")
        return named


def _refused(item: dict[str, Any], error: Exception) -> dict[str, Any]:
    return {
        "ok": False,
        "decision_id": item.get("decision_id"),
        "sample_id": item.get("sample_id"),
        "error": str(error),
    }
