"""Gallery and Map: what is selected is what is decided, and one undo takes it back."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.browser import lasso, open_gallery, open_map, selected
from tests.helpers.harness import Server
from winnow.core.workspace import Workspace

pytestmark = pytest.mark.e2e


def decided(workspace: Path) -> dict[str, str]:
    with Workspace.open(workspace) as ws:
        return {i: d.action.value for i, people in ws.current().items() for d in people.values()}


def test_ctrl_a_takes_everything_that_matches_and_undo_gives_it_back(
    page: Page, server: Server, workspace: Path
) -> None:
    with Workspace.open(workspace) as ws:
        everything = ws.info().n
    page.goto(f"{server.url}/gallery")
    open_gallery(page)
    page.locator(".tile[data-index='0']").click()
    assert selected(page) == 1
    page.keyboard.press("Control+a")
    expect(page.get_by_role("button", name=f"Exclude {everything:,} samples")).to_be_visible()
    page.keyboard.press("x")
    page.keyboard.press("y")  # more than fifty are confirmed
    expect(page.locator(".bulk .what")).to_contain_text(f"Excluded {everything:,} samples. Saved")
    assert len(decided(workspace)) == everything
    expect(page.locator(".tile .badge[data-action=exclude]").first).to_be_visible()
    page.keyboard.press("u")
    expect(page.locator(".bulk .what")).to_contain_text(f"Undone: {everything:,} decisions")
    assert decided(workspace) == {}


def test_a_range_reaches_over_rows_that_were_never_looked_at(page: Page, server: Server, workspace: Path) -> None:
    page.goto(f"{server.url}/gallery?sort=row")
    open_gallery(page)
    page.locator(".tile[data-index='3']").click()
    assert selected(page) == 1
    page.keyboard.press("Shift+End")
    expect(page.locator(".bulk")).to_have_attribute("data-count", "1891")
    expect(page.locator(".tile.focus")).to_have_attribute("data-index", "1893")
    page.keyboard.press("a")
    page.keyboard.press("y")
    expect(page.locator(".bulk .what")).to_contain_text("Kept 1,891 samples")
    with Workspace.open(workspace) as ws:
        ids = ws.ids(sort="row")
    assert set(decided(workspace)) == set(ids[3:])


def test_enter_opens_the_sample_in_review(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/gallery")
    open_gallery(page)
    tile = page.locator(".tile[data-index='5']")
    tile.click()
    wanted = tile.get_attribute("title")
    page.keyboard.press("Enter")
    expect(page.locator(".review")).to_have_attribute("data-state", "ready")
    expect(page.locator(".review")).to_have_attribute("data-sample", str(wanted))


def test_outlines_add_and_take_out_and_esc_clears(page: Page, server: Server, workspace: Path) -> None:
    page.goto(f"{server.url}/map")
    open_map(page)
    lasso(page, 0.5, 0.5, 0.45)
    most = selected(page)
    page.keyboard.down("Alt")
    lasso(page, 0.5, 0.5, 0.25)
    page.keyboard.up("Alt")
    expect(page.locator(".bulk")).not_to_have_attribute("data-count", str(most))
    ring = selected(page)
    page.keyboard.down("Shift")
    lasso(page, 0.5, 0.5, 0.25)
    page.keyboard.up("Shift")
    expect(page.locator(".bulk")).to_have_attribute("data-count", str(most))
    assert 0 < ring < most
    page.keyboard.press("Escape")
    expect(page.locator(".bulk")).to_have_attribute("data-state", "idle")
    assert page.locator(".outline polygon").count() == 0
    assert decided(workspace) == {}


def test_colours_change_without_losing_the_selection(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/map")
    open_map(page)
    lasso(page, 0.5, 0.5, 0.3)
    n = selected(page)
    page.get_by_label("Colour by").select_option("label")
    expect(page.locator(".legend .entry")).to_have_count(10)
    page.get_by_label("Colour by").select_option("noisy_label")
    expect(page.locator(".legend .gradient")).to_be_visible()
    assert selected(page) == n


def test_hiding_in_the_legend_leaves_the_hidden_out(page: Page, server: Server, workspace: Path) -> None:
    with Workspace.open(workspace) as ws:
        clean = ws.info().verdict_counts["clean"]
    page.goto(f"{server.url}/map")
    open_map(page)
    page.locator(".legend .entry", has_text="Clean").dblclick()
    expect(page.locator(".legend .entry[aria-pressed=true]")).to_have_count(1)
    lasso(page, 0.5, 0.5, 0.49)
    n = selected(page)
    assert 0 < n <= clean
    with Workspace.open(workspace) as ws:
        verdicts = set(ws.scores().set_index("id")["verdict"].to_dict().values())
    assert len(verdicts) > 1
    page.keyboard.press("a")
    page.keyboard.press("y")
    expect(page.locator(".bulk .what")).to_contain_text(f"Kept {n:,} samples")
    with Workspace.open(workspace) as ws:
        rows = {r["sample_id"]: r["verdict"] for r in ws.rows(limit=10_000)}
    assert {rows[i] for i in decided(workspace)} == {"clean"}


def test_a_point_shows_its_sample_and_opens_it_in_review(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/map")
    open_map(page)
    box = page.locator(".map .stage").bounding_box()
    assert box is not None
    tip = page.locator(".tip")
    for step in range(400):  # along a spiral, until the pointer meets a point
        angle, radius = step * 0.4, 4 + step * 0.7
        x = box["x"] + box["width"] / 2 + radius * math.cos(angle)
        y = box["y"] + box["height"] / 2 + radius * math.sin(angle)
        page.mouse.move(x, y)
        if (page.locator(".map").get_attribute("data-point") or "-1") != "-1":
            break
    expect(tip.locator("b")).not_to_be_empty()
    page.mouse.down()
    page.mouse.up()
    pinned = page.locator(".pinned")
    expect(pinned.locator("img")).to_be_visible()
    wanted = str(pinned.locator("img").get_attribute("alt")).removeprefix("Sample ")
    pinned.get_by_role("button", name="Open in Review").click()
    expect(page.locator(".review")).to_have_attribute("data-sample", wanted)


def test_the_filter_of_the_page_greys_the_rest_and_bounds_the_selection(page: Page, server: Server) -> None:
    with Workspace.open(server.workspace) as ws:
        table = ws.rows(limit=10_000)
    wanted = sum(r["label"] in ("3", "5") for r in table)
    page.goto(f"{server.url}/map?classes=3,5")
    open_map(page)
    page.keyboard.press("Control+a")
    n = selected(page)
    assert 0 < n <= wanted
    legend = page.locator(".legend .entry .muted").all_inner_texts()
    assert sum(int(t.replace(",", "")) for t in legend) >= n
    assert sum(int(t.replace(",", "")) for t in legend) <= wanted
    page.locator(".strip").get_by_role("button", name="Gallery").click()
    open_gallery(page)
    expect(page.locator(".gallery .count")).to_have_text(f"{n:,} samples")


def test_a_click_on_a_point_opens_its_sample_whatever_the_tool(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/map")
    open_map(page)
    box = page.locator(".map .stage").bounding_box()
    assert box is not None
    places = [(x / 30, y / 20) for y in range(2, 18) for x in range(3, 27)]
    for share_x, share_y in places:
        at = (box["x"] + box["width"] * share_x, box["y"] + box["height"] * share_y)
        page.mouse.move(*at)
        page.wait_for_timeout(150)  # the tip waits, and asks for the card
        if page.locator(".map .tip").is_visible():
            break
    else:
        pytest.fail("no point was found under the pointer")
    opened = page.locator(".map .strip").get_by_role("button", name="Open in Review")
    for tool in "vbl":
        page.keyboard.press(tool)
        page.mouse.click(*at)
        expect(opened).to_be_visible()
        page.keyboard.press("Escape")
        expect(opened).to_have_count(0)
    page.keyboard.press("v")
    page.mouse.move(*at)
    page.mouse.down()
    page.mouse.move(at[0] + 80, at[1] + 40, steps=5)
    page.mouse.up()
    expect(opened).to_have_count(0)  # the view was moved
