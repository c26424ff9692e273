from __future__ import annotations

import re

from tests.app.pages.test_pages import html_of, open_page
from winnow.app.pages import history
from winnow.app.server.state import ServerState
from winnow.core import Workspace


def test_history_and_the_sidebar_count_the_same_steps(app_state: ServerState, workspace: Workspace) -> None:
    ids = workspace.ids()
    workspace.decide(ids[0], "exclude", actor="ada")
    workspace.decide_many(ids[1:8], "accept", actor="bob")
    workspace.undo("bob")
    workspace.class_editor.rename(next(iter(workspace.class_editor.classes())), "renamed", actor="ada")
    text = html_of(open_page("history"))
    assert workspace.info().n_decisions == 15
    (listed,) = re.findall(r">([\d,]+) steps?<", text)
    (beside_its_name,) = re.findall(r'href="/history\?[^>]*>(?:(?!</a>).)*?w-muted"[^>]*>([\d,]+)<', text, re.DOTALL)
    assert listed == beside_its_name == "4", "a decision, a bulk verdict, its undo, a change of a class"


def test_undoing_many_decisions_waits_until_it_is_confirmed(app_state: ServerState, workspace: Workspace) -> None:
    many = history.CONFIRM_ABOVE + 10
    workspace.decide_many(workspace.ids()[:many], "exclude", actor="ada")
    at = open_page("history")
    at.session_state[history.CONFIRM] = many  # as a press on "Undo all" leaves it
    at.run()
    assert [b.label for b in at.button if b.label.startswith("Undo")] == [f"Undo {many} decisions"]
    assert len(workspace.current()) == many, "nothing is undone before that"
