"""Active learning in the browser: the queue is reordered behind the next cards; similar samples are offered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
from playwright.sync_api import Page, Route, expect

from tests.helpers.browser import measures, open_review, sample, wait_saved
from tests.helpers.harness import Server
from winnow.core.workspace import Workspace

pytestmark = pytest.mark.e2e

QUEUE = "/review?verdicts=noisy_label"


def answering(change: Callable[[dict[str, object], str], None]) -> Callable[[Route], None]:
    """A route handler that lets the server answer and changes the JSON."""

    def handle(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        change(body, route.request.url)
        route.fulfill(response=answer, json=body)

    return handle


def test_a_new_order_never_moves_the_cards_next_in_line(page: Page, server: Server, workspace: Path) -> None:
    orders: list[dict[str, object]] = []

    def turn(body: dict[str, object], url: str) -> None:
        if "reorder=1" in url:  # the strongest new order there can be
            body["order"] = list(reversed(body["order"]))  # type: ignore[call-overload]
            orders.append(body)

    page.route("**/api/cards/**", answering(turn))
    open_review(page, server.url + QUEUE)
    shown = []
    for i in range(30):
        shown.append(sample(page))
        page.keyboard.press("wa"[i % 2] if page.locator(".review .take").is_enabled() else "a")
        if i in (9, 19):
            wait_saved(page)
            expect(page.locator(".learnt .right")).to_contain_text("right so far")
        page.wait_for_timeout(60)
    wait_saved(page)
    page.unroute_all(behavior="wait")
    assert orders
    with Workspace.open(workspace) as ws:
        log = [d.sample_id for d in sorted(ws.history(limit=100), key=lambda d: d.seq) if d.seq > server.since]
    assert log == shown  # every card that was shown was decided, in that order
    assert len(set(shown)) == 30  # none twice


def test_keys_stay_quick_while_the_order_changes(page: Page, server: Server) -> None:
    open_review(page, server.url + QUEUE)
    seen = []
    for _ in range(60):
        seen.append(sample(page))
        page.keyboard.press("a")
        page.wait_for_timeout(90)
    wait_saved(page)
    assert len(set(seen)) == 60
    assert median(measures(page, "winnow:key-to-card")) <= 50


def test_the_same_for_others_is_shown_first_then_decided_at_once_and_taken_back_at_once(
    page: Page, server: Server, workspace: Path
) -> None:
    with Workspace.open(workspace) as ws:
        ids = ws.ids()[-40:]
    wanted = {"sample_id": "", "action": "exclude", "label": None, "what": "exclude what does not belong"}
    offer = {**wanted, "said": 3, "of": 3, "count": len(ids), "expected": 38}

    def put(body: dict[str, object], url: str) -> None:
        if "reorder=1" in url and body.get("round"):
            body["round"]["offer"] = offer  # type: ignore[index]

    def like(body: dict[str, object], url: str) -> None:
        tiles = [{"id": i, "thumb": "", "label": "x", "text": i, "p": 0.95} for i in ids[:30]]
        body["offer"] = {**offer, "ids": ids, "probability": [0.95] * 40, "tiles": tiles}

    page.route("**/api/cards/**", answering(put))
    page.route("**/api/like/**", answering(like))
    open_review(page, server.url + QUEUE)
    for _ in range(10):
        page.keyboard.press("a")
        page.wait_for_timeout(30)
    button = page.locator(".learnt .offer")
    expect(button).to_contain_text("Exclude 40 like these")
    with Workspace.open(workspace) as ws:
        before = ws.info().n_decisions
    page.keyboard.press("s")
    sheet = page.locator(".offers")
    expect(sheet.locator(".tile")).to_have_count(30)
    expect(sheet.locator(".more")).to_have_text("and 10 samples more, less sure than these.")
    page.keyboard.press("x")  # keys of the page do nothing below the sheet
    sheet.locator(".tile").first.click()
    expect(sheet.locator(".primary")).to_contain_text("Exclude 39 samples")
    with Workspace.open(workspace) as ws:
        assert ws.info().n_decisions == before  # nothing is decided by looking
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    page.keyboard.press("s")
    expect(sheet.locator(".primary")).to_contain_text("Exclude 40 samples")
    page.keyboard.press("Enter")
    expect(page.locator(".banner")).to_contain_text("Excluded 40 samples")
    with Workspace.open(workspace) as ws:
        assert set(ids) <= set(ws.current())
    page.unroute_all(behavior="wait")
    page.keyboard.press("u")
    expect(page.locator(".banner")).to_contain_text("Undone: 40 decisions")
    with Workspace.open(workspace) as ws:
        assert not set(ids) & set(ws.current())
        assert ws.info().n_decisions == before + 80
