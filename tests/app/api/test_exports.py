"""Exports are sent while they are read, to whom they were made for, and to nobody whose right or token has ended."""

from __future__ import annotations

import io
import json
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.helpers.team import ROLES, allowed, give_roles
from winnow.app.api.exports import export_link
from winnow.app.server.routes import build_routes
from winnow.app.server.security import LINK_SECONDS
from winnow.app.server.state import ServerState
from winnow.app.server.token_auth import TokenAuthenticator
from winnow.core import Filter, Workspace

MIB = 1 << 20


@pytest.fixture
def client(app_state: ServerState) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=build_routes())) as made:
        yield made


def link_for(server: ServerState, name: str, actor: str = "ada", **more: Any) -> str:
    key, proven, source = str(server.first), more.get("proven", False), more.get("source", "")
    return export_link(server, key, name, actor, proven, source, more.get("new"))[1:]


@pytest.fixture
def exported(workspace: Workspace) -> Path:
    made = workspace.exports.place("photos")
    workspace.exports.export(made, format="image_folder", actor="ada")
    return made


def test_a_folder_comes_as_a_whole_archive_of_the_size_that_was_said(
    client: TestClient, app_state: ServerState, exported: Path
) -> None:
    sent = client.get(link_for(app_state, "photos"))
    assert sent.status_code == 200
    assert int(sent.headers["content-length"]) == len(sent.content)
    assert sent.headers["content-disposition"] == "attachment; filename*=UTF-8''photos.zip"
    archive = zipfile.ZipFile(io.BytesIO(sent.content))
    assert archive.testzip() is None
    there = {p.relative_to(exported.parent).as_posix(): p.read_bytes() for p in exported.rglob("*") if p.is_file()}
    assert {name: archive.read(name) for name in archive.namelist()} == there
    assert not list(exported.parent.glob("*.zip"))


def test_a_link_in_a_folder_is_not_followed(client: TestClient, app_state: ServerState, exported: Path) -> None:
    secret = exported.parents[2] / "secret"
    secret.write_text("secret")
    (exported / "link").symlink_to(secret)
    (exported / "folder").symlink_to(secret.parent)
    sent = client.get(link_for(app_state, "photos"))
    assert not [n for n in zipfile.ZipFile(io.BytesIO(sent.content)).namelist() if "link" in n or "folder/" in n]


def test_a_file_comes_as_it_is(client: TestClient, app_state: ServerState, workspace: Workspace) -> None:
    path = workspace.exports.place("größe 1.csv")
    workspace.exports.export(path, actor="ada")
    sent = client.get(link_for(app_state, "größe 1.csv"))
    assert sent.content == path.read_bytes()
    assert sent.headers["content-disposition"].endswith("gr%C3%B6%C3%9Fe%201.csv")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are made."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_a_file_is_made_when_it_is_asked_for_and_gone_when_it_is_sent(
    client: TestClient, app_state: ServerState, workspace: Workspace, tmp_path: Path, temporary: Path
) -> None:
    kept = workspace.saved_selections.save("kept", workspace.ids()[3:9], actor="ada")
    workspace.decide(workspace.ids()[4], "exclude", actor="ada")
    parts: dict[str, Any] = {
        "": {},
        "verdicts=clean": {"only": workspace.ids(Filter(verdicts=("clean",)))},
        f"selection={kept.handle}": {"only": workspace.ids()[3:9], "include_excluded": True},
    }
    for query, options in parts.items():
        plain = {k: v for k, v in options.items() if k != "only"}
        sent = client.get(link_for(app_state, "größe 1.csv", new=("data", query, plain)))
        same = workspace.exports.export(tmp_path / "same.csv", actor="ada", **options)
        assert sent.content == Path(same.path).read_bytes()
        assert int(sent.headers["content-length"]) == len(sent.content)
        assert sent.headers["content-disposition"].endswith("gr%C3%B6%C3%9Fe%201.csv")
    sent = client.get(link_for(app_state, "x.yolo", new=("data", "verdicts=clean", {"format": "yolo"})))
    files = zipfile.ZipFile(io.BytesIO(sent.content)).namelist()
    assert len([name for name in files if name.endswith(".png")]) == len(parts["verdicts=clean"]["only"])
    sent = client.get(link_for(app_state, "x.log.csv", new=("log", "", {"actor": "ada"})))
    workspace.write_log(tmp_path / "same.log.csv", by="ada", actor="ada")
    assert sent.content == (tmp_path / "same.log.csv").read_bytes()
    assert not list(temporary.iterdir())
    assert not [p for p in workspace.path.rglob("*") if "1.csv" in p.name]


@pytest.mark.parametrize("what", ["data", "log"])
@pytest.mark.parametrize("person", ROLES)
def test_only_for_who_may_export_a_file_is_made(
    client: TestClient, app_state: ServerState, workspace: Workspace, temporary: Path, person: str, what: str
) -> None:
    workspace.roles.set("olga", "owner", by="ada")
    give_roles(workspace)
    sent = client.get(link_for(app_state, "x.csv", person, new=(what, "", {})))
    assert sent.status_code == (200 if allowed("reviewer", ROLES[person]) else 403)
    assert not list(temporary.iterdir())


