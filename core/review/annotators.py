"""Several people on one dataset: where they agree, a consensus where they do not, and how far each can be relied on.

A vote is a decision that names a label: *accept* votes for the given label, *relabel* for the new one; excluding a
sample is no vote for a label. Votes are weighed by cleanlab's CROWDLAB (Goh, Tkachenko, Mueller, "CROWDLAB: Supervised
Learning to Infer Consensus Labels and Quality Scores for Data with Multiple Annotators", 2022): the weight of each
person and of the scan follows from how often they agree with the others on samples that several people labelled.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DecisionError
from ..storage.decision_log.state import standing
from ..storage.scan_context import ScanContext
from ..types import Action, Decision, Float32

ENOUGH = 10
"""Samples that a person and others must have labelled before the person's quality is stated: below, a single slip moves
it by a tenth. With fewer than that in all, no weights are known, and the consensus is the majority's label, ties broken
by the scan."""

_FLOOR = 1e-3
"""Least probability of a class in what is handed to CROWDLAB: classes that people added are unknown to the scan."""

Answer = tuple[str, str | None]
"""(action, label) of a decision, the label by the class registry."""


@dataclass(frozen=True)
class AnnotatorStats:
    """One person's decisions beside those of others.

    Attributes
    ----------
    actor
        The person.
    decisions
        How many are in force.
    overlaps
        Samples that others decided too.
    agreements
        Of these, how many were answered the same by all.
    labelled_too
        Samples with a label from this person and another.
    quality
        In [0, 1], how far this person's labels can be relied on (CROWDLAB), None where too little is known.
    note
        Why the quality is not known.
    """

    actor: str
    decisions: int
    overlaps: int
    agreements: int
    labelled_too: int
    quality: float | None
    note: str

    @property
    def agreement(self) -> float | None:
        """Share of the overlaps on which everybody agrees; None without overlaps."""
        return self.agreements / self.overlaps if self.overlaps else None


@dataclass(frozen=True)
class Dispute:
    """A sample about which people disagree and that nobody has settled.

    Attributes
    ----------
    sample_id
        The sample.
    answers
        Person → (action, label).
    consensus
        The label that votes and scan make likeliest, None where fewer than two people gave a label.
    quality
        Of the consensus, in [0, 1]; None = too few shared samples: it is the majority's label.
    tags
        Where samples have tags, those that most people chose (the scan breaks ties); ``consensus`` names them.
    differ
        The tags that some chose and others did not.
    """

    sample_id: str
    answers: Mapping[str, Answer]
    consensus: str | None
    quality: float | None
    tags: tuple[str, ...] | None = None
    differ: tuple[str, ...] = ()


@dataclass(frozen=True)
class AgreementReport:
    """Agreement of all people.

    Attributes
    ----------
    people
        Most decisions first.
    overlaps
        Samples that several people decided.
    agreements, disagreements
        Of these; a settled dispute stays a disagreement.
    disputes
        The open ones, the surest consensus first.
    tags
        Tag → (samples of several people at which somebody chose it, those at which all did), most chosen first.
    """

    people: tuple[AnnotatorStats, ...]
    overlaps: int
    agreements: int
    disagreements: int
    disputes: tuple[Dispute, ...]
    tags: Mapping[str, tuple[int, int]] = field(default_factory=dict)


class Annotators:
    """The people of one workspace.

    Parameters
    ----------
    scan
        The scan and its log.
    record
        Records decisions: see :meth:`winnow.core.review.recorder.DecisionRecorder.record`.
    """

    def __init__(self, scan: ScanContext, record: Callable[[list[dict[str, Any]], str], list[dict[str, Any]]]) -> None:
        self._store, self._view, self._row_of = scan.store, scan.labels, scan.row_of
        self._names, self._files, self._record = scan.class_names, scan.files, record
        self._tags = scan.tags
        self._lock = threading.Lock()
        self._cached: tuple[tuple[int, int], AgreementReport] | None = None

    def report(self) -> AgreementReport:
        """Who decided how much, where they agree, and what is open. Kept until the log has new rows."""
        version = self._store.head()[0], self._store.registry().version
        with self._lock:
            if self._cached is None or self._cached[0] != version:
                self._cached = version, self._report()
            return self._cached[1]

    def settle(
        self,
        sample_ids: Sequence[str],
        actor: str,
        answer: Answer | None = None,
        batch_id: str | None = None,
    ) -> list[dict[str, Any]]:
        """Settle disputes, each by a decision of ``actor``, as one batch.

        The others' decisions stay in force and in the log; a sample is disputed again when one of them decides again.

        Parameters
        ----------
        sample_ids
            The disputed samples.
        actor
            Who decides.
        answer
            The decision, None = each sample's consensus.
        batch_id
            Of the batch, None = a new one.

        Returns
        -------
        list of dict
            As :meth:`winnow.core.review.recorder.DecisionRecorder.record`.

        Raises
        ------
        DecisionError
            A sample is not disputed, or has no consensus.
        NotAllowed
            The actor is no reviewer.
        """
        open_ = {d.sample_id: d for d in self.report().disputes}
        batch = batch_id or uuid.uuid4().hex
        items: list[dict[str, Any]] = []
        for sample_id in sample_ids:
            dispute = open_.get(sample_id)
            if dispute is None:
                raise DecisionError(f"Nobody disagrees about {sample_id!r} any more. Look again: the list has changed.")
            if answer is None and dispute.consensus is None:
                raise DecisionError(
                    f"There is no consensus about {sample_id!r}: fewer than two people gave it a label. "
                    "Decide it yourself."
                )
            tags = dispute.tags if answer is None else None
            action, label = answer or (Action.RELABEL.value, None if tags is not None else dispute.consensus)
            if label is not None and label == self._view.given()[self._row_of[sample_id]]:
                action, label = Action.ACCEPT.value, None
            items.append(
                {
                    "sample_id": sample_id,
                    "action": action,
                    "label": label,
                    "tags": tags,
                    "batch_id": batch,
                    "settles": True,
                    "decision_id": f"{batch}:{len(items)}",
                    "reason": "consensus of people and scan" if answer is None else None,
                }
            )
        return self._record(items, actor)

    # --- how ---------------------------------------------------------------------------------------------------------

    def _answer(self, d: Decision) -> Answer:
        """A decision as an answer. Keeping a given label and relabelling to it are the same answer."""
        if d.action is Action.EXCLUDE:
            return Action.EXCLUDE.value, None
        if self._tags is not None:
            return "tags", ", ".join(sorted(self._tags_of(d))) or "no tags"
        label = d.label if d.action is Action.RELABEL else self._view.given_of(d.sample_id)
        return (d.action.value, None) if label is None else ("label", self._view.renames().get(label, label))

    def _tags_of(self, d: Decision) -> frozenset[str]:
        """The tags that a decision gives a sample, the given ones where it changes none."""
        assert self._tags is not None
        return frozenset(d.tags if d.tags is not None else self._tags.given_of(d.sample_id) or ())

    def _with_tags(self, dispute: Dispute, decisions: Sequence[Decision]) -> Dispute:
        """A dispute about tags with what most people chose, and which tags they differ about."""
        if self._tags is None:
            return dispute
        chosen = [self._tags_of(d) for d in decisions if d.action is not Action.EXCLUDE]
        if not chosen:
            return dispute
        belief = self._tags.belief_of(dispute.sample_id)
        votes = {tag: sum(tag in tags for tags in chosen) for tag in sorted(frozenset.union(*chosen))}
        kept = [t for t, n in votes.items() if 2 * n > len(chosen) or (2 * n == len(chosen) and belief(t) >= 0.5)]
        consensus = ", ".join(kept) or "no tags"
        differ = tuple(tag for tag, n in votes.items() if n < len(chosen))
        return replace(dispute, consensus=consensus if len(chosen) > 1 else None, tags=tuple(kept), differ=differ)

    def _by_tag(self, shared: Sequence[Mapping[str, Decision]]) -> dict[str, tuple[int, int]]:
        """Tag → at how many shared samples somebody chose it, and at how many all did."""
        count: dict[str, tuple[int, int]] = {}
        for people in shared if self._tags is not None else ():
            chosen = [self._tags_of(d) for d in people.values() if d.action is not Action.EXCLUDE]
            for tag in frozenset().union(*chosen) if len(chosen) > 1 else ():
                some, every = count.get(tag, (0, 0))
                count[tag] = some + 1, every + all(tag in tags for tags in chosen)
        return dict(sorted(count.items(), key=lambda item: (-item[1][0], item[0])))

    def _report(self) -> AgreementReport:
        current = {i: people for i, people in self._store.current().items() if i in self._row_of}
        shared = {
            i: {a: self._answer(d) for a, d in people.items()} for i, people in current.items() if len(people) > 1
        }
        same = {i: len(set(answers.values())) == 1 for i, answers in shared.items()}
        votes = {
            i: {a: label for a, d in people.items() if (label := self._answer(d)[1]) is not None}
            for i, people in current.items()
            if self._tags is None  # sets of tags are no classes: most people's choice of each tag counts
        } or {i: {} for i in current}
        quality, consensus = self._crowdlab(votes)
        people = []
        for actor in sorted({a for decisions in current.values() for a in decisions}):
            overlaps = [i for i, answers in shared.items() if actor in answers]
            too = sum(actor in votes[i] and len(votes[i]) > 1 for i in overlaps)
            known, note = quality.get(actor), ""
            if too < ENOUGH:
                known = None
                note = f"too few shared samples to say: {too} of the {ENOUGH} needed have labels of others too"
            elif known is None:
                note = "the scan has no class probabilities to weigh the votes with"
            people.append(
                AnnotatorStats(
                    actor,
                    sum(actor in decisions for decisions in current.values()),
                    len(overlaps),
                    sum(same[i] for i in overlaps),
                    too,
                    known,
                    note,
                )
            )
        disputes = []
        for i, agreed in same.items():
            left = standing(list(current[i].values()))
            if agreed or len({self._answer(d) for d in left}) == 1:
                continue
            label, sure = consensus.get(i, (None, None)) if len(votes[i]) > 1 else (None, None)
            answers = {a: _shown(answer, current[i][a]) for a, answer in shared[i].items()}
            disputes.append(self._with_tags(Dispute(i, answers, label, sure), left))
        return AgreementReport(
            tuple(sorted(people, key=lambda p: (-p.decisions, p.actor))),
            len(shared),
            sum(same.values()),
            len(shared) - sum(same.values()),
            tuple(sorted(disputes, key=lambda d: (-(d.quality or -1.0), d.sample_id))),
            self._by_tag([current[i] for i in shared]),
        )

    def _crowdlab(
        self, votes: Mapping[str, Mapping[str, str]]
    ) -> tuple[dict[str, float], dict[str, tuple[str, float | None]]]:
        """Person → quality, and sample → (consensus label, its quality).

        Both are empty where there is nothing to weigh. Where too few samples are shared to weigh people, the consensus
        is the majority's label, without a quality.
        """
        voted = {i: labels for i, labels in votes.items() if labels}
        actors = sorted({a for labels in voted.values() for a in labels})
        if len(actors) < 2 or not any(len(labels) > 1 for labels in voted.values()) or self._files.probs is None:
            return {}, {}
        classes = self._store.classes(self._names)
        names = list(dict.fromkeys([*classes, *(v for labels in voted.values() for v in labels.values())]))
        code = {name: k for k, name in enumerate(names)}
        probs = self._probabilities([self._row_of[i] for i in voted], code)
        shared = sum(len(labels) > 1 for labels in voted.values())
        if shared < ENOUGH or len(names) < 2:
            rows = zip(voted.items(), probs, strict=True)
            return {}, {i: (_majority(list(labels.values()), p, code), None) for (i, labels), p in rows}
        table = pd.DataFrame(
            [[code.get(labels.get(a, ""), np.nan) for a in actors] for labels in voted.values()],
            columns=actors,
            dtype=float,
        )
        from cleanlab.multiannotator import get_label_quality_multiannotator

        crowdlab = get_label_quality_multiannotator(table, probs, verbose=False, return_detailed_quality=False)
        stats, per_sample = crowdlab["annotator_stats"], crowdlab["label_quality"]
        quality = {str(a): float(q) for a, q in stats["annotator_quality"].items() if np.isfinite(q)}
        sure = zip(per_sample["consensus_label"], per_sample["consensus_quality_score"], strict=True)
        return quality, {i: (names[int(c)], float(q)) for i, (c, q) in zip(voted, sure, strict=True)}

    def _probabilities(self, rows: Sequence[int], code: Mapping[str, int]) -> Float32:
        """(m, K) probabilities of these rows over the classes that there are now, rows sum to 1."""
        out = np.full((len(rows), len(code)), _FLOOR, np.float32)
        beliefs = self._files.probs
        scanned = np.zeros((len(rows), 0), np.float32) if beliefs is None else np.asarray(beliefs[rows], np.float32)
        for column, name in enumerate(self._names[: scanned.shape[1]]):
            now = self._view.renames().get(name, name)
            if now is not None and now in code:
                out[:, code[now]] += scanned[:, column]
        out /= out.sum(1, keepdims=True)
        return out


def _majority(votes: Sequence[str], probs: Float32, code: Mapping[str, int]) -> str:
    """The label with most votes; of several, the likeliest by the scan."""
    return max(dict.fromkeys(votes), key=lambda label: (votes.count(label), float(probs[code[label]])))


def _shown(answer: Answer, d: Decision) -> Answer:
    return d.action.value, answer[1]
