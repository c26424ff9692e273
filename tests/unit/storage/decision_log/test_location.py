"""Backups of the log, and moving it to a team's server."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from winnow.core import Workspace
from winnow.core.cli import app
from winnow.core.errors import WorkspaceError
from winnow.core.storage.decision_log.copy import copy_log
from winnow.core.storage.decision_log.location import checked_address, place_log
from winnow.core.storage.decision_log.store import DecisionStore


def decided(path: Path, n: int = 6, actor: str = "ann") -> None:
    with Workspace.open(path, actor=actor) as ws:
        for sample in ws.ids()[:n]:
            ws.decide(sample, "relabel", label="a new class")
        ws.undo()


def everything(target: str | Path) -> tuple[object, object, object]:
    with DecisionStore(target) as store:
        return store.history(limit=10_000), store.class_events(), store.head()


def test_a_backup_holds_every_row_and_opens_as_a_log(tiny_ws: Path, tmp_path: Path) -> None:
    decided(tiny_ws)
    copy = tmp_path / "copy.db"
    done = CliRunner().invoke(app, ["backup", str(tiny_ws), str(copy), "--json"])
    assert json.loads(done.stdout)["decisions"] == 7
    assert everything(copy) == everything(tiny_ws / "decisions.db")
    shutil.copy(copy, tiny_ws / "decisions.db")
    with Workspace.open(tiny_ws) as ws:
        assert len(ws.current()) == 5
        with pytest.raises(WorkspaceError, match="never writes over a file"):
            ws.backup(copy)


def test_decisions_move_to_a_server_and_stay_there(tiny_ws: Path, tmp_path: Path, postgres: str) -> None:
    decided(tiny_ws)
    before = everything(tiny_ws / "decisions.db")
    assert place_log(tiny_ws, postgres) == 7
    assert everything(postgres) == before
    assert place_log(tiny_ws, postgres) == 0, "asking again changes nothing"
    colleague = Path(shutil.copytree(tiny_ws, tmp_path / "colleague"))
    with Workspace.open(tiny_ws, actor="ann") as mine, Workspace.open(colleague, actor="ben") as theirs:
        sample = mine.ids()[20]
        theirs.decide(sample, "exclude")
        mine.sync()
        assert mine.current([sample])[sample]["ben"].action == "exclude"
        mine.decide(sample, "accept")
        theirs.sync()
        assert theirs.counts().by_state["disputed"] == 1
        assert mine.backup(tmp_path / "out.db") == 9
    assert everything(tmp_path / "out.db") == everything(postgres)
    assert everything(tiny_ws / "decisions.db") == before, "the old file stays as it was"


def test_logs_are_never_mixed(tiny_ws: Path, tmp_path: Path, postgres: str) -> None:
    other = Path(shutil.copytree(tiny_ws, tmp_path / "other"))
    decided(tiny_ws)
    place_log(tiny_ws, postgres)
    decided(other, 2, "ben")
    with pytest.raises(WorkspaceError, match=r"Both .* hold decisions"):
        place_log(other, postgres)
    with pytest.raises(WorkspaceError, match="already holds 7 decisions"):
        copy_log(other / "decisions.db", postgres)
    assert not json.loads((other / "workspace.json").read_text()).get("store")


def test_the_database_of_another_dataset_is_refused(tiny_ws: Path, postgres: str) -> None:
    from winnow.core.storage.decision_log.store import DecisionRequest
    from winnow.core.types import Action

    with DecisionStore(postgres) as store:
        store.append([DecisionRequest(f"elsewhere/{i}.png", Action.ACCEPT, "ann") for i in range(5)])
    with pytest.raises(WorkspaceError, match=r"holds decisions about 'elsewhere/0.png'"):
        place_log(tiny_ws, postgres)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("postgresql://ann:secret@db/winnow", "holds a password"),
        ("mysql://db/winnow", "no PostgreSQL address"),
        ("not an address", "no database address"),
    ],
)
def test_an_address_that_cannot_be_kept_says_why(address: str, says: str) -> None:
    with pytest.raises(WorkspaceError, match=says) as error:
        checked_address(address)
    assert "secret" not in str(error.value)


def test_a_scan_may_name_the_server(tiny_data: Path, tmp_path: Path, postgres: str) -> None:
    out = tmp_path / "ws"
    arguments = [
        "scan",
        str(tiny_data / "samples.parquet"),
        "--out",
        str(out),
        "--store",
        postgres,
        "--no-map",
        "-q",
        "--embeddings",
        str(tiny_data / "embeddings.parquet"),
    ]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    decided(out)
    assert everything(postgres)[2][0] == 7  # type: ignore[index]
    said = CliRunner().invoke(app, ["store", str(out)])
    assert postgres in said.stdout
