"""The Select and Export pages on a real, small workspace."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.app.pages.test_pages import html_of, open_page
from winnow.app.components.subset_cards import payoff_card, payoff_ended, payoff_waiting
from winnow.app.server import state as states
from winnow.app.server.routes import build_routes
from winnow.app.server.token_auth import SessionPass, TokenAuthenticator
from winnow.core import Comparisons, SubsetRequest, Workspace, comparison_fingerprint
from winnow.core.cli import worker
from winnow.core.storage import job_files


@pytest.fixture
def real(tiny_ws: Path, tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(tiny_ws, actor="ada") as ws:
        made = states.configure(
            states.ServerState(
                secret=b"0" * 32, actor="ada", opener=lambda path, actor: ws, directory=tmp_path / "state"
            )
        )
        made.add(tiny_ws)
        st.cache_data.clear()
        st.cache_resource.clear()
        yield ws
        st.cache_data.clear()
        st.cache_resource.clear()


def run_worker_here(command: list[str], **_: object) -> SimpleNamespace:
    """Stands in for ``subprocess.Popen``: the job is done when it returns."""
    worker.main(command[3:])
    return SimpleNamespace(pid=1)


def chosen(text: str) -> int:
    found = re.search(r"<h2 data-size>([\d,]+) samples", text)
    assert found, text[:500]
    return int(found.group(1).replace(",", ""))


def test_a_slider_changes_the_subset_and_a_name_keeps_it(real: Workspace) -> None:
    at = open_page("select")
    before = html_of(at)
    assert "Coverage radius" in before
    assert "Classes" in before
    at.slider(key="w-budget").set_value(60).run()
    assert not at.exception
    after = html_of(at)
    assert chosen(after) == pytest.approx(2 * chosen(before), abs=2)
    at.selectbox(key="w-method").set_value("k_center").run()
    assert at.slider(key="w-diversity").disabled
    assert not at.slider(key="w-quality").disabled
    name = next(t for t in at.text_input if t.label == "Name")
    name.set_value("<b>mine</b>").run()
    at.button(key="w-keep-save").click().run()
    assert [s.name for s in real.saved_selections.all()] == ["<b>mine</b>"]
    assert "<b>mine" not in html_of(at)


def comparison(ws: Workspace, best: str | None) -> dict[str, object]:
    chooser = ws.subsets
    m = chooser.context()
    low = 0.01 if best else -0.01
    row = {
        "method": "d2",
        "title": "Difficulty <b>",
        "size": 9,
        "radius": 0.2,
        "p95": 0.1,
        "vendi": 3.0,
        "seconds": 0.1,
        "accuracy": 0.9,
        "deviation": 0.01,
        "against_random": [0.03, low, 0.05],
        "beats_random": best is not None,
    }
    chance = {**row, "method": "random", "title": "Random", "against_random": None, "beats_random": None}
    return {
        "fingerprint": comparison_fingerprint(chooser, m, SubsetRequest()),
        "data": chooser.state_fingerprint(m),
        "wish": SubsetRequest().to_json(),
        "rows": [row, chance],
        "left_out": {"ot_gain": "why <i>"},
        "judged": 60,
        "reviewed": 0,
        "seeds": 5,
        "looks": 2,
        "level": 0.95,
        "recommended": best,
        "verdict": "Said so.",
        "at": "2026-01-01T00:00:00+00:00",
    }


def test_nothing_is_recommended_before_it_was_measured(real: Workspace) -> None:
    at = open_page("select")
    assert at.selectbox(key="w-method").value == "random"
    assert not any("recommended" in option for option in at.selectbox(key="w-method").options)
    assert "Compare all methods" in html_of(at)
    Comparisons(real.path / "selections").keep(comparison(real, None))
    at = open_page("select")
    assert at.selectbox(key="w-method").value == "random"
    assert "Said so." in html_of(at)
    assert not any("recommended" in option for option in at.selectbox(key="w-method").options)


def test_what_beat_random_is_recommended_until_the_data_changes(real: Workspace) -> None:
    Comparisons(real.path / "selections").keep(comparison(real, "d2"))
    at = open_page("select")
    assert at.selectbox(key="w-method").value == "d2"
    assert [o for o in at.selectbox(key="w-method").options if "recommended" in o] == [
        "Difficulty and diversity (D2) · recommended"
    ]
    shown = html_of(at)
    assert "beats random" in shown
    assert "Difficulty <b>" not in shown
    assert "why <i>" not in shown
    at.slider(key="w-quality").set_value(0.8).run()
    assert "Compare all methods" in html_of(at), "under other settings it was not measured"
    real.decide(real.ids()[0], "exclude")
    assert open_page("select").selectbox(key="w-method").value == "random"


def test_a_comparison_in_its_own_process_is_followed(real: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[SubsetRequest] = []
    monkeypatch.setattr("winnow.app.pages.select.start_comparison", lambda root, mark, wish, *more: begun.append(wish))
    said = {"state": "running", "done": 3, "total": 12, "message": "choosing: <b>"}
    monkeypatch.setattr("winnow.app.pages.select.payoff_status", lambda root, mark: said)
    text = html_of(open_page("select"))
    assert 'aria-valuenow="25"' in text
    assert "choosing: &lt;b&gt;" in text
    assert not begun, "only a person starts it"


def test_an_export_runs_as_a_job_and_its_outcome_is_shown(real: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_files.subprocess, "Popen", run_worker_here)
    at = open_page("export")
    out = real.path.parent / "curated.csv"
    next(t for t in at.text_input if t.label == "Write to").set_value(str(out)).run()
    at.selectbox(key="w-format").set_value("csv").run()
    next(t for t in at.text_input if t.label == "Write to").set_value(str(out)).run()
    at.button(key="w-write").click().run()
    assert not at.exception
    assert f"Wrote {len(real.ids())} rows" in html_of(at)
    assert out.exists()
    next(t for t in at.text_input if t.label == "Write to").set_value(str(real.path / "verdicts.parquet")).run()
    next(c for c in at.checkbox if c.label == "Replace it").check().run()
    at.button(key="w-write").click().run()
    assert "belongs to the workspace" in html_of(at) or "does not end in" in html_of(at)


def test_the_payoff_in_words() -> None:
    arm = {
        "name": "subset",
        "title": "<i>x</i>",
        "size": 1200,
        "accuracy": 0.91,
        "deviation": 0.01,
        "f1": 0.9,
        "gmean": 0.88,
        "differences": [{"against": "random", "value": 0.02, "low": 0.01, "high": 0.03, "sure": True}],
    }
    other = {**arm, "name": "random", "title": "Random", "differences": []}
    found = {
        "arms": [arm, other],
        "judged": 500,
        "reviewed": 20,
        "seeds": 5,
        "looks": 3,
        "verdict": "Better.",
        "beats_random": True,
    }
    text = payoff_card(found)
    assert "<i>x</i>" not in text
    assert "91.0%" in text
    assert "+2.0%" in text
    assert "3 subsets" in text
    assert 'aria-valuenow="25"' in payoff_waiting({"done": 5, "total": 20}, 1)
    assert "data-open" in payoff_waiting({}, 0)
    assert "&lt;b&gt;" in payoff_ended({"state": "failed", "message": "<b>"}, 0, True)


def owner_and(real: Workspace, role: str) -> None:
    """Ada keeps this role; somebody else owns the workspace."""
    real.roles.set("olga", "owner", by="ada")
    real.roles.set("ada", role, by="olga")


def test_a_viewer_is_shown_no_way_to_export(real: Workspace) -> None:
    owner_and(real, "viewer")
    at = open_page("export")
    assert not [b for b in at.button if b.key == "w-write"]
    assert not at.text_input
    assert "Only a reviewer or an owner may export" in html_of(at)


@pytest.mark.parametrize("guard", ["shared", "token"])
def test_no_path_comes_from_a_browser_where_the_server_is_for_many(
    real: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guard: str
) -> None:
    monkeypatch.setattr(job_files.subprocess, "Popen", run_worker_here)
    server = states.server_state()
    server.shared = guard == "shared"
    if guard == "token":
        server.authenticator = TokenAuthenticator(server.secret, {"t" * 20: "ada"})
        given = SessionPass("ada", 0, server.authenticator.key("t" * 20))
        monkeypatch.setattr("winnow.app.server.signin._session_pass", lambda: given)
    before = sorted(tmp_path.iterdir())
    at = open_page("export")
    assert not [t for t in at.text_input if t.label == "Write to"]
    at.selectbox(key="w-format").set_value("split_ids").run()
    next(t for t in at.text_input if t.label == "Name").set_value("../../precious").run()
    at.button(key="w-write").click().run()
    assert not at.exception
    assert sorted(tmp_path.iterdir()) == before
    made = real.path / "exports"
    assert {p.name for p in made.iterdir() if p.is_dir()} == {"_.._precious"}
    (link,) = re.findall(r'href="\.(/api/export/[^"]+)"', html_of(at))
    with TestClient(Starlette(routes=build_routes())) as client:
        sent = client.get(unescape(link), headers={"Host": "localhost"})
    assert "_.._precious.zip" in sent.headers["content-disposition"]
    names = set(zipfile.ZipFile(io.BytesIO(sent.content)).namelist())
    assert {"_.._precious/train.txt", "_.._precious/winnow-export.json"} <= names
    assert not list(made.glob("*.zip")), "the archive is sent, not kept"


def test_what_is_replaced_is_said_first(real: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_files.subprocess, "Popen", run_worker_here)
    out = real.path.parent / "precious.csv"
    out.write_text("the only copy")
    at = open_page("export")
    at.selectbox(key="w-format").set_value("csv").run()
    next(t for t in at.text_input if t.label == "Write to").set_value(str(out)).run()
    assert "precious.csv is there already: a file of 13 bytes" in html_of(at)
    assert at.button(key="w-write").disabled
    next(c for c in at.checkbox if c.label == "Replace it").check().run()
    at.button(key="w-write").click().run()
    assert out.read_text() != "the only copy"
