"""The whole way of a person: look, select, decide, undo, come back, export."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from tests.helpers.browser import lasso, open_map, open_review, sample, selected, wait_saved
from tests.helpers.harness import Server, run_winnow
from winnow.core.workspace import Workspace

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def in_force(path: Path) -> dict[str, tuple[str, str | None]]:
    """Sample → (action, label) as the log says it now."""
    with Workspace.open(path) as ws:
        return {i: (d.action.value, d.label) for i, people in ws.current().items() for d in people.values()}


def test_from_the_first_look_to_the_exported_files(page: Page, server: Server, workspace: Path, tmp_path: Path) -> None:
    with Workspace.open(workspace) as ws:
        table = ws.scores().set_index("id")
        given = {row["sample_id"]: row["label"] for row in ws.rows(limit=len(table))}

    # open, and read the Overview
    page.goto(server.url)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_role("link", name="Review flagged samples")).to_be_visible()
    expect(page.get_by_text("Planted and found")).to_be_visible()

    # lasso on the map, and exclude exactly the printed count
    page.get_by_role("link", name="Map", exact=True).click()
    open_map(page)
    lasso(page, 0.5, 0.5, 0.22)
    printed = selected(page)
    assert 0 < printed < len(table)
    expect(page.get_by_role("button", name=f"Exclude {printed:,} samples")).to_be_visible()
    page.keyboard.press("x")
    page.keyboard.press("y")  # does nothing where so few need no confirmation
    expect(page.locator(".bulk .what")).to_contain_text(f"Excluded {printed:,} samples")
    excluded = in_force(workspace)
    assert len(excluded) == printed
    assert set(excluded.values()) == {("exclude", None)}

    # review ten samples by keyboard
    page.get_by_role("link", name="Review", exact=False).first.click()
    expect(page.locator(".review")).to_have_attribute("data-state", "ready")
    expected: dict[str, tuple[str, str | None]] = {}
    order: list[str] = []
    for key in "awxa1wxaw2":
        here = sample(page)
        assert here not in excluded
        if key == "w" and page.locator(".review .take").is_disabled():
            key = "1"  # nothing is suggested for this one
        likely = page.locator(".review .option .mid").all_inner_texts()
        suggestion = page.locator(".review .suggested b").inner_text()
        excludes = key == "w" and page.locator(".review .take .mid").inner_text() == "Exclude"  # W follows the verdict
        page.keyboard.press(key)
        expect(page.locator(".review")).not_to_have_attribute("data-sample", here)
        if excludes:
            key = "x"
        label = {"w": suggestion, "1": likely[0], "2": likely[1]}.get(key)
        expected[here] = ({"a": "accept", "x": "exclude"}.get(key, "relabel"), label)
        order.append(here)
    assert len(expected) == 10

    # undo two
    for gone in (order[-1], order[-2]):
        page.keyboard.press("u")
        expect(page.locator(".review")).to_have_attribute("data-sample", gone)
        del expected[gone]
    wait_saved(page)
    everything = excluded | expected
    assert in_force(workspace) == everything

    # restart the server, find every decision
    page.goto("about:blank")
    server.stop()
    server.start()
    open_review(page, f"{server.url}/review")
    assert sample(page) == order[-2], "the first of the two that were taken back is on top of the queue again"
    page.goto(f"{server.url}/history")
    expect(page.get_by_text("at once").first).to_be_visible()
    assert in_force(workspace) == everything

    # export, and read the files back
    for name in ("out.parquet", "out.csv"):
        run_winnow("export", workspace, tmp_path / name)
    check_export(pd.read_parquet(tmp_path / "out.parquet"), given, everything)
    check_export(pd.read_csv(tmp_path / "out.csv", dtype=str), given, everything)


def check_export(frame: pd.DataFrame, given: dict[str, str | None], decided: dict[str, tuple[str, str | None]]) -> None:
    """Excluded samples are left out, relabelled ones carry the new label, all others the given one."""
    gone = {i for i, (action, _) in decided.items() if action == "exclude"}
    assert set(frame["id"].astype(str)) == set(given) - gone
    final = dict(zip(frame["id"].astype(str), frame["label_final"].astype(str), strict=True))
    original = dict(zip(frame["id"].astype(str), frame["label_original"].astype(str), strict=True))
    for i, label in final.items():
        action, new = decided.get(i, ("", None))
        assert label == (new if action == "relabel" else given[i]), i
        assert original[i] == given[i]
