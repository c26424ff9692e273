"""A page that waits for a scan goes on as soon as there is something to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from winnow.app.components import progress
from winnow.app.server.state import ServerState
from winnow.core import Workspace, scan_status

RUNNING = {"state": "running", "stage": "map", "done": 3, "total": 300, "stages": [{"name": "probe", "seconds": 2.0}]}


class Drawn(Exception):
    """The page is drawn again."""


@pytest.fixture
def panel(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    html: list[str] = []

    def rerun(**_: Any) -> None:
        raise Drawn

    monkeypatch.setattr(progress, "scan_status", lambda path: RUNNING)
    monkeypatch.setattr(progress, "live", lambda drawn, *a: html.append(drawn))
    monkeypatch.setattr(progress.st, "rerun", rerun)
    return html


def test_the_page_goes_on_once_there_are_verdicts(
    app_state: ServerState, workspace: Workspace, panel: list[str]
) -> None:
    draw = progress.job_panel.__wrapped__
    with pytest.raises(Drawn):
        draw(workspace.path, app_state.first)
    assert not panel
    draw(workspace.path, app_state.first, compact=True)
    assert "Drawing the map" in panel[0], "above a page that is drawn, the panel stays"


def test_without_verdicts_the_page_waits(app_state: ServerState, tmp_path: Path, panel: list[str]) -> None:
    key = app_state.add(tmp_path / "nothing yet.winnow")
    app_state.opener = lambda path, actor: Workspace.open(path, actor=actor)
    progress.job_panel.__wrapped__(tmp_path / "nothing yet.winnow", key)
    assert "The scan is running" in panel[0]
    assert "Writing the export" not in panel[0], "stages of other jobs are no stages of a scan"
    assert scan_status(tmp_path)["state"] == "none"
