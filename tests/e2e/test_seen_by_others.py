"""What one person sees of another: a copied link shows the same page, and decisions appear as they are made."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.helpers.browser import open_gallery, open_review, sample
from tests.helpers.harness import Complaints, Server
from winnow.core.workspace import Workspace

pytestmark = pytest.mark.e2e

WITHIN = 15_000
"""Milliseconds until another's decision is seen: a look every three seconds, and a busy machine."""


def test_a_copied_link_shows_the_same_order_and_groups(page: Page, context: BrowserContext, server: Server) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{server.url}/gallery?classes=3")
    open_gallery(page)
    page.get_by_label("Order").select_option("row")
    page.get_by_label("Group by").select_option("verdict")
    expect(page.locator(".shelf").first).to_be_visible()
    page.get_by_role("button", name="Copy a link to exactly this view").click()
    expect(page.get_by_text("Link copied")).to_be_visible()
    link = page.evaluate("() => navigator.clipboard.readText()")

    other = context.new_page()
    other.goto(link)
    open_gallery(other)
    expect(other.get_by_label("Order")).to_have_value("row")
    expect(other.get_by_label("Group by")).to_have_value("verdict")
    expect(other.locator(".shelf").first).to_be_visible()
    shown = [p.locator(".tile[data-index='0']").get_attribute("title") for p in (page, other)]
    assert shown[0]
    assert shown[0] == shown[1]


def test_another_persons_decision_appears_on_the_tile_and_on_the_card(
    page: Page, browser: Browser, server: Server, complaints: Complaints
) -> None:
    page.goto(f"{server.url}/gallery?sort=row")
    open_gallery(page)
    second = browser.new_context().new_page()  # a tab behind another does not look
    complaints.watch(second)
    open_review(second, f"{server.url}/review?verdicts=clean&sort=row")
    on_screen, first = sample(second), page.locator(".tile[data-index='6']")  # not clean: the other page shows another
    with Workspace.open(server.workspace, actor="bob") as ws:
        made = [ws.decide(first.get_attribute("title") or "", "exclude"), ws.decide(on_screen, "relabel", label="7")]
        expect(first.locator(".badge[data-action=exclude]")).to_have_attribute(
            "title", "Excluded by bob", timeout=WITHIN
        )
        expect(second.locator(".banner")).to_contain_text(
            "bob has just looked at this sample and decided: Relabelled to 7", timeout=WITHIN
        )
        expect(second.locator(".review .history")).to_contain_text("Relabelled to 7 by bob")
        assert sample(second) == on_screen, "nothing moves under the hand"
        for decision in made:
            ws.undo(actor="bob", decision_id=decision.decision_id)
    expect(second.locator(".banner")).to_contain_text("undid a decision", timeout=WITHIN)
    expect(second.locator(".review .history")).to_have_text("No decision yet")
    expect(first.locator(".badge")).to_be_hidden(timeout=WITHIN)