def test_a_file_that_cannot_be_made_is_said_and_leaves_nothing(
    client: TestClient, app_state: ServerState, temporary: Path
) -> None:
    for new in (("data", "selection=gone", {}), ("data", "strict=x", {}), ("data", "", {"format": "nothing"})):
        sent = client.get(link_for(app_state, "x", new=new))
        assert sent.status_code in (400, 409)
        assert sent.json()["error"]
    assert not list(temporary.iterdir())
    temporary.rmdir()
    sent = client.get(link_for(app_state, "x.csv", new=("data", "", {})))
    assert sent.status_code == 409
    assert "temporary file for 'x.csv' cannot be written: no such file or directory" in sent.json()["error"]


@pytest.mark.parametrize("name", ["../workspace.json", "gone", "..", "photos/winnow-export.json"])
def test_nothing_but_an_export_is_sent(client: TestClient, app_state: ServerState, exported: Path, name: str) -> None:
    sent = client.get(link_for(app_state, name))
    assert sent.status_code in (404, 409)
    assert sent.json()["error"]


@pytest.mark.parametrize("person", ROLES)
def test_only_who_may_export_downloads(
    client: TestClient, app_state: ServerState, workspace: Workspace, exported: Path, person: str
) -> None:
    workspace.roles.set("olga", "owner", by="ada")
    give_roles(workspace)
    sent = client.get(link_for(app_state, "photos", person))
    assert sent.status_code == (200 if allowed("reviewer", ROLES[person]) else 403)


def test_a_link_ends_with_its_token_its_role_and_its_time(
    client: TestClient,
    app_state: ServerState,
    workspace: Workspace,
    exported: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app_state.authenticator = TokenAuthenticator(app_state.secret, {"t" * 20: "ada"})
    link = link_for(app_state, "photos", source=app_state.authenticator.key("t" * 20))
    assert client.get(link).status_code == 200
    app_state.authenticator = TokenAuthenticator(app_state.secret, {"u" * 20: "ada"})
    assert client.get(link).status_code == 401
    app_state.authenticator = None
    link = link_for(app_state, "photos")
    assert client.get(link).status_code == 200
    assert client.get(link.replace("s=", "s=A")).status_code == 403
    assert client.get(link, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    with monkeypatch.context() as later:
        now = time.time()
        later.setattr("winnow.app.server.security.time.time", lambda: now + 2 * LINK_SECONDS)
        assert client.get(link).status_code == 403
    workspace.roles.set("olga", "owner", by="ada")
    workspace.roles.set("ada", "viewer", by="olga")
    assert client.get(link).status_code == 403


@contextmanager
def listening() -> Iterator[str]:
    """The address of a real server with the routes, in this process."""
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=build_routes()), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    yield f"http://{host}:{port}"
    server.should_exit = True
    thread.join(20)


def growth_while_sent(app_state: ServerState, target: Path, **link: Any) -> tuple[int, int]:
    """Download an export into a file. Returns its bytes, and those by which the resident memory grew at most."""
    process = psutil.Process()
    app_state.hosts = app_state.hosts | {"127.0.0.1"}
    with listening() as url, httpx.Client(timeout=120) as browser:
        browser.get(f"{url}/api/health")
        before = most = process.memory_info().rss
        with browser.stream("GET", url + link_for(app_state, target.stem, **link)) as sent, target.open("wb") as out:
            assert sent.status_code == 200
            for chunk in sent.iter_bytes():
                out.write(chunk)
                most = max(most, process.memory_info().rss)
    return target.stat().st_size, most - before


def enlarge(exported: Path, mebibytes: int) -> None:
    (exported / "large").mkdir()
    for i in range(mebibytes // 64):
        with (exported / "large" / f"{i}.png").open("wb") as file:
            file.truncate(64 * MIB)


@pytest.mark.parametrize("mebibytes", [192, pytest.param(1024, marks=[pytest.mark.attack, pytest.mark.timeout(1800)])])
def test_the_memory_stays_flat_while_an_export_is_sent(
    app_state: ServerState, exported: Path, tmp_path: Path, mebibytes: int, capsys: pytest.CaptureFixture[str]
) -> None:
    enlarge(exported, mebibytes)
    size, growth = growth_while_sent(app_state, tmp_path / "photos.zip")
    with capsys.disabled():
        print(f"\n{size / MIB:,.0f} MiB sent, memory +{growth / MIB:.1f} MiB")
    assert size > mebibytes * MIB
    assert growth < 64 * MIB
    with zipfile.ZipFile(tmp_path / "photos.zip") as archive:
        assert archive.testzip() is None
        assert json.loads(archive.read("photos/winnow-export.json"))["format"].startswith("winnow-export")


def test_the_memory_stays_flat_while_a_made_file_is_sent(
    app_state: ServerState, workspace: Workspace, temporary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(_: Workspace, path: Path, **__: Any) -> None:
        with path.open("wb") as file:
            file.truncate(192 * MIB)

    monkeypatch.setattr(Workspace, "write_log", write)
    size, growth = growth_while_sent(app_state, tmp_path / "x.log", new=("log", "", {}))
    assert size == 192 * MIB
    assert growth < 64 * MIB
    assert not list(temporary.iterdir())
