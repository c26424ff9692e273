"""What the decisions made so far teach the next scan: corrected labels, confirmed outliers, confirmed members."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import fingerprint as fp
from ..storage.decision_log.store import DecisionStore
from ..types import Action, Dataset, Decision, Int32, Int64, Kind


@dataclass(frozen=True)
class DecisionFeedback:
    """labels : (n,) int32 to learn from: as given, as corrected by people, −1 for what they left out or set to a class
    that the dataset does not know. outliers : rows excluded as out of distribution. members : rows that were kept or
    relabelled. corrected, excluded : how many labels that changed. Merged classes are one, a deleted class has no samples.
    """

    labels: Int32
    outliers: Int64
    members: Int64
    corrected: int = 0
    excluded: int = 0

    @property
    def fingerprint(self) -> str:
        """Of what is taught beside the labels."""
        return fp.of(fp.of_array(self.outliers), fp.of_array(self.members))

    @property
    def notice(self) -> str:
        """What was taken into account, for the person; "" where there was nothing."""
        if not len(self.outliers) + len(self.members) + self.excluded:
            return ""
        return (
            f"Learned from decisions: {self.corrected:,} corrected labels, {len(self.outliers):,} confirmed outliers, "
            f"{len(self.members):,} samples confirmed as belonging, {self.excluded:,} left out. Scores of decided samples "
            "speak about the label they have now."
        )


def decision_feedback(log: str | Path, dataset: Dataset, use: bool) -> DecisionFeedback:
    """The lessons of a decision log for a dataset; the labels as given where ``use`` is False or there is no log.

    A sample that people disagree about teaches nothing. Excluded copies and broken files teach nothing either: there is
    nothing wrong with what they show.
    """
    nobody = np.zeros(0, np.int64)
    if not use or (isinstance(log, Path) and not log.exists()):
        return DecisionFeedback(dataset.labels, nobody, nobody)
    with DecisionStore(log) as store:
        said, registry = store.current(), store.registry()
        state = {row["sample_id"]: (row["state"], row["label"]) for row in store.state_table().to_pylist()}
    row_of = {sample_id: row for row, sample_id in enumerate(dataset.sample_ids)}
    code: dict[str, int] = {}
    for i, name in enumerate(dataset.class_names):  # merged classes share the code of the first
        if (means := registry.resolve(name)) is not None:
            code.setdefault(means, i)
    now = np.array([code.get(registry.resolve(name) or "", -1) for name in dataset.class_names] + [-1], np.int32)
    labels, outliers, members = now[dataset.labels], [], []
    corrected = excluded = 0
    for sample_id, (what, label) in state.items():
        row = row_of.get(sample_id)
        if row is None:
            continue
        if what == Action.EXCLUDE:
            why = _verdict(said[sample_id].values())
            if why in (Kind.DUPLICATE, Kind.BROKEN):
                continue
            labels[row] = -1
            excluded += 1
            if why == Kind.OOD:
                outliers.append(row)
        elif what in (Action.ACCEPT, Action.RELABEL):
            members.append(row)
            if label is not None:
                labels[row] = code.get(registry.resolve(label) or "", -1)
                corrected += int(labels[row] != dataset.labels[row])
    return DecisionFeedback(
        labels, np.array(sorted(outliers), np.int64), np.array(sorted(members), np.int64), corrected, excluded
    )


def _verdict(decisions: object) -> str:
    """The verdict that the latest of these decisions was an answer to."""
    latest: Decision = max(decisions, key=lambda d: d.seq)  # type: ignore[call-overload]  # an iterable of decisions
    return str(latest.evidence.get("verdict", ""))
