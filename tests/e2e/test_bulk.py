"""A bulk verdict over 10,000 of 14,460 samples through the server's own route, and the one step that takes it back."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.helpers.enlarge import enlarge
from winnow.app.server import state as states
from winnow.app.server.routes import build_routes
from winnow.app.server.security import mint_token
from winnow.core.workspace import Workspace

N, CHOSEN = 14_460, 10_000
BUDGET = 1.0
"""Seconds of the server's processor time for the whole request."""


def test_ten_thousand_are_excluded_within_a_second_and_come_back_in_one_step(scanned: Path, tmp_path: Path) -> None:
    path = enlarge(scanned, tmp_path / "large.winnow", N)
    server = states.configure(
        states.ServerState(secret=b"0" * 32, actor="ada", hosts=frozenset(["testserver"]), directory=tmp_path)
    )
    key = server.add(path)
    workspace = server.workspace(key)
    ids = workspace.ids()[:CHOSEN]
    workspace.counts()  # as in a session: somebody looked before deciding
    handle = server.keep_selection(key, ids)
    head = {"Authorization": f"Bearer {mint_token(server.secret, key, 'ada')}", "Origin": "http://testserver"}
    body = {"action": "exclude", "target": {"selection": handle}, "expect": CHOSEN, "batch_id": "bulk"}
    took = {}
    with TestClient(Starlette(routes=build_routes())) as client:
        for what, route, sent in (("exclude", "bulk", body), ("undo", "undo", {"undo_id": "back"})):
            begin, wall = time.process_time(), time.perf_counter()
            answer = client.post(f"/api/{route}/{key}", json=sent, headers=head)
            took[what] = (time.process_time() - begin, time.perf_counter() - wall)
            assert answer.json()["count"] == CHOSEN
            excluded = CHOSEN if what == "exclude" else 0
            assert workspace.counts().by_state.get("exclude", 0) == excluded
    print(", ".join(f"{what}: {cpu:.2f} s of processor, {wall:.2f} s in all" for what, (cpu, wall) in took.items()))
    actions = [d.action.value for d in workspace.history(limit=3 * CHOSEN)]
    assert actions == ["undo"] * CHOSEN + ["exclude"] * CHOSEN
    assert len(workspace.decision_history.page(steps=True)) == 2
    workspace.close()
    with Workspace.open(path) as again:
        assert again.counts().by_state == {"undecided": N}
    assert took["exclude"][0] <= BUDGET
    assert took["undo"][0] <= BUDGET


pytestmark = pytest.mark.slow
