"""A workspace of every schema that there ever was opens in this release, with its decisions, and goes on."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from winnow.core import Workspace
from winnow.core.storage.decision_log.migrations import SCHEMA_VERSION

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"


def test_every_schema_has_a_fixture() -> None:
    kept = sorted(p.name for p in FIXTURES.glob("workspace-schema-*.tar.xz"))
    assert kept == [f"workspace-schema-{v}.tar.xz" for v in range(1, SCHEMA_VERSION + 1)], "run tests/fixtures/make.py"


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION + 1))
def test_a_workspace_of_an_earlier_schema_opens_and_goes_on(tmp_path: Path, version: int) -> None:
    with tarfile.open(FIXTURES / f"workspace-schema-{version}.tar.xz") as tar:
        tar.extractall(tmp_path, filter="data")
    with Workspace.open(tmp_path / "ws", actor="ann") as ws:
        assert [d.decision_id for d in ws.history()] == ["u1:0", "d3", "d2", "d1"]
        said = {i: {who: d.action.value for who, d in people.items()} for i, people in ws.current().items()}
        assert said == {"t0": {"ann": "relabel", "bob": "accept"}}
        assert ws.history()[-1].reason == "seen before"
        ws.decide("t5", "exclude")
        ws.class_editor.merge("rain", "food", actor=ws.actor)
        assert set(ws.classes()) == {"money", "food"}
        assert ws.export(tmp_path / "out.csv").rows == 23
        assert len(ws.cards(ws.ids())) == 24
    with Workspace.open(tmp_path / "ws") as again:
        assert len(again.history()) == 5
