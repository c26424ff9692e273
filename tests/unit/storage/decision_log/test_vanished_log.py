"""A log that vanished, was cut short or was exchanged is noticed: on opening, and before a decision is acknowledged."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from winnow.core import Workspace
from winnow.core.cli import app
from winnow.core.errors import WorkspaceError
from winnow.core.storage.decision_log import recorded_head
from winnow.core.storage.decision_log.location import place_log
from winnow.core.storage.decision_log.store import DecisionStore

MARK = "log_head.json"


def decide(path: Path, n: int = 6, start: int = 0) -> None:
    with Workspace.open(path, actor="ann") as ws:
        for sample in ws.ids()[start : start + n]:
            ws.decide(sample, "exclude")


def remove(log: Path) -> None:
    log.unlink()


def cut(log: Path) -> None:
    os.truncate(log, 0)


def exchange(log: Path) -> None:
    log.unlink()
    with DecisionStore(log):
        pass


@pytest.mark.parametrize("harm", [remove, cut, exchange])
def test_a_log_that_lost_its_decisions_is_said_on_opening(tiny_ws: Path, harm) -> None:  # type: ignore[no-untyped-def]
    decide(tiny_ws)
    harm(tiny_ws / "decisions.db")
    before = {p.name: p.stat().st_size for p in tiny_ws.iterdir()}
    with pytest.raises(WorkspaceError, match=r"6 decisions.*--new-log") as error:
        Workspace.open(tiny_ws)
    assert "winnow backup" in str(error.value)
    assert {p.name: p.stat().st_size for p in tiny_ws.iterdir()} == before, "nothing was made or changed"
    done = CliRunner().invoke(app, ["export", str(tiny_ws), str(tiny_ws / "out.csv")])
    assert done.exit_code != 0
    assert not (tiny_ws / "out.csv").exists()


def test_a_scan_does_not_go_on_without_the_decisions(tiny_ws: Path, tiny_data: Path) -> None:
    decide(tiny_ws)
    (tiny_ws / "decisions.db").unlink()
    with pytest.raises(WorkspaceError, match="--new-log"):
        Workspace.scan(tiny_data / "samples.parquet", tiny_ws, embeddings=tiny_data / "embeddings.parquet")


def test_an_older_copy_of_the_log_is_said_and_can_be_taken_on_purpose(tiny_ws: Path, tmp_path: Path) -> None:
    decide(tiny_ws, 3)
    shutil.copy(tiny_ws / "decisions.db", tmp_path / "older.db")
    decide(tiny_ws, 2, 3)
    shutil.copy(tmp_path / "older.db", tiny_ws / "decisions.db")
    with pytest.raises(WorkspaceError, match=r"3 decisions.*had 5.*copied while decisions were made.*winnow backup"):
        Workspace.open(tiny_ws)
    done = CliRunner().invoke(app, ["store", str(tiny_ws), "--new-log", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["decisions"] == 3
    with Workspace.open(tiny_ws) as ws:
        assert len(ws.current()) == 3


def test_another_log_of_the_same_length_is_said(tiny_ws: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(tiny_ws, tmp_path / "other"))
    decide(tiny_ws)
    decide(other, start=20)
    shutil.copy(other / "decisions.db", tiny_ws / "decisions.db")
    with pytest.raises(WorkspaceError, match="another log"):
        Workspace.open(tiny_ws)


def test_a_new_log_is_begun_on_purpose_and_keeps_what_was_left(tiny_ws: Path) -> None:
    decide(tiny_ws)
    (tiny_ws / "decisions.db").unlink()
    (tiny_ws / "decisions.db-wal").write_bytes(b"left over")
    done = CliRunner().invoke(app, ["store", str(tiny_ws), "--new-log"])
    assert done.exit_code == 0, done.output
    assert [p.read_bytes() for p in tiny_ws.glob("decisions.db-wal.*")] == [b"left over"]
    decide(tiny_ws, 2)
    with Workspace.open(tiny_ws) as ws:
        assert len(ws.current()) == 2


def test_what_is_fine_opens(tiny_ws: Path, tmp_path: Path) -> None:
    decide(tiny_ws, 2)
    mark = (tiny_ws / MARK).read_bytes()
    decide(tiny_ws, 3, 2)
    (tiny_ws / MARK).write_bytes(mark)  # behind the log, as after a kill
    decide(tiny_ws, 1, 5)
    assert json.loads((tiny_ws / MARK).read_text())["decisions"] == 6
    copy = Path(shutil.copytree(tiny_ws, tmp_path / "copy"))
    decide(copy, 1, 6)
    (tiny_ws / MARK).unlink()  # as an older release left it
    Workspace.open(tiny_ws).close()
    assert json.loads((tiny_ws / MARK).read_text())["decisions"] == 6
    (tiny_ws / MARK).write_text("{")
    Workspace.open(tiny_ws).close()
    assert json.loads((tiny_ws / MARK).read_text())["decisions"] == 6


def test_class_changes_are_counted_too(tiny_ws: Path) -> None:
    with Workspace.open(tiny_ws, actor="ann") as ws:
        ws.class_editor.rename("digit 0", "zero", actor="ann")
    (tiny_ws / "decisions.db").unlink()
    with pytest.raises(WorkspaceError, match="1 class change"):
        Workspace.open(tiny_ws)


@pytest.mark.parametrize("harm", [remove, cut, exchange, lambda log: log.rename(log.with_name("elsewhere.db"))])
def test_a_log_moved_away_under_a_running_server_takes_no_decision(tiny_ws: Path, harm) -> None:  # type: ignore[no-untyped-def]
    log = tiny_ws / "decisions.db"
    with Workspace.open(tiny_ws, actor="ann") as ws:
        ids = ws.ids()
        ws.decide(ids[0], "exclude")
        harm(log)
        for attempt in (
            lambda: ws.decide(ids[1], "exclude"),
            lambda: ws.record([{"sample_id": ids[2], "action": "exclude"}]),
            lambda: ws.undo(),
            lambda: ws.class_editor.rename("digit 0", "zero", actor="ann"),
        ):
            with pytest.raises(WorkspaceError, match="while Winnow had it open"):
                attempt()


def test_a_log_put_back_goes_on(tiny_ws: Path) -> None:
    log, away = tiny_ws / "decisions.db", tiny_ws / "away.db"
    with Workspace.open(tiny_ws, actor="ann") as ws:
        ids = ws.ids()
        ws.decide(ids[0], "exclude")
        log.rename(away)
        with pytest.raises(WorkspaceError, match="Put it back"):
            ws.decide(ids[1], "exclude")
        assert not log.exists(), "no empty log in its place"
        away.rename(log)
        ws.decide(ids[1], "exclude")
        assert len(ws.current()) == 2


def test_the_mark_is_written_once_a_second_at_most_and_without_waiting_for_the_disk(
    tiny_ws: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    replace = os.replace
    monkeypatch.setattr(recorded_head.os, "replace", lambda a, b: (written.append(b), replace(a, b)))
    with Workspace.open(tiny_ws, actor="ann") as ws:
        ids, began = ws.ids(), time.monotonic()
        synced = []
        monkeypatch.setattr(os, "fsync", synced.append)
        for sample in ids[:100]:
            ws.decide(sample, "exclude")
        took = time.monotonic() - began
    assert len([p for p in written if Path(p).name == MARK]) <= took + 3
    assert not synced


def test_the_mark_never_says_more_than_the_log(tiny_ws: Path) -> None:
    with Workspace.open(tiny_ws, actor="ann") as ws:
        for sample in ws.ids()[:30]:
            ws.decide(sample, "exclude")
            said = json.loads((tiny_ws / MARK).read_text())["decisions"]
            with sqlite3.connect(tiny_ws / "decisions.db") as conn:
                assert said <= conn.execute("SELECT count(*) FROM decisions").fetchone()[0]


def test_a_server_s_log_that_lost_its_decisions_is_said(tiny_ws: Path, postgres: str) -> None:
    import psycopg

    decide(tiny_ws)
    place_log(tiny_ws, postgres)
    decide(tiny_ws, 2, 6)
    with psycopg.connect(postgres, autocommit=True) as conn:
        conn.execute("DROP SCHEMA public CASCADE")
        conn.execute("CREATE SCHEMA public")
    with pytest.raises(WorkspaceError, match="had 8"):
        Workspace.open(tiny_ws)
