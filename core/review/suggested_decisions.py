"""What the verdicts propose for many samples at once, relabelling or excluding, taken as one batch."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DecisionError
from ..storage.effective_labels import suggestions
from ..storage.scan_context import ScanContext
from ..types import PROBLEMS, Action, Decision, Kind
from .active_learning import QueueRanker

REASON = "suggestion taken together with others"
"""What the log says of such a decision."""


@dataclass(frozen=True)
class SuggestedDecision:
    """What the verdict proposes for one sample.

    Attributes
    ----------
    sample_id, action, label
        The decision: exclude, or relabel to ``label``.
    probability
        That it is right, in [0, 1].
    """

    sample_id: str
    action: Action
    label: str | None
    probability: float


class SuggestedDecisions:
    """Proposes, and on request records, the decisions that the verdicts ask for.

    Parameters
    ----------
    scan
        The scan that the verdicts are from.
    ranker
        Knows the probabilities after the decisions so far.
    append
        Records decisions (:meth:`winnow.core.review.recorder.DecisionRecorder.append`).
    """

    def __init__(
        self, scan: ScanContext, ranker: QueueRanker, append: Callable[[Sequence[dict[str, Any]], str], list[Decision]]
    ) -> None:
        self._scan, self._ranker, self._append = scan, ranker, append

    def of(self, ids: Sequence[str]) -> list[SuggestedDecision]:
        """The proposals for those of the samples that nobody has decided about and whose verdict asks for a decision.

        Out of distribution, duplicate and broken: exclude. Noisy label: relabel to the likeliest other label. All other
        verdicts propose nothing.

        Notes
        -----
        An exclusion is right with the probability of its verdict, revised by the decisions so far. A relabel is right
        where the given label is wrong and the suggested one is right among the others: p(noisy label) times the
        suggested label's share of the probability that is not the given label's.

        Raises
        ------
        QueryError
            An unknown sample.
        """
        arrays, now = self._ranker.now()
        rows = np.array([self._scan.row(i) for i in ids], np.int64)
        rows = rows[now.decided.open(arrays.n)[rows] & (arrays.primary[rows] >= 0)]
        merged, given = self._scan.labels.suggestion_merged(), self._scan.labels.given()
        renames, sample_ids = self._scan.labels.renames(), self._scan.ids
        proposals = []
        for row, verdict in zip(rows.tolist(), self._scan.verdicts.take(rows.tolist()), strict=True):
            kind = PROBLEMS[arrays.primary[row]]
            probability = float(now.probability[kind][row])
            if kind is not Kind.NOISY_LABEL:
                proposals.append(SuggestedDecision(str(sample_ids[row]), Action.EXCLUDE, None, probability))
                continue
            others = suggestions(verdict["suggested"], verdict["suggested_prob"], given[row], renames)
            if others and given[row] is not None and not merged[row]:
                share = others[0][1] / max(sum(p for _, p in others), 1e-6)
                label = str(others[0][0])
                proposals.append(SuggestedDecision(str(sample_ids[row]), Action.RELABEL, label, probability * share))
        return proposals

    def take(
        self, proposals: Sequence[SuggestedDecision], actor: str, batch_id: str | None = None
    ) -> tuple[str, list[Decision]]:
        """Record proposals as one batch, which one undo takes back.

        Parameters
        ----------
        proposals
            Of :meth:`of`.
        actor
            Who takes them.
        batch_id
            Of the batch; None = a new one.

        Returns
        -------
        batch_id : str
            Of the batch.
        decisions : list of Decision
            What was recorded.

        Raises
        ------
        DecisionError
            There are none.
        NotAllowed
            The actor is no reviewer.
        """
        if not proposals:
            raise DecisionError("The verdicts propose nothing for these samples, or people have decided about them.")
        batch = batch_id or uuid.uuid4().hex
        items = [
            {"sample_id": p.sample_id, "action": p.action, "label": p.label, "reason": REASON, "batch_id": batch}
            for p in proposals
        ]
        return batch, self._append(items, actor)
