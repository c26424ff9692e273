"""What the next scan learns from the decisions made so far: corrected labels, confirmed outliers and members."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import fingerprint as fp
from ..errors import plural
from ..storage.decision_log.state import PROPAGATED
from ..storage.decision_log.store import DecisionStore
from ..types import Action, Dataset, Decision, Int32, Int64, Kind


@dataclass(frozen=True)
class DecisionFeedback:
    """The decisions of a log, as the models of a scan use them.

    Attributes
    ----------
    labels
        (n,) int32 labels to learn from: as given, or as corrected by people; −1 for excluded samples. Merged classes
        are one; a deleted class has no samples.
    class_names
        The classes of the dataset, then those that only people's labels have, in the order in which they were made.
    outliers
        (o,) int64 rows excluded as out of distribution, ascending.
    members
        (m,) int64 rows that were accepted or relabelled, ascending.
    corrected, excluded
        How many labels were changed, and how many were set to −1 by an exclusion.
    """

    labels: Int32
    class_names: tuple[str, ...]
    outliers: Int64
    members: Int64
    corrected: int = 0
    excluded: int = 0

    @property
    def fingerprint(self) -> str:
        """Of everything but the labels."""
        return fp.of(fp.of_array(self.outliers), fp.of_array(self.members))

    @property
    def notice(self) -> str:
        """What was learned, for the person; "" = nothing."""
        if not len(self.outliers) + len(self.members) + self.excluded:
            return ""
        return (
            f"Learned from decisions: {plural(self.corrected, 'corrected label')}, "
            f"{plural(len(self.outliers), 'confirmed outlier')}, "
            f"{plural(len(self.members), 'confirmed inlier')}, {self.excluded:,} left out. Scores of decided "
            "samples refer to their current label."
        )


def decision_feedback(log: str | Path, dataset: Dataset, use: bool) -> DecisionFeedback:
    """Read the feedback from a decision log; the labels as given where ``use`` is False or there is no log.

    Nothing is learned from a sample that people disagree about, nor from excluded copies and broken files: their
    content is not wrong.
    """
    no_rows = np.zeros(0, np.int64)
    if not use or (isinstance(log, Path) and not log.exists()):
        return DecisionFeedback(dataset.labels, dataset.class_names, no_rows, no_rows)
    with DecisionStore(log) as store:
        decisions, registry = store.current(), store.registry()
        state = store.state_table().select(["sample_id", "state", "label", "label_source"])
        states = {row["sample_id"]: tuple(row.values())[1:] for row in state.to_pylist()}
        class_names = store.classes(dataset.class_names)
    row_of = {sample_id: row for row, sample_id in enumerate(dataset.sample_ids)}
    code: dict[str, int] = {}
    for i, name in enumerate(dataset.class_names):  # merged classes share the code of the first
        if (current := registry.resolve(name)) is not None:
            code.setdefault(current, i)
    used = {label for _, label, _ in states.values() if label is not None}
    new = tuple(name for name in class_names if name in used and name not in code)
    code |= {name: len(dataset.class_names) + i for i, name in enumerate(new)}
    codes = np.array([code.get(registry.resolve(name) or "", -1) for name in dataset.class_names] + [-1], np.int32)
    labels, outliers, members = codes[dataset.labels], [], []
    corrected = excluded = 0
    for sample_id, (action, label, source) in states.items():
        row = row_of.get(sample_id)
        if row is None:
            continue
        if action == Action.EXCLUDE:
            verdict = _answered_verdict(decisions[sample_id].values())
            if verdict in (Kind.DUPLICATE, Kind.BROKEN):
                continue
            labels[row] = -1
            excluded += 1
            if verdict == Kind.OOD:
                outliers.append(row)
        elif action in (Action.ACCEPT, Action.RELABEL):
            if source != PROPAGATED:  # nobody has looked at it
                members.append(row)
            if label is not None:
                labels[row] = code.get(registry.resolve(label) or "", -1)
                corrected += int(labels[row] != dataset.labels[row])
    return DecisionFeedback(
        labels,
        (*dataset.class_names, *new),
        np.array(sorted(outliers), np.int64),
        np.array(sorted(members), np.int64),
        corrected,
        excluded,
    )


def _answered_verdict(decisions: Iterable[Decision]) -> str:
    """The verdict that the latest of these decisions answered."""
    return str(max(decisions, key=lambda d: d.seq).evidence.get("verdict", ""))
