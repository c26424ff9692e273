"""Queues lists groups with more problems by name, with counts and examples; their samples open in Review."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from winnow.app.components.page_frame import Page
from winnow.app.pages import queues
from winnow.app.server.state import ServerState, server_state
from winnow.app.session import state
from winnow.core import Filter, Workspace


def fact(cluster: int, said: str, samples: int) -> dict[str, Any]:
    shares = {"share": samples / 40, "low": 0.1, "whole": 0.05}
    return {"cluster": cluster, "name": "<i>cars", "class": "cat", "fact": said, "samples": samples, "of": 40, **shares}


@pytest.fixture
def page(app_state: ServerState, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Page:
    ids = workspace.ids()
    rows = [fact(3, "more hard samples", 12), fact(4, "rare but coherent", 9), fact(5, "more noisy labels", 7)]
    table = {"name": "rare_slice", "rows": rows, "examples": [ids[:12], ids[20:25], ids[30:37]]}
    monkeypatch.setattr(workspace, "dataset_checks", lambda: [table])
    return Page("queues", str(app_state.first), workspace, workspace.info(), Filter(), workspace.counts(), "", "ada")


def test_wrong_labels_come_first_with_counts_and_examples(page: Page) -> None:
    found = queues.groups(page)
    assert found.count("<tr>") == 3, "the head and two groups: a rare one is no trouble"
    assert found.index("<b>7</b> of 40") < found.index("<b>12</b> of 40")
    assert "are noisy" in found
    assert "17.5%" in found
    assert found.count("<img") == 2 * queues.EXAMPLES
    assert "&lt;i&gt;cars" in found
    assert "<i>cars" not in found
    assert queues.groups(replace(page, filter=Filter(classes=("cat",)))) == ""


def test_a_group_opens_its_samples_in_review(page: Page, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "open_page", lambda name: None)
    queues.open_group(page, 0)
    s = state.session()
    assert list(server_state().selection(page.key, s.selection or "")) == workspace.ids()[30:37]
    assert s.sort == "-noisy_label"
    s.selection = None
    queues.open_group(page, 9)
    assert s.selection is None
