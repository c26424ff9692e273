"""Every command asks for the role of the person who types it; the list is taken from the command line itself."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer

from tests.helpers.team import ROLES, allowed, files, give_roles
from tests.unit.cli.test_commands import run
from winnow.core import SubsetRequest, Workspace
from winnow.core.cli import app
from winnow.core.explore.zero_shot import ZeroShot

Arguments = Callable[[Workspace], list[object]]


def new(suffix: str = "") -> str:
    return uuid.uuid4().hex[:8] + suffix


def beside(ws: Workspace, suffix: str) -> Path:
    return ws.path.parent / new(suffix)


def kept(ws: Workspace) -> str:
    saved = ws.subsets.save(ws.subsets.choose(SubsetRequest(budget="20")), new(), "olga")
    return saved.name


def patch(ws: Workspace) -> Path:
    ws.export(out := beside(ws, ".csv"), actor="olga")
    return next(out.parent.glob(f"{out.stem}*patch*"))


WRITES: dict[str, tuple[str, Arguments]] = {
    "scan": ("owner", lambda ws: ["nowhere", "--out", ws.path]),
    "label": ("reviewer", lambda ws: [ws.path, "--accept", "0.9"]),
    "scores": ("reviewer", lambda ws: [ws.path, beside(ws, ".parquet")]),
    "decide": ("reviewer", lambda ws: [ws.path, "--id", "s001", "--action", "accept"]),
    "undo": ("reviewer", lambda ws: [ws.path]),
    "log": ("reviewer", lambda ws: [ws.path, beside(ws, ".csv")]),
    "backup": ("reviewer", lambda ws: [ws.path, beside(ws, ".db")]),
    "store --use": ("owner", lambda ws: [ws.path, "--use", "mysql://nobody@nowhere/x"]),
    "store --new-log": ("owner", lambda ws: [ws.path, "--new-log"]),
    "classes": (
        "owner",
        lambda ws: [
            ws.path,
            "rename",
            ws.class_editor.split("digit 3", new(), ws.class_editor.members("digit 3")[:1], actor="olga").target,
            new(),
        ],
    ),
    "roles": ("owner", lambda ws: [ws.path, "set", "newcomer", "viewer"]),
    "select": ("reviewer", lambda ws: [ws.path, "--budget", "20", "--out", new()]),
    "payoff": ("reviewer", lambda ws: [ws.path, kept(ws)]),
    "compare": ("reviewer", lambda ws: [ws.path]),
    "weights": ("reviewer", lambda ws: [ws.path, beside(ws, ".parquet")]),
    "export": ("reviewer", lambda ws: [ws.path, beside(ws, ".csv")]),
    "datasheet": ("reviewer", lambda ws: [ws.path, beside(ws, ".md")]),
    "apply": ("reviewer", lambda ws: [patch(ws), ws.path]),
    "prompts": ("owner", lambda ws: [ws.path, "--not", "a cat"]),
    "pairs": ("reviewer", lambda ws: [ws.path, "--out", beside(ws, ".csv")]),
}
"""Command → the least role, and its arguments; made by the owner beforehand."""

READS: dict[str, Arguments] = {
    "info": lambda ws: [ws.path],
    "sets": lambda ws: [ws.path],
    "flags": lambda ws: [ws.path, "--kind", "ood"],
    "store": lambda ws: [ws.path],
    "classes": lambda ws: [ws.path],
    "classes log": lambda ws: [ws.path, "log"],
    "roles": lambda ws: [ws.path],
    "people": lambda ws: [ws.path],
    "select": lambda ws: [ws.path, "--budget", "20"],
    "pairs": lambda ws: [ws.path],
    "prompts": lambda ws: [ws.path],
}
NO_WORKSPACE = {"app", "check", "demo", "diff", "encoders", "doctor", "version"}
SERVES = {"mcp"}
"""Answers until it is stopped: test_agents.py holds its roles."""
MEASURES = {"payoff", "compare"}
"""Take long for who may: that they may is in the table of the verbs."""


@pytest.fixture
def team(tiny_ws: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    monkeypatch.setattr(ZeroShot, "why_not", lambda self: "")
    with Workspace.open(tiny_ws, actor="olga") as ws:
        give_roles(ws)
        yield ws


def test_no_command_is_missing_here() -> None:
    commands = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert commands == {c.split()[0] for c in (*WRITES, *READS)} | NO_WORKSPACE | SERVES


def test_every_command_that_writes_asks_for_the_role_of_the_person(
    team: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = {}
    for command, (least, arguments) in WRITES.items():
        for person, role in ROLES.items():
            if command in MEASURES and allowed(least, role):
                continue
            given = arguments(team)
            before = files(team.path.parent), team.history()
            monkeypatch.setenv("WINNOW_ACTOR", person)
            _, _, said = run(command.split()[0], *given)
            table[command, role] = "refused" if "An owner changes that with" in said else "let in"
            assert "Traceback" not in said
            if table[command, role] == "refused":
                assert (files(team.path.parent), team.history()) == before, f"{command} wrote for {role}"
    with capsys.disabled():
        print(f"\n{'command':<18}" + "".join(f"{role:>10}" for role in ROLES.values()))
        for command in WRITES:
            print(f"{command:<18}" + "".join(f"{table.get((command, role), '–'):>10}" for role in ROLES.values()))
    assert table == {(c, r): "let in" if allowed(WRITES[c][0], r) else "refused" for c, r in table}


def test_commands_that_look_write_nothing(team: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINNOW_ACTOR", "vera")
    before = files(team.path.parent), team.history()
    for command, arguments in READS.items():
        run(*command.split()[:1], *arguments(team))
        assert (files(team.path.parent), team.history()) == before, command
