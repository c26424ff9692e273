"""The first review: five cards of different kinds, offered until somebody decides or says no."""

from __future__ import annotations

import pytest

from winnow.app.server.state import ServerState
from winnow.app.session import first_review, state
from winnow.core import Workspace


@pytest.fixture
def tab(app_state: ServerState, monkeypatch: pytest.MonkeyPatch) -> state.Session:
    session = state.Session(key=app_state.first, actor="ada")
    monkeypatch.setattr(state, "session", lambda: session)
    return session


def test_five_cards_of_as_many_kinds_as_there_are(tab: state.Session, workspace: Workspace) -> None:
    ids = first_review.pick(workspace)
    assert len(set(ids)) == len(ids) == first_review.CARDS
    verdicts = [card["verdict"] for card in workspace.cards(ids)]
    found = {kind for kind in first_review.SHOWN if workspace.info().verdict_counts.get(kind)}
    assert set(verdicts) == found
    assert verdicts[0] == "noisy_label"


def test_what_is_decided_is_not_shown_again(tab: state.Session, workspace: Workspace) -> None:
    (first, *_) = first_review.pick(workspace)
    workspace.decide(first, "exclude")
    assert first not in first_review.pick(workspace)


def test_it_is_offered_until_somebody_decides_or_says_no(
    tab: state.Session, workspace: Workspace, app_state: ServerState
) -> None:
    assert first_review.offered(workspace)
    first_review.begin()
    assert tab.guide == tab.selection
    assert list(app_state.selection(str(tab.key), str(tab.selection))) == first_review.pick(workspace)
    workspace.decide(workspace.ids()[0], "accept")
    assert not first_review.offered(workspace)
    workspace.undo()
    tab.guide_refused = True
    assert not first_review.offered(workspace)
