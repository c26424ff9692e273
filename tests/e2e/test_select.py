"""Choosing a subset: shares and coverage follow the sliders, the payoff comes on request, the choice is exported."""

from __future__ import annotations

import os
import re
import time

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from tests.helpers.harness import Server
from winnow.core.workspace import Workspace

pytestmark = pytest.mark.e2e


def size(page: Page) -> int:
    return int(page.locator("[data-size]").inner_text().split()[0].replace(",", ""))


def test_from_a_method_to_the_exported_subset(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/select")
    expect(page.locator("[data-size]")).to_be_visible(timeout=30_000)
    before, shares = size(page), page.locator(".st-key-w-select-shares").inner_text()

    page.get_by_label("Method").click()
    page.get_by_role("option", name="Cover everything (k-center)").click()
    expect(page.get_by_text("Takes the sample farthest from all")).to_be_visible(timeout=15_000)
    handle = page.locator(".st-key-w-budget").get_by_role("slider")
    handle.focus()
    radius = page.locator(".st-key-w-select-score tr", has_text="Coverage radius").locator("td").first
    covered = radius.inner_text()
    began = time.monotonic()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("[data-size]")).not_to_have_text(f"{before:,} samples", timeout=10_000)
    took = time.monotonic() - began
    busy = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))  # other programs on the machine
    assert took <= 2.0 * busy, f"shares and coverage took {took:.1f} s at a load of {busy:.1f} a core"
    assert size(page) < before
    assert page.locator(".st-key-w-select-shares").inner_text() != shares
    assert covered

    page.get_by_role("button", name="Measure the payoff").click()
    expect(page.locator(".w-payoff [role=progressbar]")).to_be_visible(timeout=15_000)
    expect(page.locator(".w-payoff").get_by_role("rowheader", name="Random, same size")).to_be_visible(timeout=50_000)
    chosen = size(page)

    page.get_by_label("Name").fill("Cover <b>all</b>")
    page.get_by_role("button", name="Save and export").click()
    expect(page.get_by_role("button", name="Export")).to_be_visible(timeout=15_000)
    expect(page.get_by_label("Write to")).to_have_value(re.compile(r"Cover--b-all--b\.parquet"))
    out = server.workspace.parent / "subset.parquet"
    page.get_by_label("Write to").fill(str(out))
    page.get_by_label("Write to").press("Enter")
    page.get_by_role("button", name="Export").click()
    expect(page.get_by_text(f"Wrote {chosen:,} rows")).to_be_visible(timeout=60_000)

    page.get_by_text("Show the datasheet").click()
    sheet = page.locator(".w-sheet")
    expect(sheet.get_by_role("heading", name="What people decided")).to_be_visible(timeout=15_000)
    expect(sheet).to_contain_text("Cover <b>all</b>")

    table = pd.read_parquet(out)
    with Workspace.open(server.workspace) as ws:
        kept = ws.saved_selections.all()[0]
        assert set(table["id" if "id" in table else "sample_id"]) == set(ws.saved_selections.ids(kept.handle))
        assert (kept.method, len(table)) == ("k_center", chosen)
