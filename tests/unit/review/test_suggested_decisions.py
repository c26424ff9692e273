"""What the verdicts propose for many samples: who gets a proposal, how sure it is, and one undo for all."""

from __future__ import annotations

from pathlib import Path

import pytest

from winnow.core import Filter, Workspace
from winnow.core.errors import DecisionError
from winnow.core.review.suggested_decisions import REASON
from winnow.core.types import PROBLEMS, Action


def test_a_verdict_proposes_what_the_card_proposes_and_nothing_for_decided_or_ordinary_samples(tiny_ws: Path) -> None:
    with Workspace.open(tiny_ws, actor="olga") as ws:
        flagged = ws.ids(Filter(verdicts=tuple(PROBLEMS), state="undecided"))
        ws.decide(flagged[0], "accept")
        proposals = {p.sample_id: p for p in ws.suggested_decisions.of(ws.ids())}
        assert proposals
        assert set(proposals) <= set(flagged[1:])
        for card in ws.cards(list(proposals)):
            proposal = proposals[card["id"]]
            if card["verdict"] == "noisy_label":
                assert (proposal.action, proposal.label) == (Action.RELABEL, card["suggestions"][0][0])
            else:
                assert (proposal.action, proposal.label) == (Action.EXCLUDE, None)
            assert 0.0 <= proposal.probability <= 1.0
        rest = set(flagged[1:]) - set(proposals)
        assert all(not card["suggestions"] for card in ws.cards(sorted(rest)))


def test_proposals_are_one_batch_that_one_undo_takes_back(tiny_ws: Path) -> None:
    with Workspace.open(tiny_ws, actor="olga") as ws:
        proposals = ws.suggested_decisions.of(ws.ids())
        batch, decisions = ws.suggested_decisions.take(proposals, "olga")
        assert [(d.sample_id, d.action, d.label) for d in decisions] == [
            (p.sample_id, p.action, p.label) for p in proposals
        ]
        assert {(d.batch_id, d.reason) for d in decisions} == {(batch, REASON)}
        with pytest.raises(DecisionError, match="propose nothing"):
            ws.suggested_decisions.take(ws.suggested_decisions.of(ws.ids()), "olga")
        assert len(ws.undo(actor="olga")) == len(proposals)
        assert ws.suggested_decisions.of(ws.ids()) == proposals
