from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest

from tests.helpers.fake_workspace import FakeWorkspace
from winnow.app.server import state as hubs
from winnow.core import WinnowError, WorkspaceError


def workspace(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "workspace.json").write_text("{}")
    return folder


def test_the_secret_is_kept_for_its_owner_only_and_outlives_a_restart(tmp_path: Path) -> None:
    first = hubs.load_secret(tmp_path / "state")
    assert hubs.load_secret(tmp_path / "state") == first
    assert len(first) == 32
    assert stat.S_IMODE((tmp_path / "state" / "secret").stat().st_mode) == 0o600


def test_a_broken_secret_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("not hex")
    assert len(hubs.load_secret(tmp_path)) == 32


def test_a_workspace_has_the_same_key_after_a_restart_and_only_known_ones_open(tmp_path: Path) -> None:
    path = workspace(tmp_path / "a.winnow")
    one = hubs.ServerState(directory=tmp_path / "state", opener=lambda p, a: FakeWorkspace(p, a, n=20))
    key = one.add(path)
    one.remember(key)
    two = hubs.ServerState(directory=tmp_path / "state", opener=lambda p, a: FakeWorkspace(p, a, n=20))
    assert two.workspace(key).path == path
    assert [k for k, _ in two.recent()] == [key]
    with pytest.raises(WorkspaceError, match="has not been opened"):
        two.path("0123456789ab")


def test_recent_workspaces_that_are_gone_are_not_listed(tmp_path: Path) -> None:
    path = workspace(tmp_path / "a.winnow")
    hub = hubs.ServerState(directory=tmp_path / "state")
    hub.remember(hub.add(path))
    (path / "workspace.json").unlink()
    assert hub.recent() == []


def test_an_open_workspace_is_looked_at_again_after_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []
    fake = FakeWorkspace(tmp_path, n=20)
    monkeypatch.setattr(fake, "sync", lambda: looks.append(time.monotonic()))
    hub = hubs.ServerState(opener=lambda p, a: fake)
    key = hub.add(tmp_path)
    now = [100.0]
    monkeypatch.setattr(hubs.time, "monotonic", lambda: now[0])
    hub.workspace(key)
    hub.workspace(key)
    assert looks == []
    now[0] += hubs.SYNC_SECONDS + 0.1
    hub.workspace(key)
    assert len(looks) == 1


def test_selections_belong_to_their_workspace_and_the_oldest_go(tmp_path: Path) -> None:
    hub = hubs.ServerState()
    first = hub.keep_selection("a", ["x"])
    with pytest.raises(WinnowError, match="no longer kept"):
        hub.selection("b", first)
    for i in range(hubs.MAX_SELECTIONS - 1):
        hub.keep_selection("a", [str(i)])
    assert hub.selection("a", first) == ["x"]  # looked at, so it counts as new
    for i in range(hubs.MAX_SELECTIONS - 1):
        hub.keep_selection("a", [str(i)])
    assert hub.selection("a", first) == ["x"]
    hub.keep_selection("a", ["y"])
    for i in range(hubs.MAX_SELECTIONS):
        hub.keep_selection("a", [str(i)])
    with pytest.raises(WinnowError):
        hub.selection("a", first)


def test_the_environment_names_hosts_actor_and_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = workspace(tmp_path / "a.winnow")
    for name, value in (
        ("WINNOW_STATE", tmp_path / "state"),
        ("WINNOW_WORKSPACE", path),
        ("WINNOW_ACTOR", "grace"),
        ("WINNOW_ALLOWED_HOSTS", "Lab.example, "),
        ("WINNOW_ADDRESS", "0.0.0.0"),
    ):
        monkeypatch.setenv(name, str(value))
    hub = hubs.from_environment()
    assert hub.actor == "grace"
    assert hub.any_address
    assert {"lab.example", "localhost"} <= hub.hosts
    assert hub.path(str(hub.first)) == path
