"""Patch files: changes of classes and the decisions in force as JSON Lines, to be replayed on a new scan of the data.

First a line for each row of the class registry, then one per decision and person, so that disagreements are kept.
Replaying keeps ids, people and times; replaying twice changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import DecisionError
from ..storage.decision_log.store import ClassEvent, DecisionRequest, DecisionStore
from ..types import Action, Decision

FORMAT = 1

_AT_ONCE = 10_000
_MAX_LINE = 1 << 20


@dataclass(frozen=True)
class Skipped:
    """A line of a patch that was not applied, and why. ``sample_id`` is "line 7" where the line names none."""

    sample_id: str
    reason: str


@dataclass(frozen=True)
class ReplayReport:
    """Result of a replay.

    Attributes
    ----------
    applied
        Number of decisions that the replay added to the log.
    repeated
        Number of decisions that were in the log before.
    skipped
        Lines that were not applied.
    class_changes
        Number of changes of classes that the replay added.
    renamed
        Number of decisions (applied or repeated) about a sample that has another id now, identified by its content.
    """

    applied: int
    repeated: int
    skipped: tuple[Skipped, ...]
    class_changes: int = 0
    renamed: int = 0


_CLASS_FIELDS = ("event_id", "name", "target", "undoes", "actor", "at", "reason")


def patch_lines(
    decisions: Iterable[Decision], content_hashes: Mapping[str, str], class_events: Iterable[ClassEvent] = ()
) -> Iterator[bytes]:
    """Lines of a patch file.

    Parameters
    ----------
    decisions
        In force, in order.
    content_hashes
        Sample id → content hash; read while lines are produced.
    class_events
        All rows of the class registry, in order.
    """
    for e in class_events:
        change = {"winnow_patch": FORMAT, "class_event": e.event, **{name: getattr(e, name) for name in _CLASS_FIELDS}}
        yield (json.dumps({**change, "detail": dict(e.detail)}, ensure_ascii=False) + "\n").encode()
    for d in decisions:
        line: dict[str, Any] = {
            "winnow_patch": FORMAT,
            "sample_id": d.sample_id,
            "content_hash": content_hashes.get(d.sample_id, ""),
            "action": d.action.value,
            "label": d.label,
            "actor": d.actor,
            "at": d.at,
            "reason": d.reason,
            "batch_id": d.batch_id,
            "decision_id": d.decision_id,
        }
        if d.tags is not None:
            line["tags"] = list(d.tags)
        if settles := d.evidence.get("settles"):
            line["settles"] = list(settles)
        yield (json.dumps(line, ensure_ascii=False) + "\n").encode()


def replay_patch(
    store: DecisionStore,
    path: str | Path,
    known: Mapping[str, str] | Sequence[str],
    content_hashes: Sequence[str] | None = None,
    classes: Iterable[str] = (),
    tagged: bool = True,
) -> ReplayReport:
    """Record the decisions of a patch file that fit this scan.

    A sample that is not in this scan under its id is identified by its content, where exactly one sample has that
    content. Skipped, each with its reason: samples that are not in this scan, samples whose content has changed since,
    lines that are no decision, and decisions of people who have decided otherwise about that sample meanwhile.

    Parameters
    ----------
    store
        The log to write to.
    path
        The patch file.
    known
        Sample id → content hash ("" = unknown) of this scan; or the ids, with ``content_hashes`` beside them.
    content_hashes
        Beside ids in ``known``.
    classes
        Class names of the dataset; a relabel to another one adds it to the class registry.
    tagged
        Whether samples have tags here; otherwise decisions that give some are skipped.

    Raises
    ------
    DecisionError
        The file cannot be read, or holds no line of a patch.
    """
    path = Path(path)
    if not isinstance(known, Mapping):
        known = dict(zip(known, content_hashes or [""] * len(known), strict=True))
    by_content = _unique(known)
    renamed = 0
    skipped: list[Skipped] = []
    new: set[str] = set()
    repeated = lines = good = changed = 0
    classes = list(classes)
    batch: list[DecisionRequest] = []

    def flush() -> None:
        nonlocal repeated
        before = store.head()[0]
        answers = store.append_each(batch, classes, reason=f"from {path.name}")
        for request, answer in zip(batch, answers, strict=True):
            if isinstance(answer, DecisionError):
                skipped.append(Skipped(request.sample_id, str(answer)))
            elif answer.seq > before and answer.decision_id not in new:
                new.add(answer.decision_id)
            else:
                repeated += 1
        batch.clear()

    for number, line in enumerate(_lines(path), 1):
        lines += 1
        try:
            entry: Any = json.loads(line)
            if isinstance(entry, dict) and "class_event" in entry:
                before = store.registry().version
                _change_class(store, entry, classes)
                good, changed = good + 1, changed + (store.registry().version > before)
                continue
            request, content = _request(entry, path.name)
        except DecisionError as error:
            good += 1
            skipped.append(Skipped(str(entry.get("name")), str(error)))
            continue
        except (ValueError, KeyError, TypeError) as error:
            skipped.append(Skipped(f"line {number}", f"it is no decision ({error})"))
            continue
        good += 1
        if request.sample_id not in known and content in by_content:
            request, renamed = replace(request, sample_id=by_content[content]), renamed + 1
        if request.sample_id not in known:
            skipped.append(Skipped(request.sample_id, "this scan has no such sample"))
        elif request.tags is not None and not tagged:
            skipped.append(Skipped(request.sample_id, "samples have no tags here"))
        elif content and known[request.sample_id] and content != known[request.sample_id]:
            skipped.append(Skipped(request.sample_id, "its content has changed since the decision"))
        else:
            batch.append(request)
            if len(batch) == _AT_ONCE:
                flush()
    if lines and not good:
        raise DecisionError(
            f"{str(path)!r} is no patch file: none of its {lines:,} lines is a decision. "
            "An export writes it beside its data, as OUT.patch.jsonl."
        )
    flush()
    return ReplayReport(len(new), repeated, tuple(skipped), changed, renamed)


def _unique(known: Mapping[str, str]) -> dict[str, str]:
    """Content hash → sample id, for contents that exactly one sample has."""
    out: dict[str, str] = {}
    twice: set[str] = set()
    for sample_id, content in known.items():
        if content and out.setdefault(content, sample_id) != sample_id:
            twice.add(content)
    return {content: sample_id for content, sample_id in out.items() if content not in twice}


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as stream:
            while line := stream.readline(_MAX_LINE):
                if line.strip():
                    yield line
    except OSError as error:
        raise DecisionError(
            f"The patch file {str(path)!r} cannot be read: {error.strerror}. Check its path."
        ) from error


def _check_format(entry: Mapping[str, Any]) -> None:
    if entry.get("winnow_patch") != FORMAT:
        raise ValueError(f"patch format {entry.get('winnow_patch')!r}; this release reads {FORMAT}")


def _change_class(store: DecisionStore, entry: dict[str, Any], given: list[str]) -> None:
    """Repeat a change of classes.

    Raises
    ------
    DecisionError
        It does not fit.
    ValueError, KeyError
        The line is no change of classes.
    """
    _check_format(entry)
    event, event_id, name, actor = (str(entry[key]) for key in ("class_event", "event_id", "name", "actor"))
    if event == "undo":
        store.undo_class(str(entry["undoes"]), actor, event_id, entry.get("at"))
    elif event != "add" or name not in given:
        store.change_class(
            event,
            name,
            actor,
            target=entry.get("target"),
            reason=entry.get("reason"),
            event_id=event_id,
            given=given,
            at=entry.get("at"),
            detail=dict(entry.get("detail") or {}),
        )


def _request(entry: Any, name: str) -> tuple[DecisionRequest, str]:
    """Decision of a line, and the content hash that it is about.

    Raises
    ------
    ValueError, KeyError, TypeError
        The line is no decision.
    """
    if not isinstance(entry, dict):
        raise ValueError("not a JSON object")
    _check_format(entry)
    action = Action(entry["action"])
    if action is Action.UNDO:
        raise ValueError("a patch holds decisions in force, never an undo")
    texts = {key: entry.get(key) for key in ("label", "reason", "batch_id", "at")}
    if not all(v is None or isinstance(v, str) for v in texts.values()):
        raise ValueError("label, reason, batch_id and at are texts")
    tags = entry.get("tags")
    if not (tags is None or isinstance(tags, list)):
        raise ValueError("tags are a list of texts")
    settles = entry.get("settles") or []
    request = DecisionRequest(
        str(entry["sample_id"]),
        action,
        str(entry["actor"]),
        decision_id=str(entry["decision_id"]),
        supersedes=None,
        evidence={"patch": name, **({"settles": [str(i) for i in settles]} if settles else {})},
        tags=None if tags is None else tuple(map(str, tags)),
        **texts,
    )
    return request, str(entry.get("content_hash") or "")
