"""The Select and Export pages on a real, small workspace."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from test_pages import html_of, open_page

from winnow.app import hub as hubs
from winnow.app.exports import ExportJob
from winnow.app.views.select_parts import payoff_card, payoff_ended, payoff_waiting
from winnow.core.errors import Cancelled
from winnow.core.types import Progress
from winnow.core.workspace import Workspace


@pytest.fixture
def real(tiny_ws: Path, tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(tiny_ws, actor="ada") as ws:
        made = hubs.configure(
            hubs.Hub(secret=b"0" * 32, actor="ada", opener=lambda path, actor: ws, directory=tmp_path / "state")
        )
        made.add(tiny_ws)
        st.cache_data.clear()
        st.cache_resource.clear()
        yield ws
        st.cache_data.clear()
        st.cache_resource.clear()


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
    assert [s.name for s in real.selections.all()] == ["<b>mine</b>"]
    assert "<b>mine" not in html_of(at)


def test_an_export_says_how_far_it_is_and_can_be_stopped() -> None:
    go: list[Progress] = []

    def work(tell):  # type: ignore[no-untyped-def]
        while True:
            go.append(Progress("export", len(go), 100))
            tell(go[-1])

    job = ExportJob(work).start()
    while job.done < 3:
        pass
    assert job.running()
    job.cancel()
    assert not job.running(10)
    assert job.cancelled
    assert job.result is None
    assert job.error is None

    def fail(tell):  # type: ignore[no-untyped-def]
        raise ValueError("odd")

    broken = ExportJob(fail).start()
    assert not broken.running(10)
    assert broken.error == "The export failed: odd"
    assert issubclass(Cancelled, Exception)


def test_the_payoff_in_words() -> None:
    arm = {"name": "subset", "title": "<i>x</i>", "size": 1200, "accuracy": 0.91, "deviation": 0.01, "f1": 0.9, "gmean": 0.88, "differences": [{"against": "random", "value": 0.02, "low": 0.01, "high": 0.03, "sure": True}]}  # fmt: skip
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
    assert "&lt;b&gt;" in payoff_ended({"state": "failed", "message": "<b>"})
