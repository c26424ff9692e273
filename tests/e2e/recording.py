"""Make the short film of README on the demo, as a GIF: a wrong label is found, looked at, and mended.

Run ``python -m tests.e2e.recording [FILE]`` (default assets/screenshots/review.gif). WINNOW_E2E_DEMO names a scanned
demo workspace to copy; without it the demo is scanned first. Each frame is a picture of the page as it is; the keys
that were pressed are shown in a corner.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from tests.helpers.browser import SAVED
from tests.helpers.harness import ARGS, CHROMIUM, Server, run_winnow

OUT = Path(__file__).resolve().parents[2] / "assets" / "screenshots" / "review.gif"
LIMIT = 3_000_000
"""Bytes of the film."""

WIDTH, HEIGHT = 1280, 800
SCALE = 0.75
COLOURS = 256

KEYCAP = """key => {
  let cap = document.querySelector('#film-key');
  if (!cap) {
    cap = document.createElement('div');
    cap.id = 'film-key';
    Object.assign(cap.style, {
      position: 'fixed', zIndex: 99999, right: '26px', bottom: '96px', minWidth: '46px', padding: '9px 15px',
      borderRadius: '10px', background: '#1f2430', color: '#fff', font: '600 21px system-ui, sans-serif',
      textAlign: 'center', boxShadow: '0 3px 12px rgb(0 0 0 / .3)',
    });
  }
  (document.querySelector('dialog[open]') || document.body).append(cap);
  cap.textContent = key;
  cap.style.visibility = key ? 'visible' : 'hidden';
}"""


@dataclass
class Film:
    """Frames with how long each stands, in ms."""

    page: Page
    frames: list[Image.Image] = field(default_factory=list)
    times: list[int] = field(default_factory=list)

    def shoot(self, ms: int) -> None:
        """The page as it is now."""
        raw = Image.open(io.BytesIO(self.page.screenshot(animations="disabled", caret="hide"))).convert("RGB")
        small = raw.resize((int(WIDTH * SCALE), int(HEIGHT * SCALE)), Image.Resampling.LANCZOS)
        if self.frames and self.frames[-1].tobytes() == small.tobytes():
            self.times[-1] += ms
            return
        self.frames.append(small)
        self.times.append(ms)

    def press(self, key: str, ms: int, wait: int = 120) -> None:
        """Press a key, and show it."""
        self.page.keyboard.press(key)
        self.page.wait_for_timeout(wait)  # the film shows the page after the key, not on its way
        self.page.evaluate(KEYCAP, key.upper())
        self.shoot(ms)

    def save(self, path: Path) -> int:
        """Write the film with one palette for all frames, so that what stands still costs nothing. Returns its size."""
        sheet = Image.new("RGB", (self.frames[0].width, self.frames[0].height * len(self.frames)))
        for i, frame in enumerate(self.frames):
            sheet.paste(frame, (0, i * frame.height))
        # half for what fills the page (its greys), half for what is rare and matters (the verdicts on the map)
        half = [sheet.quantize(COLOURS // 2, how) for how in (Image.Quantize.MEDIANCUT, Image.Quantize.MAXCOVERAGE)]
        palette = Image.new("P", (1, 1))
        palette.putpalette([value for part in half for value in (part.getpalette() or [])[: 3 * (COLOURS // 2)]])
        drawn = [f.quantize(palette=palette, dither=Image.Dither.NONE) for f in self.frames]
        drawn[0].save(path, save_all=True, append_images=drawn[1:], duration=self.times, loop=0, optimize=False)
        return path.stat().st_size


def play(page: Page, url: str) -> Film:
    """A wrong label is found, looked at beside a neighbour, and mended; two more follow, and the count falls."""
    film = Film(page)

    def overview(ms: int) -> None:
        page.evaluate(KEYCAP, "")
        page.goto(f"{url}/overview")
        expect(page.locator(".w-overview")).to_be_visible(timeout=60_000)
        page.wait_for_load_state("networkidle")
        film.shoot(ms)

    overview(1400)
    page.locator(".w-tile", has_text="Noisy label").click()
    expect(page.locator(".review")).to_have_attribute("data-state", "ready", timeout=60_000)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(600)  # the picture is replaced by its original
    film.shoot(1500)
    film.press("z", 500, wait=900)
    film.press("2", 1300, wait=600)
    page.evaluate(KEYCAP, "")
    page.keyboard.press("Escape")
    page.wait_for_timeout(150)
    film.press("w", 1000)
    film.press("w", 600)
    film.press("w", 600)
    expect(page.locator(SAVED).first).to_be_visible()
    page.evaluate(KEYCAP, "")
    page.goto(f"{url}/history")
    expect(page.locator(".w-history")).to_be_visible(timeout=60_000)
    page.wait_for_load_state("networkidle")
    film.shoot(1400)
    overview(1700)
    return film


def main(out: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        if made := os.environ.get("WINNOW_E2E_DEMO"):
            shutil.copytree(made, home / "workspace")
        else:
            run_winnow("demo", "--home", home, "--no-serve", "--quiet")
        server = Server(home / "workspace", home / "state")
        server.start()
        try:
            with sync_playwright() as playwright:
                path = str(CHROMIUM) if CHROMIUM.exists() else None
                browser = playwright.chromium.launch(executable_path=path, args=ARGS)
                page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
                page.set_default_timeout(30_000)
                film = play(page, server.url)
                browser.close()
        finally:
            server.stop()
    size = film.save(out)
    print(f"{out.name}: {len(film.frames)} frames, {sum(film.times) / 1000:.1f} s, {size:,} bytes")
    if size > LIMIT:
        raise SystemExit(f"{out.name} is over {LIMIT:,} bytes.")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT)
