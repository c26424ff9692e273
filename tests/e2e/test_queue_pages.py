"""Queues, strictness, groups and saved selections as a person meets them, by keyboard and as links."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.helpers.browser import open_gallery, open_map, open_review, sample, selected, wait_saved
from tests.helpers.harness import Complaints, Server
from winnow.core.explore.filter import Filter
from winnow.core.workspace import Workspace

pytestmark = pytest.mark.e2e

QUIET = "[data-testid=stApp][data-test-script-state=notRunning]"


def tab_to(page: Page, selector: str, limit: int = 80) -> None:
    """Press Tab until the focus is on what the selector names."""
    target = page.locator(selector).first
    expect(target).to_be_visible()
    for _ in range(limit):
        page.keyboard.press("Tab")
        if target.evaluate("e => e.getRootNode().activeElement === e"):
            return
    raise AssertionError(f"Tab never reached {selector}")


def test_a_first_review_of_five_cards_and_a_view_that_is_kept(page: Page, server: Server) -> None:
    """The first test of this file: the review is offered only while nobody has decided anything."""
    page.goto(f"{server.url}/overview")
    page.get_by_role("button", name="Start with five cards").click()
    expect(page.locator(".review")).to_have_attribute("data-state", "ready")
    expect(page.locator(".guide")).to_contain_text("1 of 5")
    for nth in range(2, 6):
        page.keyboard.press("j")
        expect(page.locator(".guide")).to_contain_text(f"{nth} of 5")
    page.get_by_role("button", name="Close the help").click()
    expect(page.locator(".guide")).to_be_hidden()
    page.goto(f"{server.url}/gallery?verdicts=ood&sort=-ood")
    page.get_by_text("Saved views").click()
    page.get_by_role("button", name="Save this view").click()
    page.get_by_test_id("stTextInputField").fill("Odd ones")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("link", name="Odd ones")).to_be_visible()
    page.goto(f"{server.url}/overview")
    page.get_by_text("Saved views").click()
    page.get_by_role("link", name="Odd ones").click()
    expect(page.locator(".gallery")).to_have_attribute("data-state", "ready")
    expect(page).to_have_url(re.compile("verdicts=ood"))


def test_the_top_thirty_by_keyboard_and_the_same_queue_in_a_fresh_browser(
    page: Page, browser: Browser, server: Server, complaints: Complaints
) -> None:
    page.goto(f"{server.url}/queues")
    expect(page.locator(".w-start").first).to_contain_text("30 samples", timeout=30_000)
    tab_to(page, ".w-start")
    page.keyboard.press("Enter")
    card = page.locator(".review")
    expect(card).to_have_attribute("data-state", "ready")
    expect(page.locator("[data-count]")).to_have_text(re.compile("^30 of "))
    expect(page).to_have_url(re.compile("pick=thirty"))
    with Workspace.open(server.workspace) as ws:
        queue = ws.ids(Filter(pick="thirty"), "pick")
    assert sample(page) == queue[0]
    other = browser.new_context().new_page()
    complaints.watch(other)
    open_review(other, page.url)
    seen = []
    for _ in queue:
        seen.append(sample(other))
        other.keyboard.press("j")
    assert seen == queue
    other.context.close()
    for _ in range(3):
        here = sample(page)
        page.keyboard.press("a")
        expect(card).not_to_have_attribute("data-sample", here)
    wait_saved(page)
    with Workspace.open(server.workspace) as ws:
        assert set(ws.current()) == set(queue[:3])


def test_the_false_discovery_rate_by_keyboard(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/review?verdicts=noisy_label")
    expect(page.locator(".review")).to_have_attribute("data-state", "ready")
    slider = page.locator("#w-strict")
    slider.focus()
    page.keyboard.press("End")  # the surest list
    with Workspace.open(server.workspace) as ws:
        listed = ws.flag_list("noisy_label", 0.01).ids
    expect(page.locator(".w-strict b")).to_have_text(f"{len(listed):,}")
    expect(page).to_have_url(re.compile("strict=0.01"))
    expect(page.locator(".w-strict output")).to_have_text("FDR ≤ 0.01")
    expect(page.locator("[data-count]")).to_have_text(re.compile(f"^{len(listed):,} of "))
    expect(slider).to_be_focused()  # the page was drawn anew around it
    page.keyboard.press("Home")
    expect(page).not_to_have_url(re.compile("strict="))


def test_groups_by_keyboard_and_a_whole_group_at_once(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/gallery")
    open_gallery(page)
    page.get_by_label("Group by").select_option("label")
    expect(page.locator(".shelf").first).to_be_visible()
    with Workspace.open(server.workspace) as ws:
        groups = ws.groups(Filter(), "label")
        third = set(ws.ids(Filter(classes=(groups[2][0],))))
    expect(page.locator(".gallery .count")).to_contain_text(f"in {len(groups)} groups")
    page.locator(".scroller").focus()
    at = 0
    for _ in range(400):  # down, line by line, into the third group
        page.keyboard.press("ArrowDown")
        at = int(page.locator(".tile.focus").get_attribute("data-index") or 0)
        if at >= groups[0][1] + groups[1][1]:
            break
    assert at < groups[0][1] + groups[1][1] + 10
    expect(page.locator(".tile.focus")).to_have_attribute("aria-label", re.compile(f", {groups[2][0]}, sample "))
    page.keyboard.press("g")
    assert selected(page) == groups[2][1] == len(third)
    page.keyboard.press("x")
    page.keyboard.press("y")  # does nothing where so few need no confirmation
    expect(page.locator(".bulk")).to_have_attribute("data-state", "done")
    with Workspace.open(server.workspace) as ws:
        assert set(ws.current()) == third
    page.keyboard.press("u")
    expect(page.locator(".bulk .what")).to_contain_text("Undone")
    with Workspace.open(server.workspace) as ws:
        assert ws.current() == {}


def test_a_selection_is_named_opened_again_shared_and_deleted_by_keyboard(
    page: Page, browser: Browser, server: Server, complaints: Complaints
) -> None:
    page.goto(f"{server.url}/map?verdicts=noisy_label")
    open_map(page)
    page.keyboard.press("Control+a")
    n = selected(page)
    page.keyboard.press("s")
    page.keyboard.type("Wrong <b>ones</b>")
    page.keyboard.press("Enter")
    item = page.locator(".saved-list li", has_text="Wrong <b>ones</b>")
    expect(item).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".bulk")).to_have_attribute("data-state", "idle")
    tab_to(page, ".saved-list li .name")
    page.keyboard.press("Enter")
    assert selected(page) == n
    with Workspace.open(server.workspace) as ws:
        (kept,) = (s for s in ws.saved_selections.all() if s.name == "Wrong <b>ones</b>")
        assert set(ws.saved_selections.ids(kept.handle)) <= set(ws.ids(Filter(verdicts=("noisy_label",))))
    assert kept.count == n
    other = browser.new_context().new_page()
    complaints.watch(other)
    other.goto(f"{server.url}/map?selection={kept.handle}")
    open_map(other)
    assert selected(other) == n
    expect(other.locator(".w-pill")).to_contain_text("Selection: Wrong <b>ones</b>")
    other.context.close()
    tab_to(page, f".saved-list li[data-handle='{kept.handle}'] button[aria-label^=Delete]")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")  # the first press asks
    expect(item).to_have_count(0)
    with Workspace.open(server.workspace) as ws:
        assert kept.handle not in {s.handle for s in ws.saved_selections.all()}


def test_back_from_a_queue_takes_its_filter_away_and_a_link_holds_what_is_on_the_screen(
    page: Page, server: Server
) -> None:
    page.goto(f"{server.url}/queues")
    line = page.locator("[data-go*='verdicts=ood']").first
    line.click()
    expect(page.locator(".review")).to_have_attribute("data-state", "ready")
    expect(page.locator(".w-pill", has_text="Out of distribution")).to_be_visible()
    badge = page.locator("[data-badge=review]")
    before = int(badge.inner_text())
    page.keyboard.press("x")
    expect(badge).to_have_text(str(before - 1))  # without going anywhere
    expect(page.locator("[data-badge=history]")).not_to_have_text("")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Queues")
    expect(page.locator(".w-pill")).to_have_count(0)
    expect(page).not_to_have_url(re.compile("verdicts="))

    page.goto(f"{server.url}/map")
    open_map(page)
    page.get_by_label("Colour by").select_option("label")
    expect(page).to_have_url(re.compile("colour=label"))
    page.locator(".w-opt", has_text="Noisy label").click()
    expect(page).to_have_url(re.compile("verdicts=noisy_label"))
    expect(page).to_have_url(re.compile("colour=label"))
    page.reload()
    open_map(page)
    expect(page.get_by_label("Colour by")).to_have_value("label")


def test_modes_add_and_take_out(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/map")
    open_map(page)
    page.keyboard.press("b")
    box = page.locator(".map .stage").bounding_box()
    assert box is not None

    def drag(x0: float, y0: float, x1: float, y1: float) -> int:
        page.mouse.move(box["x"] + box["width"] * x0, box["y"] + box["height"] * y0)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * x1, box["y"] + box["height"] * y1, steps=4)
        page.mouse.up()
        expect(page.locator(".bulk .what")).to_have_text(re.compile("selected$"))
        return selected(page)

    left = drag(0.02, 0.02, 0.5, 0.98)
    page.keyboard.press("+")
    expect(page.locator("[data-mode=add]").last).to_have_attribute("aria-pressed", "true")
    both = drag(0.5, 0.02, 0.98, 0.98)
    assert both > left
    page.keyboard.press("-")
    assert drag(0.02, 0.02, 0.5, 0.98) == both - left
    page.keyboard.press("n")
    assert drag(0.02, 0.02, 0.5, 0.98) == left
