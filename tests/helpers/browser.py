"""What a person does on the surfaces, in the words of the tests."""

from __future__ import annotations

import math
from typing import Any

from playwright.sync_api import Locator, Page, expect

SAVED = "[data-saved][data-state=saved]"


def open_review(page: Page, url: str) -> Locator:
    page.goto(url)
    card = page.locator(".review")
    expect(card).to_have_attribute("data-state", "ready", timeout=30_000)
    return card


def open_map(page: Page) -> Locator:
    surface = page.locator(".map")
    expect(surface).to_have_attribute("data-state", "ready", timeout=30_000)
    return surface


def open_gallery(page: Page) -> Locator:
    surface = page.locator(".gallery")
    expect(surface).to_have_attribute("data-state", "ready", timeout=30_000)
    return surface


def sample(page: Page) -> str:
    """The sample that is on the screen."""
    return page.locator(".review").get_attribute("data-sample") or ""


def wait_saved(page: Page, timeout: float = 20_000) -> None:
    """Everything decided in Review is on the server."""
    expect(page.locator(".review .head .saved")).to_have_attribute("data-state", "saved", timeout=timeout)


def lasso(page: Page, x: float, y: float, radius: float, corners: int = 36) -> None:
    """Draw a circle on the map; x, y and radius are shares of its width and height."""
    box = page.locator(".map .stage").bounding_box()
    assert box is not None
    around = [
        (box["x"] + box["width"] * (x + radius * math.cos(t)), box["y"] + box["height"] * (y + radius * math.sin(t)))
        for t in (2 * math.pi * i / corners for i in range(corners + 1))
    ]
    page.mouse.move(*around[0])
    page.mouse.down()
    for corner in around[1:]:
        page.mouse.move(*corner)
    page.mouse.up()


def selected(page: Page) -> int:
    """The number printed on the bar, once the server has counted."""
    bar = page.locator(".bulk")
    expect(bar).to_have_attribute("data-state", "selected")
    return int(bar.get_attribute("data-count") or 0)


def measures(page: Page, name: str) -> list[float]:
    """Durations in ms that the surfaces measured in the browser."""
    found: Any = page.evaluate("name => performance.getEntriesByName(name).map(e => e.duration)", name)
    return [float(ms) for ms in found]
