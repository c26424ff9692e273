"""Take the pictures of README: every page on the demo, into assets/screenshots.

Run ``python -m tests.e2e.screenshots [NAME …]``. WINNOW_SHOTS_HOME says where the demo is scanned and its paths, which
some pages show, come from (default: a temporary directory).
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.helpers import worlds
from tests.helpers.browser import lasso, selected, wait_saved
from tests.helpers.harness import ACTOR, ARGS, CHROMIUM, Server, run_winnow
from winnow.core.workspace import Workspace

OUT = Path(__file__).resolve().parents[2] / "assets" / "screenshots"
LIMIT = 400_000
"""Bytes of one picture."""

PICTURES = """() => {
  const inside = root => [...root.querySelectorAll('*')].flatMap(
    e => [e, ...(e.shadowRoot ? inside(e.shadowRoot) : [])]);
  const below = e => e.loading === 'lazy' && e.getBoundingClientRect().top > innerHeight;
  return inside(document).every(e => e.tagName !== 'IMG' || !e.src || e.complete || below(e));
}"""
READY = "[data-testid=stApp][data-test-script-state=notRunning]"


def surface(page: Page, name: str) -> None:
    expect(page.locator(f".{name}")).to_have_attribute("data-state", "ready", timeout=60_000)


def plain(page: Page) -> None:
    expect(page.locator(".w-head h1")).to_be_visible()
    expect(page.locator(READY)).to_be_visible()


def review(page: Page) -> None:
    surface(page, "review")
    for key in "waw1xwaww":
        here = page.locator(".review").get_attribute("data-sample")
        page.keyboard.press(key if not (key == "w" and page.locator(".review .take").is_disabled()) else "x")
        expect(page.locator(".review")).not_to_have_attribute("data-sample", str(here))
    wait_saved(page)


def viewer(page: Page) -> None:
    surface(page, "review")
    page.keyboard.press("z")
    expect(page.locator("dialog[open]")).to_have_attribute("data-state", "ready")
    page.keyboard.press("i")
    page.keyboard.press("2")
    expect(page.locator("dialog[open]")).to_have_attribute("data-mode", "side")


def gallery(page: Page) -> None:
    surface(page, "gallery")
    page.get_by_label("Group by").select_option("label")
    expect(page.locator(".shelf").first).to_be_visible()
    page.locator(".tile[data-index='9']").click()
    page.locator(".tile[data-index='13']").click(modifiers=["Shift"])
    selected(page)


def atlas(page: Page) -> None:
    surface(page, "map")
    lasso(page, 0.36, 0.32, 0.12)
    page.keyboard.down("Shift")
    lasso(page, 0.68, 0.32, 0.1)
    page.keyboard.up("Shift")
    selected(page)
    expect(page.locator(".map .strip .tile").first).to_be_visible()


def subset(page: Page) -> None:
    plain(page)
    page.get_by_label("Method").click()
    page.get_by_role("option", name="Budgets per cluster").click()
    expect(page.get_by_text("Draws from every cluster")).to_be_visible()
    measured = page.locator(".w-payoff").get_by_role("rowheader", name="Random, same size")
    measure = page.get_by_role("button", name="Measure the payoff")
    expect(measured.or_(measure)).to_be_visible()
    if measure.is_visible():
        measure.click()
    expect(measured).to_be_visible(timeout=120_000)
    expect(page.locator(READY)).to_be_visible()


def reviewed(page: Page) -> None:
    surface(page, "review")
    expect(page.locator(".stage .text mark").first).to_be_visible()


def offered(page: Page) -> None:
    surface(page, "review")
    expect(page.locator(".proposal").first).to_be_visible()


def prompts(page: Page) -> None:
    plain(page)
    page.get_by_role("button", name="In words").click()
    lines = page.get_by_label("Classes, one a line")
    expect(page.locator(".w-fits")).to_be_visible(timeout=60_000)
    lines.fill(lines.input_value().replace("lost luggage", "lost luggage = my suitcase did not arrive"))
    lines.press("Control+Enter")
    expect(page.get_by_text("Nothing is kept yet")).to_be_visible()
    expect(page.locator(READY)).to_be_visible()


def named(page: Page) -> None:
    surface(page, "map")
    page.get_by_label("Colour by").select_option("label")
    expect(page.locator(".map .annotation-text").first).to_be_visible()


def tiles(page: Page) -> None:
    surface(page, "gallery")
    expect(page.locator("#tile-0")).to_be_visible()


Shot = tuple[str, str, Callable[[Page], None], str]
SHOTS: tuple[Shot, ...] = (
    ("overview", "/overview", plain, "light"),
    ("queues", "/queues", plain, "light"),
    ("map", "/map", atlas, "light"),
    ("map-dark", "/map", atlas, "dark"),
    ("review", "/review?verdicts=noisy_label", review, "light"),
    ("review-dark", "/review?verdicts=ood,noisy_label", review, "dark"),
    ("viewer", "/review?verdicts=noisy_label", viewer, "light"),
    ("gallery", "/gallery?verdicts=noisy_label,ood,duplicate", gallery, "light"),
    ("duplicates", "/duplicates", plain, "light"),
    ("classes", "/classes", plain, "light"),
    ("history", "/history", plain, "light"),
    ("select", "/select", subset, "light"),
    ("export", "/export", plain, "light"),
    ("new", "/new", plain, "light"),
)


WORDS: dict[str, tuple[Shot, ...]] = {
    "requests": (
        ("search", "/gallery?find=i+cannot+find+my+bag&sort=match", tiles, "light"),
        ("names", "/map", named, "light"),
        ("prompts", "/classes", prompts, "light"),
        ("text", "/review?verdicts=noisy_label", reviewed, "light"),
        ("plugin", "/gallery?sort=-text_surprise", tiles, "light"),
    ),
    "pairs": (("pairs", "/review?verdicts=noisy_label", offered, "light"),),
}
"""World (see tests/helpers/worlds.py) → its pictures."""


def shrink(path: Path) -> None:
    """Every colour where that fits under the limit, else the fewest that do not; the size in pixels stays."""
    picture = Image.open(path).convert("RGB")
    picture.save(path, optimize=True)
    for colours in (256, 128, 64):
        if path.stat().st_size <= LIMIT:
            return
        picture.quantize(colours, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(path, optimize=True)
    if path.stat().st_size > LIMIT:
        raise SystemExit(f"{path.name} has {path.stat().st_size:,} bytes; the limit is {LIMIT:,}.")


def main(names: list[str]) -> None:
    expect.set_options(timeout=60_000)  # a busy machine draws slowly
    OUT.mkdir(parents=True, exist_ok=True)
    wanted = {
        world: [shot for shot in shots if not names or shot[0] in names]
        for world, shots in {"demo": SHOTS, **WORDS}.items()
    }
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        home = Path(os.environ.get("WINNOW_SHOTS_HOME") or scratch)
        path = str(CHROMIUM) if CHROMIUM.exists() else None
        browser = playwright.chromium.launch(executable_path=path, args=ARGS)
        for world, shots in wanted.items():
            if shots:
                shoot(browser, made(world, home), Path(scratch) / world, shots)
        browser.close()


def made(world: str, home: Path) -> Path:
    """The workspace of a world, scanned, with every decision taken back."""
    if world == "demo":
        if not (home / "workspace" / "results.json").exists():
            run_winnow("demo", "--home", home, "--no-serve", "--quiet", timeout=1200)
        place = home / "workspace"
    else:
        place = home / world
        if not place.exists():
            {"requests": worlds.requests, "pairs": worlds.pairs}[world](home)
    with Workspace.open(place) as workspace:
        while workspace.undo(actor=ACTOR):
            pass
    return place


def shoot(browser: Browser, workspace: Path, state: Path, shots: list[Shot]) -> None:
    """Take the pictures of one workspace."""
    server = Server(workspace, state)
    server.start()
    try:
        for name, url, prepare, scheme in shots:
            context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
            page = context.new_page()
            page.set_default_timeout(30_000)
            page.goto(server.url + url)
            prepare(page)
            page.wait_for_load_state("networkidle")
            page.wait_for_function(PICTURES)
            target = OUT / f"{name}.png"
            page.screenshot(path=target, animations="disabled")
            shrink(target)
            print(f"{target.relative_to(OUT.parents[1])}: {target.stat().st_size:,} bytes")
            context.close()
    finally:
        server.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
