"""From pictures without labels to a labelled dataset: classes typed on the way, one bulk accept, undo, export."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.helpers.browser import open_review, sample, wait_saved
from tests.helpers.harness import Server, run_winnow
from winnow.core import Workspace

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

COLOURS = {
    "red": (200, 40, 40),
    "green": (40, 180, 60),
    "blue": (40, 60, 210),
    "sand": (220, 200, 140),
    "night": (20, 20, 40),
}
EACH = 40


def _name(sample_id: str) -> str:
    return list(COLOURS)[int(Path(sample_id).stem[1:]) % 5]


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on a flat folder of pictures."""
    root = tmp_path_factory.mktemp("label")
    pictures = root / "pictures"
    pictures.mkdir()
    rng = np.random.default_rng(0)
    for i in range(5 * EACH):
        colour = np.array(list(COLOURS.values())[i % 5])
        pixels = np.clip(colour + rng.normal(0, 25, (32, 32, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(pictures / f"p{i:03d}.png")
    run_winnow("scan", pictures, "--out", root / "workspace", "--encoder", "patches", "--quiet")
    made = Server(root / "workspace", root / "state")
    made.start()
    yield made
    made.stop()


def _label(page: Page, times: int) -> None:
    """Label by keyboard: a class that has a key by it, a new one by typing its name."""
    card = page.locator(".review")
    for _ in range(times):
        here = sample(page)
        name = _name(here)
        key = page.locator(".review .option:visible", has=page.locator(f"[data-name='{name}']")).locator("kbd")
        if key.count():
            page.keyboard.press(key.inner_text())
        else:
            page.keyboard.press("/")
            page.keyboard.type(name)
            page.keyboard.press("Enter")
        expect(card).not_to_have_attribute("data-sample", here)


def test_from_pictures_without_labels_to_a_labelled_dataset(page: Page, unlabelled: Server, tmp_path: Path) -> None:
    open_review(page, unlabelled.url)  # without labels, a dataset opens on Label
    expect(page.locator(".propagation")).to_be_visible()
    _label(page, 60)
    wait_saved(page)
    with Workspace.open(unlabelled.workspace) as ws:
        said = {i: d.label for i, people in ws.current().items() for d in people.values()}
        ordered = [d.sample_id for d in reversed(ws.history(limit=1000))]
    assert len(said) == 60
    assert all(label == _name(i) for i, label in said.items())
    assert set(said.values()) == set(COLOURS)
    with Workspace.open(unlabelled.workspace) as ws:
        keys = ws.class_keys.of_classes()
    first_seen = list(dict.fromkeys(said[i] for i in ordered))
    assert keys == dict(zip(first_seen, "12345", strict=True)), "a class keeps the key of the moment it was made"

    # restarted in between, it goes on where it was, with suggestions
    page.goto("about:blank")
    unlabelled.stop()
    unlabelled.start()
    open_review(page, unlabelled.url)
    assert sample(page) not in said
    expect(page.locator(".review .take")).to_contain_text(_name(sample(page)))
    button = page.get_by_role("button", name="Accept 140 propagated labels")
    slider = page.get_by_label("Least probability of the labels to accept")
    slider.fill("0.5")
    expect(button).to_be_visible()
    expect(page.locator(".propagation")).to_contain_text("wrong")
    button.click()
    expect(page.get_by_text("Accepted 140 propagated labels")).to_be_visible()
    page.keyboard.press("u")
    expect(page.get_by_text("Undone: 140 decisions")).to_be_visible()
    with Workspace.open(unlabelled.workspace) as ws:
        assert ws.labeller.report()["to_label"] == 140
    open_review(page, unlabelled.url)
    slider.fill("0.5")
    button.click()
    expect(page.get_by_text("Accepted 140 propagated labels")).to_be_visible()

    run_winnow("export", unlabelled.workspace, tmp_path / "labelled.csv")
    table = pd.read_csv(tmp_path / "labelled.csv")
    assert table.label_source.value_counts().to_dict() == {"propagated": 140, "person": 60}
    assert table.label_probability[table.label_source == "propagated"].between(0.5, 1).all()
    assert (table.label_final == table.path.map(_name)).mean() > 0.95
