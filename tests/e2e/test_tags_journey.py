"""Several labels a sample, in the browser: thirty cards with edits, tags for a selection, undo, restart, exports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.browser import open_gallery, open_review, sample, wait_saved
from tests.helpers.harness import ACTOR, Server, run_winnow
from tests.helpers.tagged import WORDS, make_tagged
from winnow.core import Filter, Workspace
from winnow.core.types import Action

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

CARDS = 30


@pytest.fixture(scope="module")
def tagged_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on texts with tags."""
    root = tmp_path_factory.mktemp("tags")
    make_tagged(root, 900)
    run_winnow("scan", root / "samples.parquet", "--out", root / "workspace", "--encoder", "tfidf", "--quiet")
    made = Server(root / "workspace", root / "state")
    made.start()
    yield made
    made.stop()


def chip(page: Page, tag: str) -> str:
    """Whether a tag is carried, by its chip: "true" or "false"."""
    return str(page.locator(f".review .tag[data-tag='{tag}']").get_attribute("aria-pressed"))


def review(page: Page, times: int) -> dict[str, list[str] | None]:
    """Decide about cards in three ways in turn: take the edits, keep what was given, toggle a tag by hand."""
    said: dict[str, list[str] | None] = {}
    card = page.locator(".review")
    for i in range(times):
        here = sample(page)
        chips = page.locator(".review .tag")
        expect(chips.first).to_be_visible()
        if i % 3 == 1:
            said[here] = None
            page.keyboard.press("a")
        else:
            if i % 3 == 2:
                before = chip(page, str(chips.nth(0).get_attribute("data-tag")))
                page.keyboard.press("1")
                expect(chips.nth(0)).not_to_have_attribute("aria-pressed", before)
                carried = page.locator(".review .tag[aria-pressed='true']").evaluate_all(
                    "a => a.map(c => c.dataset.tag)"
                )
            else:
                solid = page.locator(".review .tag[data-state='given'], .review .tag[data-state='suggested']")
                carried = solid.evaluate_all("a => a.map(c => c.dataset.tag)")
            said[here] = sorted(carried)
            expect(page.locator(".review .take")).to_be_enabled()
            page.keyboard.press("w")
        expect(card).not_to_have_attribute("data-sample", here)
    return said


def test_from_tags_with_faults_to_an_export_that_is_read_back(
    page: Page, tagged_server: Server, tmp_path: Path
) -> None:
    url, path = tagged_server.url, tagged_server.workspace
    open_review(page, f"{url}/review")
    expect(page.locator(".review .accept")).to_contain_text("Keep as is")
    said = review(page, CARDS)
    wait_saved(page)
    with Workspace.open(path) as ws:
        now = {d.sample_id: d for people in ws.current().values() for d in people.values()}
        assert set(now) == set(said)
        for sample_id, tags in said.items():
            decision = now[sample_id]
            if tags is None:
                assert decision.action is Action.ACCEPT
            elif decision.action is Action.RELABEL:
                assert sorted(decision.tags or ()) == tags
            else:
                assert sorted(ws.tags.tables.of_row(ws.row(sample_id))) == tags, "nothing was changed: the given ones"
    # one card is one step of undo
    page.keyboard.press("u")
    wait_saved(page)
    with Workspace.open(path) as ws:
        assert len(ws.current()) == CARDS - 1

    # any tag by its name, also a new one
    here = sample(page)
    page.keyboard.press("/")
    page.keyboard.type("brand new")
    page.keyboard.press("Enter")
    expect(page.locator(".review .tag[data-tag='brand new']")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("w")
    expect(page.locator(".review")).not_to_have_attribute("data-sample", here)
    wait_saved(page)

    # restarted in between, the page of tags knows all of them
    page.goto("about:blank")
    tagged_server.stop()
    tagged_server.start()
    page.goto(f"{url}/tags")
    table = page.get_by_role("region", name="All tags")
    expect(table.get_by_role("button", name="brand new")).to_be_visible()
    table.get_by_role("button", name="music").click()
    expect(page.get_by_role("heading", name="Missing")).to_be_visible()

    # a tag for everything that carries another, taken back in one step, and given again
    page.goto(f"{url}/gallery?tags_all=rain,food")
    open_gallery(page)
    with Workspace.open(path) as ws:
        both = ws.ids(Filter(tags_all=("rain", "food")))
        lacking = [
            i for i, tags in zip(both, ws.tags.now.at([ws.row(i) for i in both]), strict=True) if "music" not in tags
        ]
    assert 3 < len(lacking) < len(both) + 1
    page.keyboard.press("Control+a")
    page.keyboard.press("t")
    page.keyboard.type("music")
    page.keyboard.press("Enter")
    if len(both) > 50:
        page.keyboard.press("y")
    done = page.locator(".bulk .what")
    expect(done).to_contain_text(f"{len(lacking)} samples changed")
    with Workspace.open(path) as ws:
        assert not ws.ids(Filter(tags_all=("rain", "food"), tags_none=("music",)))
    page.keyboard.press("u")
    expect(done).to_contain_text("Undone")
    with Workspace.open(path) as ws:
        assert len(ws.ids(Filter(tags_all=("rain", "food"), tags_none=("music",)))) == len(lacking)
    page.keyboard.press("r")
    expect(done).to_contain_text("Redone")

    # exports as a list and as columns of 1 and 0, each scanned again with the same tags
    with Workspace.open(path, actor=ACTOR) as ws:
        ids = ws.ids()
        wanted = {i: frozenset(tags) for i, tags in zip(ids, ws.tags.now.at(range(len(ids))), strict=True)}
    for form, name in (("list", "list.csv"), ("columns", "columns.parquet")):
        run_winnow("export", path, tmp_path / name, "--tags-as", form)
        again = tmp_path / f"again-{form}"
        run_winnow("scan", tmp_path / name, "--out", again, "--encoder", "tfidf", "--no-map", "--quiet")
        with Workspace.open(again) as ws:
            assert set(ws.tags.names) == {*WORDS, "brand new"}
            tags = ws.tags.now.at(range(len(wanted)))
            assert {i: frozenset(t) for i, t in zip(ws.ids(), tags, strict=True)} == wanted
