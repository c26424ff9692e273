"""Who may do what: every verb that writes, by every role, and files of roles that somebody damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from winnow.core import Workspace
from winnow.core.cli import app
from winnow.core.errors import NotAllowed, QueryError, WinnowError, WorkspaceError
from winnow.core.pipeline import job as jobs
from winnow.core.pipeline.config import ScanConfig
from winnow.core.review.roles import Right, Role, Roles
from winnow.core.storage import job_files


def test_without_a_file_everybody_is_owner(tmp_path: Path) -> None:
    roles = Roles(tmp_path / "roles.json")
    assert roles.of("anybody") is Role.OWNER
    assert all(roles.may("anybody", right) for right in Right)


def test_roles_are_given_by_owners_and_take_hold_in_every_open_workspace(tmp_path: Path) -> None:
    roles, others = Roles(tmp_path / "roles.json"), Roles(tmp_path / "roles.json")
    assert others.of("bob") is Role.OWNER
    roles.set("Ada", "owner", by="ada")
    roles.set("bob", "viewer", by="ada")
    roles.set_default("reviewer", by="ADA ")
    assert [others.of(n) for n in ("Ada", " ada", "ＡＤＡ", "Bob", "carl")] == ["owner"] * 3 + ["viewer", "reviewer"]
    with pytest.raises(NotAllowed, match="'bob' is viewer here, and only an owner may give roles"):
        others.set("bob", "owner", by="bob")
    with pytest.raises(NotAllowed):
        others.set_default("owner", by="carl")
    roles.set("BOB", "reviewer", by="ada")
    assert list(others.table().people) == ["Ada", "BOB"]


def test_somebody_stays_owner(tmp_path: Path) -> None:
    roles = Roles(tmp_path / "roles.json")
    with pytest.raises(QueryError, match="Nobody would be owner"):
        roles.set_default("viewer", by="ada")
    roles.set("ada", "owner", by="ada")
    roles.set_default("none", by="ada")
    with pytest.raises(QueryError, match="Nobody would be owner"):
        roles.set("ada", "reviewer", by="ada")
    assert not roles.may("stranger", Right.LOOK)


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\u202eb"])
def test_names_that_are_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(QueryError, match="printable"):
        Roles(tmp_path / "roles.json").set(name, "viewer", by="ada")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"format": 1}',
        '{"format": 2, "people": {}, "default": "owner"}',
        '{"format": 1, "people": {"a": "king"}, "default": "owner"}',
        '{"format": 1, "people": [], "default": "owner"}',
    ],
)
def test_a_damaged_file_lets_nobody_in(tmp_path: Path, text: str) -> None:
    (tmp_path / "roles.json").write_text(text)
    with pytest.raises(WorkspaceError, match="nobody is let in"):
        Roles(tmp_path / "roles.json").require("ada", Right.LOOK)


VERBS: dict[str, tuple[Right, Callable[[Workspace, str], Any]]] = {
    "decide": (Right.DECIDE, lambda ws, who: ws.decide("s001", "accept", actor=who)),
    "decide_many": (Right.DECIDE, lambda ws, who: ws.decide_many(["s001"], "accept", actor=who)),
    "record": (Right.DECIDE, lambda ws, who: ws.record([{"sample_id": "s001", "action": "accept"}], actor=who)),
    "undo": (Right.DECIDE, lambda ws, who: ws.undo(actor=who)),
    "settle": (Right.DECIDE, lambda ws, who: ws.annotators.settle(["s005"], who, answer=("accept", None))),
    "revert": (Right.DECIDE, lambda ws, who: ws.decision_history.revert(["x"], actor=who)),
    "save a selection": (Right.DECIDE, lambda ws, who: ws.saved_selections.save("mine", ["s001"], actor=who)),
    "delete a selection": (
        Right.DECIDE,
        lambda ws, who: ws.saved_selections.delete(next(s.handle for s in ws.saved_selections.all()), who),
    ),
    "merge": (Right.CLASSES, lambda ws, who: ws.class_editor.merge("digit 0", "digit 2", actor=who)),
    "rename": (Right.CLASSES, lambda ws, who: ws.class_editor.rename("digit 0", "nought", actor=who)),
    "delete": (Right.CLASSES, lambda ws, who: ws.class_editor.delete("digit 0", actor=who)),
    "split": (Right.CLASSES, lambda ws, who: ws.class_editor.split("digit 3", "three", members(ws), actor=who)),
    "take back a change": (Right.CLASSES, lambda ws, who: ws.class_editor.undo("e1", who)),
    "scan": (Right.SCAN, lambda ws, who: Workspace.scan("nowhere", ws.path, actor=who)),
    "start a scan": (Right.SCAN, lambda ws, who: jobs.start_scan(ScanConfig.of("nowhere"), ws.path, who)),
    "stop a scan": (Right.SCAN, lambda ws, who: jobs.cancel_scan(ws.path, who)),
}
"""Everything that writes in the workspace; for exports see test_targets.py."""


def members(ws: Workspace) -> list[str]:
    return ws.class_editor.members("digit 3")[:2]


@pytest.fixture
def team(tiny_ws: Path) -> Workspace:
    with Workspace.open(tiny_ws, actor="olga") as ws:
        ws.roles.set("olga", "owner", by="olga")
        ws.roles.set("vera", "viewer", by="olga")
        ws.roles.set("rita", "reviewer", by="olga")
        ws.roles.set_default("none", by="olga")
        ws.class_editor.rename("digit 1", "one", event_id="e1", actor=ws.actor)
        ws.decide("s005", "exclude", actor="olga")
        ws.decide("s005", "accept", actor="rita")
        ws.saved_selections.save("hers", ["s001"], actor="olga")
        yield ws


@pytest.mark.parametrize("verb", [v for v in VERBS if v not in ("scan", "start a scan", "stop a scan")])
def test_the_engine_asks_for_the_role_at_every_verb(team: Workspace, verb: str) -> None:
    right, act = VERBS[verb]
    before = team.history(), [e.event_id for e in team.class_editor.events()], len(team.saved_selections.all())
    refused = ["vera", "stranger"] + (["rita"] if right is Right.CLASSES else [])
    for who in refused:
        with pytest.raises(NotAllowed, match=f"'{who}'"):
            act(team, who)
    assert before == (
        team.history(),
        [e.event_id for e in team.class_editor.events()],
        len(team.saved_selections.all()),
    )
    act(team, "olga" if right is Right.CLASSES else "rita")


@pytest.mark.parametrize("verb", ["scan", "start a scan", "stop a scan"])
def test_only_owners_scan(team: Workspace, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_files.subprocess, "Popen", lambda *a, **k: type("P", (), {"pid": 1})())
    for who in ("vera", "rita", "stranger"):
        with pytest.raises(NotAllowed, match="only an owner may start a scan"):
            VERBS[verb][1](team, who)
    if verb == "scan":
        with pytest.raises(WinnowError, match="nowhere"):  # let in, and told that there is no such source
            VERBS[verb][1](team, "olga")
    else:
        VERBS[verb][1](team, "olga")


def test_a_viewer_looks_and_does_not_export(team: Workspace, tmp_path: Path) -> None:
    with Workspace.open(team.path, actor="vera") as ws:
        assert ws.rows(limit=3)
        with pytest.raises(NotAllowed, match="'vera' is viewer here, and only a reviewer may export"):
            ws.export(tmp_path / "out.csv")
        assert not list(tmp_path.glob("out.csv*"))
        assert ws.export(tmp_path / "out.csv", actor="rita").rows


def test_the_command_line_lists_and_gives_roles(tiny_ws: Path) -> None:
    run = CliRunner()
    assert run.invoke(app, ["roles", str(tiny_ws), "set", "olga", "owner", "--actor", "olga"]).exit_code == 0
    assert run.invoke(app, ["roles", str(tiny_ws), "default", "viewer", "--actor", "olga"]).exit_code == 0
    shown = run.invoke(app, ["roles", str(tiny_ws), "--json"])
    assert json.loads(shown.stdout) == {"default": "viewer", "people": {"olga": "owner"}}
    refused = run.invoke(app, ["roles", str(tiny_ws), "set", "eve", "owner", "--actor", "eve"])
    assert isinstance(refused.exception, NotAllowed)
    assert "eve" not in (tiny_ws / "roles.json").read_text()
    assert isinstance(run.invoke(app, ["roles", str(tiny_ws), "set", "eve"]).exception, WinnowError)
