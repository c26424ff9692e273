"""Overview tells how many captions fit their images, by source, the worst first, each with its queue."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from winnow.app.components import pair_quality
from winnow.app.components.page_frame import Page
from winnow.app.pages import overview
from winnow.app.server.state import ServerState
from winnow.core import Filter, Workspace


@pytest.fixture
def page(app_state: ServerState, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Page:
    rows = [
        {"source": "<web>", "samples": 90, "mismatched": 0.333, "low": 0.23, "high": 0.45, "expected": 0.3},
        {"source": "book", "samples": 210, "mismatched": 0.0, "low": 0.0, "high": 0.02, "expected": 0.0},
    ]
    table: dict[str, Any] = {"name": "pair_quality", "skipped": "", "summary": "30 of 300.", "rows": rows}
    monkeypatch.setattr(workspace, "dataset_checks", lambda: [{**table, "examples": [workspace.ids()[:5], []]}])
    return Page(
        "overview",
        str(app_state.first),
        workspace,
        replace(workspace.info(), modality="pair"),
        Filter(),
        workspace.counts(),
        "",
        "ada",
    )


def test_sources_are_listed_with_examples_and_their_queue(page: Page) -> None:
    html = pair_quality.caption_table(page)
    assert "<web>" not in html
    assert html.index("&lt;web&gt;") < html.index(">book<")
    assert "33.3%" in html
    assert html.count("<img") == pair_quality.EXAMPLES
    assert "sources=book" in html
    assert "winnow pairs" in html


def test_overview_shows_it_for_pairs_only(page: Page) -> None:
    assert "Captions by source" in overview.body(page)
    assert "Captions by source" not in overview.body(replace(page, info=replace(page.info, modality="image")))
    unlabelled = overview.body(replace(page, info=replace(page.info, n_labelled=0)))
    assert unlabelled.count("Captions by source") == 1
    assert "nothing can be said about noisy ones" not in unlabelled
