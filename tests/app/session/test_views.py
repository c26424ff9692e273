"""A saved view brings back what was on screen, without what belongs to one visit."""

from __future__ import annotations

import pytest

from winnow.app.server.state import ServerState
from winnow.app.session import state, views
from winnow.core import Filter, QueryError, Workspace


@pytest.fixture
def tab(app_state: ServerState, monkeypatch: pytest.MonkeyPatch) -> state.Session:
    session = state.Session(key=app_state.first, actor="ada")
    monkeypatch.setattr(state, "session", lambda: session)
    return session


def test_a_view_brings_back_page_filter_and_order(tab: state.Session, workspace: Workspace) -> None:
    address = "/prefix/gallery?ws=abc&classes=cat%2Cdeer&score.ood=0.5..&sort=-ood&group=label&token=secret"
    views.save("Odd cats", address)
    (kept,) = workspace.saved_views.all()
    assert kept.page == "gallery"
    assert "secret" not in kept.query
    assert "ws=" not in kept.query
    key = tab.key
    tab.filter, tab.sort, tab.group = Filter(verdicts=("ood",)), None, None
    assert views.show(kept.handle) == "gallery"
    assert tab.filter == Filter(classes=("cat", "deer"), scores={"ood": (0.5, None)})
    assert (tab.key, tab.sort, tab.group, tab.selection) == (key, "-ood", "label", None)


def test_what_the_server_forgets_is_not_saved(tab: state.Session, workspace: Workspace) -> None:
    with pytest.raises(QueryError, match="Save it as a selection first"):
        views.save("Outline", "/map?selection=Zx81")
    kept = workspace.saved_selections.save("kept", workspace.ids()[:3], actor="ada")
    views.save("Kept", f"/gallery?selection={kept.handle}")
    views.show(workspace.saved_views.all()[0].handle)
    assert tab.selection == kept.handle


def test_an_address_without_a_page_or_with_a_filter_that_is_none(tab: state.Session) -> None:
    assert views.address_of("/?verdicts=ood") == ("overview", "verdicts=ood")
    with pytest.raises(QueryError):
        views.address_of("/gallery?verdicts=nonsense")
