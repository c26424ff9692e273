"""Review at ten keys a second on 14,000 samples, also while the server is held still and connections break."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest
from playwright.sync_api import BrowserContext, Page, Response, Route, expect

from tests.helpers.browser import measures, open_review, sample, wait_saved
from tests.helpers.enlarge import enlarge
from tests.helpers.harness import Complaints, Server
from winnow.core.workspace import Workspace

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SAMPLES = 200
PER_SECOND = 10
QUEUE = "/review?verdicts=clean"
SIZE = 14_000
KEYS = "aaxwa1axa2"


@pytest.fixture(scope="module")
def shared(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on a workspace of 14,000 samples: the demo's, over and over."""
    home = tmp_path_factory.mktemp("large")
    made = Server(enlarge(demo, home / "workspace", SIZE), home / "state")
    made.start()
    yield made
    made.stop()


class HandedOut:
    """The samples that the server handed out to the page, in the order in which the browser was to show them."""

    def __init__(self, page: Page) -> None:
        self.ids: list[str] = []
        self.total = 0
        page.on("response", self._hear)

    def _hear(self, response: Response) -> None:
        if "/api/cards/" not in response.url or not response.ok:
            return
        answer = response.json()
        self.total = answer.get("total", self.total)
        self.ids += [c["id"] for c in answer["cards"] if c["id"] not in set(self.ids)]


def log_of(server: Server) -> list[tuple[str, str]]:
    """(sample, action) of this test in the order of the log."""
    with Workspace.open(server.workspace) as ws:
        rows = sorted(ws.history(limit=10_000), key=lambda d: d.seq)
    return [(d.sample_id, d.action.value) for d in rows if d.seq > server.since]


def drum(page: Page, n: int, at: dict[int, object] | None = None) -> list[tuple[str, str]]:
    """Press ``n`` deciding keys, ten a second; ``at`` acts before the n-th. Returns what should be decided."""
    expected = []
    begun = time.monotonic()
    for i in range(n):
        if at and i in at:
            at[i]()  # type: ignore[operator]
        key = KEYS[i % len(KEYS)]
        if key == "w" and page.locator(".review .take").is_disabled():
            key = "a"
        expected.append((sample(page), {"a": "accept", "x": "exclude"}.get(key, "relabel")))
        page.keyboard.press(key)
        ahead = begun + (i + 1) / PER_SECOND - time.monotonic()
        if ahead > 0:
            page.wait_for_timeout(ahead * 1000)  # the beat, not a wait for something
    return expected


def test_two_hundred_samples_at_ten_keys_a_second(page: Page, server: Server) -> None:
    handed = HandedOut(page)
    open_review(page, server.url + QUEUE)
    expected = drum(page, SAMPLES)
    wait_saved(page)
    assert handed.total > SIZE / 2
    assert [i for i, _ in expected] == handed.ids[:SAMPLES]
    assert len({i for i, _ in expected}) == SAMPLES
    assert log_of(server) == expected
    took = measures(page, "winnow:key-to-card")
    assert len(took) == SAMPLES
    frames = measures(page, "winnow:key-to-frame")
    print(f"key to card: median {median(took):.1f} ms; to the painted frame: median {median(frames):.1f} ms")
    assert median(took) <= 50, f"median key to next card {median(took):.1f} ms"


def test_a_held_server_and_broken_connections_lose_and_double_nothing(
    page: Page, server: Server, complaints: Complaints
) -> None:
    complaints.allow += ["/api/", "_stcore", "WebSocket"]
    handed = HandedOut(page)
    open_review(page, server.url + QUEUE)

    def lose_answer(route: Route) -> None:
        route.fetch()  # the server has it, the browser never hears so
        route.abort("connectionreset")

    expected = drum(
        page,
        SAMPLES,
        {
            30: lambda: page.route("**/api/decisions/**", lambda route: route.abort("connectionreset"), times=1),
            50: lambda: page.route("**/api/decisions/**", lose_answer, times=1),
            80: server.pause,
            130: server.resume,  # five seconds later
        },
    )
    wait_saved(page, 40_000)
    assert [i for i, _ in expected] == handed.ids[:SAMPLES]
    assert len({i for i, _ in expected}) == SAMPLES
    assert log_of(server) == expected
    assert median(measures(page, "winnow:key-to-card")) <= 50


def test_a_held_key_decides_once(page: Page, server: Server) -> None:
    open_review(page, server.url + QUEUE)
    first = sample(page)
    page.keyboard.down("a")
    for _ in range(8):
        page.keyboard.down("a")  # what the keyboard's own repeat sends
    page.keyboard.up("a")
    wait_saved(page)
    assert log_of(server) == [(first, "accept")]


def test_a_closed_tab_loses_nothing(
    page: Page, context: BrowserContext, server: Server, complaints: Complaints
) -> None:
    complaints.allow += ["/api/decisions/"]
    open_review(page, server.url + QUEUE)
    page.route("**/api/decisions/**", lambda route: route.abort("connectionreset"))
    expected = drum(page, 5)
    expect(page.locator(".review .banner")).to_contain_text("will be sent", timeout=20_000)
    assert log_of(server) == []
    page.close(run_before_unload=False)
    again = context.new_page()
    open_review(again, server.url + QUEUE)
    wait_saved(again)
    assert log_of(server) == expected


def test_typing_in_a_field_decides_nothing(page: Page, server: Server, workspace: Path) -> None:
    open_review(page, server.url + QUEUE)
    first = sample(page)
    page.keyboard.press("n")
    page.keyboard.type("axw1 u")
    expect(page.locator(".review")).to_have_attribute("data-sample", first)
    page.keyboard.press("Enter")
    page.keyboard.press("/")
    page.get_by_role("combobox", name="Label").fill("xa brand new one")
    expect(page.get_by_role("option", name="New label “xa brand new one”")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator(".review")).not_to_have_attribute("data-sample", first)
    wait_saved(page)
    with Workspace.open(workspace) as ws:
        decision = ws.history(limit=1)[0]
    assert (decision.sample_id, decision.action.value, decision.label) == (first, "relabel", "xa brand new one")
    assert decision.reason == "axw1 u"
