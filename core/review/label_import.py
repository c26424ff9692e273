"""Bring labels that were made elsewhere into the log, as decisions of whoever made them; a second time adds none."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..data.label_files import BroughtLabel, read_label_file
from ..storage.decision_log.class_registry import one_spelling
from ..storage.decision_log.state import PROPAGATED
from ..storage.scan_context import ScanContext
from ..types import Action, Decision


@dataclass(frozen=True)
class LabelImport:
    """What an import did.

    Attributes
    ----------
    path
        The file.
    recorded
        Decisions that were added.
    unchanged
        Labels that were there already.
    kept
        Labels that were left out because the same person has decided otherwise by hand.
    unknown
        Keys that no sample has, in order.
    respelled
        Label as it was written → the class that it was taken for, which differs in case or blanks only.
    new_classes
        Classes that were not there before.
    disputed
        Samples about which people say different things now.
    batches
        Person → the batch's id, which one undo takes back.
    """

    path: str
    recorded: int
    unchanged: int
    kept: int
    unknown: list[str] = field(default_factory=list)
    respelled: dict[str, str] = field(default_factory=dict)
    new_classes: list[str] = field(default_factory=list)
    disputed: int = 0
    batches: dict[str, str] = field(default_factory=dict)


def import_labels(
    path: str | Path,
    scan: ScanContext,
    append: Callable[[Sequence[dict[str, Any]], str, str], list[Decision]],
    actor: str,
) -> LabelImport:
    """Record the labels of a file (see :func:`winnow.core.data.label_files.read_label_file`).

    A key is a sample's id, or the path or name of its file where only one sample has it. A label that equals the given
    one accepts it. What a person decided by hand is never replaced: another label of their own in the file is left out,
    and that of another person makes the sample disputed.

    Parameters
    ----------
    path
        The file.
    scan
        The scan and its log.
    append
        Records decisions.
    actor
        Who brings them, and decides where the file does not say who did.

    Raises
    ------
    SourceError
        The file cannot be read or holds no labels.
    DecisionError
        A label cannot be a class.
    """
    brought = read_label_file(path)
    place = _Places(scan)
    classes = scan.classes()
    before, spelled = list(classes), {one_spelling(name): name for name in reversed(classes)}
    unknown: dict[str, None] = {}
    respelled: dict[str, str] = {}
    items: dict[str, list[dict[str, Any]]] = {}
    unchanged = kept = 0
    ids = list(dict.fromkeys(sample for b in brought if (sample := place.of(b)) is not None))
    in_force = scan.store.current(ids)
    given = dict(zip(ids, (scan.labels.given()[scan.row(i)] for i in ids), strict=True))
    for label in brought:
        sample = place.of(label)
        if sample is None:
            unknown[label.key] = None
            continue
        name = label.label
        if name not in classes and (known := spelled.get(one_spelling(name))) is not None:
            respelled[name] = name = known
        elif name not in classes:
            classes.append(name)
            spelled[one_spelling(name)] = name
        person = label.person or actor
        own = in_force.get(sample, {}).get(person)
        if own is not None and (own.label or given[sample]) == name and own.action is not Action.EXCLUDE:
            unchanged += 1
            continue
        if own is not None and "imported" not in own.evidence and PROPAGATED not in own.evidence:
            kept += 1
            continue
        accept = name == given[sample]
        items.setdefault(person, []).append(
            {
                "sample_id": sample,
                "action": "accept" if accept else "relabel",
                "label": None if accept else name,
                "source": {"imported": Path(path).name},
            }
        )
    batches = {person: f"import-{uuid.uuid4().hex}" for person in items}
    for person, theirs in items.items():
        append([{**item, "batch_id": batches[person]} for item in theirs], person, actor)
    states = Counter(
        state
        for sample, state in zip(
            *(scan.store.state_table().column(c).to_pylist() for c in ("sample_id", "state")), strict=True
        )
        if sample in given
    )
    new = [name for name in scan.classes() if name not in before]
    return LabelImport(
        str(path),
        sum(map(len, items.values())),
        unchanged,
        kept,
        list(unknown),
        respelled,
        new,
        states.get("disputed", 0),
        batches,
    )


class _Places:
    """Finds samples by id, path or the name of their file."""

    def __init__(self, scan: ScanContext) -> None:
        self._row_of, self._ids = scan.row_of, scan.ids
        self._by_name: dict[str, str | None] = {}
        uris = scan.dataset.column("uri").to_pylist()
        for sample, uri in zip(scan.ids.tolist(), uris, strict=True):
            for name in {uri or sample, sample, Path(uri or sample).name, Path(sample).name}:
                # a name that several samples have finds none of them
                self._by_name[name] = sample if self._by_name.get(name, sample) == sample else None

    def of(self, label: BroughtLabel) -> str | None:
        row = self._row_of.get(label.key)
        if row is not None:
            return str(self._ids[row])
        return self._by_name.get(label.key) or self._by_name.get(Path(label.key).name)
