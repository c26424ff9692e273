"""Two people at once on one dataset: every decision of both is kept, and what both decided is an agreement or not."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.helpers.browser import open_review, sample, wait_saved
from tests.helpers.harness import ACTOR, Complaints, Server
from winnow.core.workspace import Workspace

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

EACH = 300
SHARED = EACH // 3
QUEUE = "/review?verdicts=clean&sort=row"
OTHER = "bob"
BEAT = 60
"""Milliseconds between two keys of one person."""

DRUM = """(card, [keys, beat]) => {
  const rest = (ms) => new Promise((done) => setTimeout(done, ms));
  window.pressed = (async () => {
    const said = [];
    for (const key of keys) {
      const shown = card.dataset.sample;
      said.push([shown, key]);
      for (const type of ["keydown", "keyup"]) {
        document.body.dispatchEvent(new KeyboardEvent(type, { key, bubbles: true, cancelable: true }));
      }
      await rest(beat);
      while (card.dataset.sample === shown || card.dataset.state !== "ready") await rest(5);
    }
    return said;
  })();
}"""
"""Presses keys in the browser, so that two browsers really work at once: [[sample shown, key], …] in window.pressed."""


def person(browser: Browser, server: Server, complaints: Complaints, name: str | None = None) -> Page:
    """A browser of its own in which somebody says who they are (or is who the server says)."""
    context = browser.new_context(viewport={"width": 1024, "height": 768})
    context.set_default_timeout(20_000)
    page = context.new_page()
    complaints.watch(page)
    open_review(page, server.url + QUEUE)
    if name is not None:
        page.locator(".w-actor").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("textbox", name="Your name").fill(name)
        dialog.get_by_role("button", name="Use this name").click()
        expect(page.locator(".w-actor")).to_contain_text(name)
        expect(dialog).to_have_count(0)
        open_review(page, server.url + QUEUE)  # a reload decides under the same name
        expect(page.locator(".w-actor")).to_contain_text(name)
    return page


def test_two_people_decide_at_once(browser: Browser, server: Server, complaints: Complaints) -> None:
    ada = person(browser, server, complaints)
    bob = person(browser, server, complaints, OTHER)
    bob.locator(".review").evaluate(DRUM, [[" "] * (EACH - SHARED), 5])
    said: dict[str, dict[str, str]] = {}
    bob.evaluate("() => window.pressed")
    begun = time.monotonic()
    ada.locator(".review").evaluate(DRUM, [["a"] * EACH, BEAT])
    bob.locator(".review").evaluate(DRUM, [["x" if i % 4 == 0 else "a" for i in range(EACH)], BEAT])
    for name, page in ((ACTOR, ada), (OTHER, bob)):
        pressed = page.evaluate("() => window.pressed")
        said[name] = {shown: {"a": "accept", "x": "exclude"}[key] for shown, key in pressed}
        assert len(said[name]) == EACH, f"{name} was shown something twice"
    print(f"{2 * EACH} decisions of two at once in {time.monotonic() - begun:.1f} s")
    for page in (ada, bob):
        wait_saved(page, 30_000)

    both = said[ACTOR].keys() & said[OTHER].keys()
    agreed = {s for s in both if said[ACTOR][s] == said[OTHER][s]}
    assert len(both) == SHARED
    with Workspace.open(server.workspace) as ws:
        rows = [d for d in ws.history(limit=10_000) if d.seq > server.since]
        kept = {n: {d.sample_id: d.action.value for d in rows if d.actor == n} for n in said}
        assert kept == said, "nothing is lost, nothing doubled, nobody overwritten"
        assert len(rows) == 2 * EACH
        current = ws.current()
        assert all(current[s].keys() == {ACTOR, OTHER} for s in both)
        report = ws.annotators.report()
        assert (report.overlaps, report.agreements, report.disagreements) == (SHARED, len(agreed), SHARED - len(agreed))
        assert {d.sample_id for d in report.disputes} == both - agreed

    ada.goto(f"{server.url}/history")
    people = ada.locator(".w-people")
    expect(people).to_contain_text(
        f"{SHARED} samples decided by several: {len(agreed)} the same, {SHARED - len(agreed)} differently"
    )
    expect(people.locator("tbody").first).to_contain_text(OTHER)
    with Workspace.open(server.workspace) as ws:
        ws.decide(sorted(both)[0], "exclude", actor="cem")
    expect(ada.locator("[data-others]")).to_contain_text("cem decided 1", timeout=10_000)
    people.get_by_role("link", name="Review them one by one").click()
    expect(ada.locator(".review")).to_have_attribute("data-state", "ready", timeout=30_000)
    disputed = sample(ada)
    assert disputed in both
    ada.keyboard.press("x")
    wait_saved(ada)
    with Workspace.open(server.workspace) as ws:
        assert ws.rows(state_of(disputed))[0]["decision"]["action"] == "exclude"
        assert len(ws.current([disputed])[disputed]) >= 2
    for page in (ada, bob):
        page.context.close()


def state_of(sample_id: str):  # type: ignore[no-untyped-def]
    from winnow.core.explore.filter import Filter

    return Filter(ids=(sample_id,))
