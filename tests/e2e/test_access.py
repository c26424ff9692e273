"""Every surface by keyboard alone, and without serious findings of axe-core, in both themes and both sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.helpers.browser import lasso, selected
from tests.helpers.harness import Complaints, Server

pytestmark = pytest.mark.e2e

axe_core_python = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")
AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
SURFACES = ("review", "gallery", "map")
PLAIN = ("overview", "queues", "duplicates", "classes", "export", "history", "new", "gallery?verdicts=ood&strict=0.1")
SIZES = ((1440, 900), (1024, 768))


def look(page: Page, url: str, name: str) -> None:
    page.goto(f"{url}/{name}")
    expect(page.locator(f".{name.partition('?')[0]}")).to_have_attribute("data-state", "ready", timeout=30_000)


def serious(page: Page, name: str) -> list[tuple[str, str, Any]]:
    """What axe-core finds on a page (WCAG 2.2 A and AA and best practices) that is serious or worse."""
    page.evaluate(AXE)
    report: Any = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    worst = [v for v in report["violations"] if v["impact"] in ("serious", "critical")]
    return [(name, v["id"], node["target"]) for v in worst for node in v["nodes"][:2]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_findings(browser: Browser, server: Server, complaints: Complaints, scheme: Any) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    complaints.watch(page)
    found = []
    for name in SURFACES:
        look(page, server.url, name)
        if name == "gallery":
            page.locator(".tile[data-index='1']").click()
        if name == "map":
            lasso(page, 0.5, 0.5, 0.3)
            selected(page)
            page.keyboard.press("s")
            page.get_by_label("Name of this selection").fill(f"Middle, {scheme}")
            page.keyboard.press("Enter")
            expect(page.locator(".saved-list li").first).to_be_visible()
        found += serious(page, name)
    context.close()
    assert not found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_are_looked_at_closely_by_keyboard(
    browser: Browser, server: Server, complaints: Complaints, scheme: Any
) -> None:
    context = browser.new_context(viewport={"width": 1024, "height": 768}, color_scheme=scheme)
    page = context.new_page()
    complaints.watch(page)
    viewer, stage = page.locator("dialog[open]"), page.locator("dialog .stage")
    look(page, f"{server.url}", "review?verdicts=noisy_label")
    before = page.locator(".review").get_attribute("data-sample")
    page.keyboard.press("z")
    expect(viewer).to_have_attribute("data-state", "ready")
    expect(stage).to_be_focused()
    expect(page.locator("dialog .percent")).not_to_have_text("100%")
    page.keyboard.press("i")
    expect(page.locator("dialog aside")).to_contain_text("PNG")
    page.keyboard.press("1")
    expect(viewer).to_have_attribute("data-mode", "side")
    assert page.locator("dialog .pane:not([hidden])").count() == 2
    page.keyboard.press("d")
    expect(page.locator("dialog .note")).to_contain_text("of the pixels differ")
    percent = page.locator("dialog .percent").inner_text()
    box = stage.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 90, box["y"] + 90)
    page.mouse.wheel(0, -300)
    expect(page.locator("dialog .percent")).not_to_have_text(percent)
    page.keyboard.press("x")  # a key of the page under it does nothing
    assert not serious(page, "viewer")
    page.keyboard.press("Escape")
    expect(viewer).to_have_count(0)
    assert page.locator(".review").get_attribute("data-sample") == before
    assert page.locator(".review").get_attribute("data-decided") == ""
    look(page, server.url, "gallery?verdicts=noisy_label&sort=row")
    page.locator(".tile[data-index='1']").hover()
    page.locator(".tile[data-index='1'] .closer").click()
    expect(viewer).to_have_attribute("data-state", "ready")
    page.keyboard.press("z")
    expect(viewer).to_have_count(0)
    page.goto(f"{server.url}/duplicates")
    page.locator(".w-group").first.focus()
    page.keyboard.press("z")
    expect(viewer).to_have_attribute("data-state", "ready")
    page.keyboard.press("d")
    expect(page.locator("dialog .note")).to_be_visible()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_findings_on_any_other_page(
    browser: Browser, server: Server, complaints: Complaints, scheme: Any
) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    complaints.watch(page)
    found = []
    for name in PLAIN:
        page.goto(f"{server.url}/{name}")
        expect(page.locator(".w-head h1")).to_be_visible(timeout=30_000)
        expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_visible()
        expect(page.locator(".w-skeleton")).to_have_count(0)
        if name.startswith("gallery"):
            expect(page.locator(".gallery")).to_have_attribute("data-state", "ready")
            page.get_by_label("Group by").select_option("label")
            expect(page.locator(".shelf").first).to_be_visible()
        found += serious(page, name)
    context.close()
    assert not found


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_nothing_scrolls_and_nothing_is_cut_off(browser: Browser, server: Server, width: int, height: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    for name in SURFACES:
        look(page, server.url, name)
        main = page.locator("[data-testid=stMain]")
        assert main.evaluate("e => e.scrollHeight - e.clientHeight") <= 1, name
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name
        box = page.locator(f".{name}").bounding_box()
        assert box is not None
        assert box["y"] < 160, f"{name} begins at {box['y']} px"
        assert box["y"] + box["height"] <= height
        buttons = page.locator(".review .actions button") if name == "review" else page.locator(f".{name} .head button")
        for i in range(buttons.count()):
            edge = buttons.nth(i).bounding_box()
            assert edge is not None
            assert edge["x"] + edge["width"] <= width, f"{name}: a button is cut off"
    context.close()


def test_the_frame_of_the_card_stays(page: Page, server: Server) -> None:
    """From card to card only the contents change: no part moves or changes its size."""
    look(page, server.url, "review")
    parts = [".stage", ".panel", ".reasonbox", ".options", ".where", ".strip", ".actions", ".recent"]

    def frame() -> list[Any]:
        return [page.locator(f".review {part}").first.bounding_box() for part in parts]

    first, here = frame(), page.locator(".review").get_attribute("data-sample")
    for _ in range(12):
        page.keyboard.press("j")
        expect(page.locator(".review")).not_to_have_attribute("data-sample", str(here))
        here = page.locator(".review").get_attribute("data-sample")
        assert frame() == first
