"""Names of ninety characters, in three scripts: they stay in their cells, and their ends stay to be seen."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from winnow.app.components import theme
from winnow.app.components.html import render
from winnow.core import Share

NAMES = [
    "A remarkably long class name that somebody wrote in a hurry and never shortened again 15",
    "فئة طويلة جدا كتبها شخص ما على عجل ولم يقم أحد بتقصيرها مرة أخرى منذ ذلك الحين أبدا 16",
    "一个非常长的类别名称是某人匆忙写下的之后再也没有人把它缩短过因此它一直保持这样的长度直到今天为止 17",
    "deer",
]
SAMPLE = "an/id/that/is/rather/long/because/it/is/a/path/of/a/file/on/some/disk/{}.txt"

OVERFLOWS = """() => [...document.querySelectorAll("td, th")].flatMap(cell => {
  const box = cell.getBoundingClientRect();
  return [...cell.querySelectorAll("*")].filter(part => {
    const { left, right, width } = part.getBoundingClientRect();
    return width > 1 && (left < box.left - 1 || right > box.right + 1);
  }).map(part => `${cell.textContent.slice(0, 30)}: ${part.tagName}`);
})"""
TAILS = """() => [...document.querySelectorAll(".w-name > span + span")].filter(tail => {
  const { left, right } = tail.getBoundingClientRect();
  const name = tail.parentElement.getBoundingClientRect();
  return left < name.left - 1 || right > name.right + 1;
}).map(tail => tail.textContent)"""


def rows() -> list[dict[str, Any]]:
    return [
        {"sample_id": SAMPLE.format(i), "label": name, "verdict": "noisy_label", "confidence": 0.9}
        for i, name in enumerate(NAMES)
    ]


def shares() -> dict[str, Any]:
    listed = [Share(name, 30, 10, 0.25, 0.3, False) for name in NAMES]
    return {"title": "Classes", "shown": listed, "total": 4, "top": 0.3, "shifted": 0, "warning": ""}


@pytest.fixture
def blank(browser: Browser) -> Page:
    return browser.new_page(viewport={"width": 1024, "height": 768})


@pytest.mark.parametrize(
    ("template", "macro", "arguments", "values"),
    [("export", "preview", (rows(),), {}), ("subset", "shares", (), shares())],
)
def test_long_names_stay_in_their_cells(
    blank: Page, template: str, macro: str, arguments: tuple[Any, ...], values: dict[str, Any]
) -> None:
    html = render(template, macro, *arguments, **values)
    blank.set_content(f"<style>{theme.css()}</style><div class='stApp'><div class='w-live'>{html}</div></div>")
    assert blank.locator(".w-name").count() >= len(NAMES)
    assert blank.evaluate(OVERFLOWS) == []
    assert blank.evaluate(TAILS) == []
    blank.close()


def test_the_box_of_a_row_of_history_lies_in_its_row(blank: Page) -> None:
    cells = "<tr><td class='w-pick'><input type='checkbox'></td><td>2 min ago</td></tr>"
    table = f"<table class='w-table w-history'><tbody>{cells * 5}</tbody></table>"
    blank.set_content(f"<style>{theme.css()}</style><div class='stApp'><div class='w-live'>{table}</div></div>")
    apart = blank.evaluate(
        """() => [...document.querySelectorAll("tr")].map(row => {
        const middle = (e) => { const b = e.getBoundingClientRect(); return (b.top + b.bottom) / 2; };
        return Math.abs(middle(row.querySelector("input")) - middle(row)); })"""
    )
    assert max(apart) < 4
    blank.close()
