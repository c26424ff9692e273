"""From a filter to a folder that torchvision reads: brush, fixed keys, suggestions in bulk, auto-curate, ZIP."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.helpers.browser import SAVED, open_gallery, open_review, sample, selected, wait_saved
from tests.helpers.harness import Server, run_winnow
from winnow.core import Workspace

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

COLOURS = {
    "red": (200, 40, 40),
    "green": (40, 180, 60),
    "blue": (40, 60, 210),
    "sand": (220, 200, 140),
    "night": (20, 20, 40),
    "pink": (240, 150, 190),
    "grey": (130, 130, 130),
    "sea": (40, 160, 170),
    "wine": (110, 20, 60),
    "lime": (180, 230, 60),
    "sky 0": (140, 200, 250),
}
"""Eleven classes: nine digits are not enough, and one is called by a digit."""

N = 660
WRONG = 110


@pytest.fixture(scope="module")
def mislabelled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, dict[str, str]]]:
    """A server on a table of pictures with wrong labels, a camera and a brightness; and the true labels."""
    root = tmp_path_factory.mktemp("curate")
    rng = np.random.default_rng(0)
    names, rows = list(COLOURS), []
    for i in range(N):
        name = names[i % len(names)]
        pixels = np.clip(np.array(COLOURS[name]) + rng.normal(0, 14, (24, 24, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(root / f"p{i:03d}.png")
        wrong = names[(i + 3) % len(names)] if i < WRONG else name
        facts = {"camera": "left" if i % 11 else "right", "lux": round(float(i % 100), 1)}
        rows.append({"image": f"p{i:03d}.png", "label": wrong, "truth": name, **facts})
    table = pd.DataFrame(rows)
    table.drop(columns="truth").to_csv(root / "samples.csv", index=False)
    run_winnow("scan", root / "samples.csv", "--out", root / "workspace", "--encoder", "patches", "--quiet")
    started = Server(root / "workspace", root / "state")
    started.start()
    with Workspace.open(started.workspace) as ws:
        by_row = ws.ids(sort="row")
    yield started, dict(zip(by_row, table["truth"], strict=True))
    started.stop()


def _filter_by_metadata(page: Page) -> None:
    """Only the left camera, and of the brightness only what the brush is drawn over."""
    page.locator("details[data-k=facet-metadata] > summary").click()
    page.get_by_label("Filter by a column").select_option("camera")
    page.locator(".w-meta .w-opt", has_text="left").click()
    expect(page.get_by_role("button", name="Remove filter camera: left")).to_be_visible()
    page.get_by_label("Filter by a column").select_option("lux")
    brush = page.locator(".w-meta [data-brush]")
    brush.scroll_into_view_if_needed()
    box = brush.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 1, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 10, steps=8)
    page.mouse.up()
    expect(page.get_by_role("button", name="Remove filter lux")).to_be_visible()


def test_from_a_filter_to_a_folder_that_torchvision_reads(
    page: Page, mislabelled: tuple[Server, dict[str, str]], tmp_path: Path
) -> None:
    server, truth = mislabelled
    with Workspace.open(server.workspace) as ws:
        lux = dict(zip(ws.ids(sort="row"), (float(i % 100) for i in range(N)), strict=True))

    # metadata filter, histogram brush
    card = open_review(page, f"{server.url}/review")
    _filter_by_metadata(page)
    expect(card).to_have_attribute("data-state", "ready")

    # every class has its own key, also beyond nine; thirty cards by these keys
    page.get_by_role("button", name="Keys of the classes").click()
    page.get_by_label("Every class has its own key").check()
    page.get_by_label("Key of wine").fill("q")
    page.get_by_label("Key of lime").fill("a")
    expect(page.locator(".classkeys .error")).to_have_text("A is a command of this page.")
    page.get_by_label("Key of lime").fill("m")
    page.get_by_role("button", name="Use these keys").click()
    expect(page.locator(".review .option:visible")).to_have_count(len(COLOURS))
    with Workspace.open(server.workspace) as ws:
        keys = ws.class_keys.of_classes()
    assert (keys["wine"], keys["lime"], keys["sky 0"]) == ("q", "m", "0")
    page.keyboard.press("?")
    expect(page.locator("dialog.w-help dt", has_text="Q")).to_be_visible()
    page.keyboard.press("Escape")
    decided: dict[str, str] = {}
    for _ in range(30):
        here = sample(page)
        assert lux[here] <= 81
        decided[here] = truth[here]
        page.keyboard.press(keys[truth[here]])
        expect(card).not_to_have_attribute("data-sample", here)
    wait_saved(page)
    with Workspace.open(server.workspace) as ws:
        made = {i: d for i, people in ws.current().items() for d in people.values()}
        given = dict(zip(ws.ids(sort="row"), ws.labels(), strict=True))
    assert {i: d.label or given[i] for i, d in made.items()} == decided

    # the same keys after a reload, and the last decisions are still there
    page.reload()
    expect(card).to_have_attribute("data-state", "ready")
    expect(page.locator(".review .option:visible")).to_have_count(len(COLOURS))
    expect(page.locator(".recent .past")).to_have_count(10)
    expect(page.locator(".review .head .strong")).to_contain_text("30 done")

    # what is left of the noisy labels: each one's suggestion, all at once
    page.goto(f"{server.url}/gallery?verdicts=noisy_label&group=label")
    open_gallery(page)
    head = page.locator(".shelf").first
    head.locator("input").click()
    group = selected(page)
    assert group > 0
    expect(head.locator("input")).to_be_checked()
    page.keyboard.press("Control+a")
    expect(page.locator(".bulk")).not_to_have_attribute("data-count", str(group))
    page.keyboard.press("w")
    asked = page.locator(".bulk .what")
    expect(asked).to_contain_text("are expected to be right")
    count = int(asked.inner_text().split()[1])
    page.keyboard.press("y")
    expect(asked).to_contain_text(f"Took {count} suggestions. Saved")
    with Workspace.open(server.workspace) as ws:
        labels = dict(zip(ws.ids(sort="row"), ws.labels(), strict=True))
        assert len(ws.current()) == 30 + count
    assert sum(labels[i] == truth[i] for i in labels) > N - WRONG + 30
    page.keyboard.press("u")
    expect(asked).to_contain_text(f"Undone: {count} decisions")
    page.keyboard.press("r")
    expect(asked).to_contain_text(f"Redone: {count} decisions")
    expect(page.locator(SAVED)).to_be_visible()

    # auto-curate what nobody reviewed, download the folders as a ZIP archive
    page.goto(f"{server.url}/export")
    page.get_by_role("combobox", name="Format").click()
    page.get_by_role("option", name="Image folder").click()
    page.get_by_text("Auto-curate what nobody has reviewed").click()
    rules = page.get_by_text("Leave out")
    expect(page.get_by_text("Decisions of people always count first")).to_be_visible()
    for i in range(rules.count()):
        rules.nth(i).click()
    if rules.count():
        expect(page.get_by_text("Decisions of people count first")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download", exact=True).click()
    download.value.save_as(tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        archive.extractall(tmp_path / "out")

    # torchvision reads the same classes and counts as the table says
    folders = pytest.importorskip("torchvision.datasets")
    flagged = ["broken", "duplicate", "ood"]
    run_winnow("export", server.workspace, tmp_path / "out.csv", "--exclude-flagged", ",".join(flagged))
    wanted = Counter(pd.read_csv(tmp_path / "out.csv", dtype=str)["label_final"])
    (top,) = {p.parent.parent for p in (tmp_path / "out").rglob("*.png")}
    read = folders.ImageFolder(str(top))
    assert Counter(read.classes[i] for i in read.targets) == wanted
    assert sorted(read.classes) == sorted(wanted)
