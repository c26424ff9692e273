from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest

from winnow.app.server import state as states
from winnow.core import WinnowError, Workspace, WorkspaceError


def empty_workspace(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "workspace.json").write_text("{}")
    return folder


def test_the_secret_is_kept_for_its_owner_only_and_outlives_a_restart(tmp_path: Path) -> None:
    first = states.load_secret(tmp_path / "state")
    assert states.load_secret(tmp_path / "state") == first
    assert len(first) == 32
    assert stat.S_IMODE((tmp_path / "state" / "secret").stat().st_mode) == 0o600


def test_a_broken_secret_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("not hex")
    assert len(states.load_secret(tmp_path)) == 32


def test_a_workspace_has_the_same_key_after_a_restart_and_only_known_ones_open(
    workspace: Workspace, tmp_path: Path
) -> None:
    path = workspace.path
    one = states.ServerState(directory=tmp_path / "state")
    key = one.add(path)
    one.remember(key)
    two = states.ServerState(directory=tmp_path / "state")
    assert two.workspace(key).path == path
    assert [k for k, _ in two.recent()] == [key]
    with pytest.raises(WorkspaceError, match="has not been opened"):
        two.path("0123456789ab")


def test_recent_workspaces_that_are_gone_are_not_listed(tmp_path: Path) -> None:
    path = empty_workspace(tmp_path / "a.winnow")
    app_state = states.ServerState(directory=tmp_path / "state")
    app_state.remember(app_state.add(path))
    (path / "workspace.json").unlink()
    assert app_state.recent() == []


def test_an_open_workspace_is_looked_at_again_after_a_second(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    monkeypatch.setattr(workspace, "sync", lambda: looks.append(time.monotonic()))
    app_state = states.ServerState(opener=lambda p, a: workspace)
    key = app_state.add(workspace.path)
    now = [100.0]
    monkeypatch.setattr(states.time, "monotonic", lambda: now[0])
    app_state.workspace(key)
    app_state.workspace(key)
    assert looks == []
    now[0] += states.SYNC_SECONDS + 0.1
    app_state.workspace(key)
    assert len(looks) == 1


def test_selections_belong_to_their_workspace_and_the_oldest_go(tmp_path: Path) -> None:
    app_state = states.ServerState()
    first = app_state.keep_selection("a", ["x"])
    with pytest.raises(WinnowError, match="no longer kept"):
        app_state.selection("b", first)
    for i in range(states.MAX_SELECTIONS - 1):
        app_state.keep_selection("a", [str(i)])
    assert app_state.selection("a", first) == ["x"]  # looked at, so it counts as new
    for i in range(states.MAX_SELECTIONS - 1):
        app_state.keep_selection("a", [str(i)])
    assert app_state.selection("a", first) == ["x"]
    app_state.keep_selection("a", ["y"])
    for i in range(states.MAX_SELECTIONS):
        app_state.keep_selection("a", [str(i)])
    with pytest.raises(WinnowError):
        app_state.selection("a", first)


def test_the_environment_names_hosts_actor_and_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = empty_workspace(tmp_path / "a.winnow")
    for name, value in (
        ("WINNOW_STATE", tmp_path / "state"),
        ("WINNOW_WORKSPACE", path),
        ("WINNOW_ACTOR", "grace"),
        ("WINNOW_ALLOWED_HOSTS", "Lab.example, "),
        ("WINNOW_ADDRESS", "0.0.0.0"),
    ):
        monkeypatch.setenv(name, str(value))
    app_state = states.from_environment()
    assert app_state.actor == "grace"
    assert app_state.any_address
    assert {"lab.example", "localhost"} <= app_state.hosts
    assert app_state.path(str(app_state.first)) == path
