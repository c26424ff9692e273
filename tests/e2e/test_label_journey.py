"""From a folder of pictures to a labelled and audited dataset: classes typed on the way, bulk accept, undo, export."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.helpers.browser import open_review, sample, wait_saved
from tests.helpers.harness import Complaints, Server, run_winnow
from winnow.core import Filter, Workspace

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
    """A server without a dataset, beside a flat folder of pictures."""
    root = tmp_path_factory.mktemp("label")
    pictures = root / "pictures"
    pictures.mkdir()
    rng = np.random.default_rng(0)
    for i in range(5 * EACH):
        colour = np.array(list(COLOURS.values())[i % 5])
        pixels = np.clip(colour + rng.normal(0, 25, (32, 32, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(pictures / f"p{i:03d}.png")
    made = Server(root / "pictures.winnow", root / "state")
    made.start()
    yield made
    made.stop()


def _scan(page: Page, server: Server) -> None:
    """Scan the folder from the page for new datasets; without labels, a dataset opens on Label."""
    page.goto(f"{server.url}/new")
    page.get_by_label("Path", exact=True).fill(str(server.workspace.with_suffix("")))
    page.get_by_label("Path", exact=True).press("Enter")
    page.get_by_role("combobox", name="Encoders").click(timeout=90_000)
    page.get_by_role("option", name="patches").click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Start the scan").click()
    expect(page.locator(".review")).to_have_attribute("data-state", "ready", timeout=240_000)


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


def test_from_pictures_without_labels_to_a_labelled_dataset(
    page: Page, unlabelled: Server, complaints: Complaints, tmp_path: Path
) -> None:
    complaints.allow.append("api/points")  # the first card is there before the map is drawn
    _scan(page, unlabelled)
    expect(page.get_by_label("Classes, separated by commas")).to_be_visible()
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

    _label_a_cluster(page, unlabelled)
    _audit(page, unlabelled)

    run_winnow("export", unlabelled.workspace, tmp_path / "labelled.csv")
    table = pd.read_csv(tmp_path / "labelled.csv")
    judged = 200 - (table.label_source == "propagated").sum() - 60
    assert 0 < judged <= 30, "a sample that was audited has a person's label now"
    assert set(table.label_source) == {"propagated", "person"}
    assert table.label_probability[table.label_source == "propagated"].between(0.5, 1).all()
    assert (table.label_final == table.path.map(_name)).mean() > 0.95


def _label_a_cluster(page: Page, server: Server) -> None:
    """Undo what was accepted, give a cluster one label without its outliers, and undo that too."""
    page.keyboard.press("u")
    expect(page.get_by_text("Undone: 140 decisions")).to_be_visible()
    open_review(page, f"{server.url}/label?clusters=0")
    group = page.locator(".propagation .alike")
    expect(group).to_be_visible()
    with Workspace.open(server.workspace) as ws:
        fits, out = ws.labeller.alike(ws.ids(Filter(clusters=(0,))))
    expect(group).to_have_text(groups := f"Label all {len(fits)} alike…{_left_out(len(out))}")
    group.click()
    page.keyboard.type("red")
    page.keyboard.press("Enter")
    expect(page.get_by_text(f"Labelled {len(fits)} samples as red.")).to_be_visible()
    page.keyboard.press("u")
    expect(page.get_by_text(f"Undone: {len(fits)} decisions")).to_be_visible()
    expect(group).to_have_text(groups)
    open_review(page, f"{server.url}/label")
    page.get_by_label("Least probability of the labels to accept").fill("0.5")
    page.get_by_role("button", name="Accept 140 propagated labels").click()
    expect(page.get_by_text("Accepted 140 propagated labels")).to_be_visible()


def _left_out(n: int) -> str:
    return f" ({n} outlier{'s' * (n != 1)} left out)" if n else ""


def _audit(page: Page, server: Server) -> None:
    """Judge thirty samples without a hint, by keyboard; Overview says what follows."""
    page.goto(f"{server.url}/audit")
    page.get_by_role("button", name="Draw 100 samples").click()
    card = page.locator(".review.blind")
    expect(card).to_have_attribute("data-state", "ready", timeout=30_000)
    for part in (".verdict", ".suggested", ".reason", ".scores", ".strip", ".history", ".take"):
        expect(card.locator(part)).to_be_hidden()
    for _ in range(30):
        here = sample(page)
        shown = card.locator(".given [data-name]").get_attribute("data-name")
        if shown == _name(here):
            page.keyboard.press("a")
        else:
            option = card.locator(".option:visible", has=page.locator(f"[data-name='{_name(here)}']"))
            page.keyboard.press(option.locator("kbd").inner_text())
        expect(card).not_to_have_attribute("data-sample", here)
    wait_saved(page)
    page.goto(f"{server.url}/overview")
    audit = page.locator(".w-card", has=page.get_by_role("heading", name="Audit"))
    expect(audit).to_contain_text("30 of 100 judged", timeout=30_000)
    expect(audit).to_contain_text("Propagated labels that are wrong")
    with Workspace.open(server.workspace) as ws:
        report = ws.audit.report()
        labels = dict(zip(ws.ids(), ws.labels(), strict=True))
        drawn = {s.sample_id: s.shown for s in ws.audit.plan().samples}
    assert report.answered == 30
    wrong = np.mean([(drawn.get(i) or labels[i]) != _name(i) for i in drawn])
    assert report.propagated_error.low <= wrong <= report.propagated_error.high
