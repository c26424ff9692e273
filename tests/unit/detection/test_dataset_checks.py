"""Facts about the dataset as a whole: what was planted is found, what was not is not, and nothing crashes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from winnow.core import Workspace
from winnow.core.cli import app
from winnow.core.detection.dataset_checks import DATASET_CHECKS
from winnow.core.detection.dataset_checks.base import CheckInputs, CheckTable, rare, wilson
from winnow.core.detection.dataset_checks.spurious import _letter_shares
from winnow.core.features.neighbors import build
from winnow.core.pipeline.stages import dataset_checks as set_tables
from winnow.core.types import MediaFeatures

EVERY = pytest.mark.parametrize("fact", list(DATASET_CHECKS), ids=lambda f: f.name)


def media(n: int, **properties: np.ndarray) -> MediaFeatures:
    none, hashes = np.zeros(n, np.int32), np.zeros(n, np.uint64)
    return MediaFeatures(
        np.full(n, "", object),
        none,
        none,
        hashes,
        hashes,
        hashes,
        None,
        {k: np.asarray(v, np.float32) for k, v in properties.items()},
    )


def blobs(sizes: list[int], seed: int = 0, near: tuple[int, int] | None = None) -> CheckInputs:
    """One Gaussian blob per class, beliefs from the distances to the centres; ``near``: two classes that overlap."""
    rng = np.random.default_rng(seed)
    centre = 6 * np.eye(len(sizes), 16)
    if near:
        centre[near[1]] = centre[near[0]] + np.eye(16)[15] * 1.5
    y = np.repeat(np.arange(len(sizes)), sizes).astype(np.int32)
    x = centre[y] + rng.standard_normal((len(y), 16))
    logits = -0.5 * np.square(x[:, None] - centre[None]).sum(2)
    p = np.exp(logits - logits.max(1, keepdims=True))
    unit = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    ok = np.ones(len(y), bool)
    return CheckInputs(
        ok,
        y,
        tuple(f"c{i}" for i in range(len(sizes))),
        (p / p.sum(1, keepdims=True)).astype(np.float32),
        neighbors=build(unit, ok, k=20),
        coarse=y,
        fine=y,
    )


def run(name: str, inputs: CheckInputs) -> CheckTable:
    return DATASET_CHECKS.get(name)(inputs)


# ── the contract ────────────────────────────────────────────────────────────────────────────────────────────────


def whole(n: int = 120) -> CheckInputs:
    rng = np.random.default_rng(3)
    one = blobs([n // 2, n // 3, n - n // 2 - n // 3], near=(0, 1))
    return replace(
        one,
        media=media(n, brightness=rng.random(n), size=rng.random(n)),
        texts=np.array([f"Text {i}!" for i in range(n)], object),
        split=np.array(["a", "b"] * (n // 2), object),
        match=np.random.default_rng(4).random(n).astype(np.float32),
        suggested=np.roll(one.labels, 1),
        flags={"noisy_label": rng.random(n) < 0.1, "hard": rng.random(n) < 0.1},
    )


def check(table: CheckTable, inputs: CheckInputs) -> None:
    assert len(table.examples) == len(table.rows)
    for row, rows in zip(table.rows, table.examples, strict=True):
        assert set(row) == set(table.columns)
        assert all(0 <= r < inputs.n for r in rows)
        for value in row.values():
            assert value is None or isinstance(value, (str, bool, int, float))
            assert not isinstance(value, float) or np.isfinite(value)
    assert (np.diff(table.marked) > 0).all()
    json.dumps([table.rows, table.examples], allow_nan=False)


@EVERY
def test_a_table_has_plain_values_is_repeatable_and_documented(fact) -> None:
    inputs = whole()
    before = inputs.labels.copy()
    table = fact(inputs)
    check(table, inputs)
    assert table.name == fact.name
    assert fact(inputs).rows == table.rows
    assert (inputs.labels == before).all()
    assert fact.title
    assert fact.explain.endswith(".")
    assert "Formula" in fact.__class__.__doc__
    assert "References" in fact.__class__.__doc__


@EVERY
@pytest.mark.parametrize("case", ["one sample", "one class", "no labels", "nothing usable", "bare", "none"])
def test_degenerate_datasets_never_crash(fact, case: str) -> None:
    inputs = whole()
    if case == "one sample":
        inputs = replace(
            CheckInputs(np.ones(1, bool), np.zeros(1, np.int32), ("a",), np.ones((1, 1), np.float32)),
            neighbors=build(np.ones((1, 4), np.float32), np.ones(1, bool), k=5),
            fine=np.zeros(1, np.int32),
            media=media(1, brightness=np.ones(1)),
            texts=np.array(["x"], object),
        )
    elif case == "one class":
        inputs = replace(inputs, labels=np.zeros(inputs.n, np.int32))
    elif case == "no labels":
        inputs = replace(inputs, labels=np.full(inputs.n, -1, np.int32), probs=None)
    elif case == "nothing usable":
        inputs = replace(inputs, flags={"broken": np.ones(inputs.n, bool)})
    elif case == "bare":
        inputs = CheckInputs(np.ones(4, bool), np.array([0, 1, 1, -1], np.int32), ("a", "b"))
    else:
        inputs = CheckInputs(np.ones(0, bool), np.zeros(0, np.int32), ())
    answer = set_tables.table_json(fact, inputs, np.array([f"s{i}" for i in range(inputs.n)], object))
    json.dumps(answer, allow_nan=False)
    assert bool(answer["skipped"]) == any(not inputs.has(need) for need in fact.requires)
    if not answer["skipped"]:
        check(fact(inputs), inputs)


def test_intervals_cover_the_true_share_at_their_level() -> None:
    low, high = wilson(np.array([0, 5, 10]), np.array([10, 10, 10]))
    assert low[0] == pytest.approx(0, abs=1e-12)
    assert high[0] == pytest.approx(0.2775, abs=1e-3)
    assert (low[1], high[1]) == (pytest.approx(0.2366, abs=1e-3), pytest.approx(0.7634, abs=1e-3))
    assert high[2] == pytest.approx(1)
    wide, _ = wilson(np.array([5]), np.array([10]), tests=100)
    assert wide[0] < low[1]
    assert list(rare(np.array([500, 480, 20]), 1000)) == [False, False, True]
    assert not rare(np.array([3, 1]), 4).any(), "four samples prove nothing"


# ── class overlap ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("beliefs", [True, False])
def test_an_overlapping_pair_is_found_and_a_separate_one_is_not(beliefs: bool) -> None:
    inputs = blobs([150, 150, 150, 150], near=(1, 3))
    inputs = inputs if beliefs else replace(inputs, probs=None)
    table = run("class_overlap", inputs)
    assert [{row["class"], row["other"]} for row in table.rows] == [{"c1", "c3"}]
    assert table.rows[0]["how"] == "both ways"
    assert set(inputs.labels[table.examples[0]]) == {1, 3}


def test_one_sided_confusion_is_told_from_mutual_and_flags_are_counted() -> None:
    inputs = blobs([200, 200, 200])
    moved = np.arange(40)  # labelled c0, but look like c2
    probs = inputs.probs.copy()
    probs[moved] = [0.05, 0.05, 0.9]
    noisy = np.isin(np.arange(600), moved[:30])
    inputs = replace(
        inputs, probs=probs, suggested=np.where(noisy, 2, 1).astype(np.int32), flags={"noisy_label": noisy}
    )
    (row,) = run("class_overlap", inputs).rows
    assert (row["class"], row["other"], row["how"]) == ("c0", "c2", "c0 taken for c2")
    assert (row["taken"], row["taken_back"], row["flagged"], row["flagged_back"]) == (40, 0, 30, 0)
    assert row["belief"] == pytest.approx(0.18, abs=0.01)


# ── imbalance ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_sizes_effective_numbers_and_the_rare_class() -> None:
    y = np.repeat([0, 1, 2], [600, 380, 20]).astype(np.int32)
    table = run("imbalance", CheckInputs(np.ones(1000, bool), y, ("a", "b", "c")))
    assert [(r["class"], r["samples"], r["ratio"], r["rare"]) for r in table.rows] == [
        ("a", 600, 1.0, False),
        ("b", 380, 1.58, False),
        ("c", 20, 30.0, True),
    ]
    for row in table.rows:  # Cui et al. 2019, with beta = (N − 1)/N
        assert row["effective"] == pytest.approx((1 - 0.999 ** row["samples"]) / 0.001, abs=0.06)
    assert np.mean([r["weight"] for r in table.rows]) == pytest.approx(1, abs=1e-3)
    assert set(y[table.examples[2]]) == {2}


def test_copies_do_not_count_as_samples_and_an_empty_class_is_shown() -> None:
    y = np.repeat([0, 1], [50, 50]).astype(np.int32)
    copies = np.arange(100) < 40
    table = run("imbalance", CheckInputs(np.ones(100, bool), y, ("a", "b", "z"), flags={"duplicate": copies}))
    by = {r["class"]: r for r in table.rows}
    assert (by["a"]["distinct"], by["b"]["distinct"]) == (10, 50)
    assert by["a"]["weight"] > by["b"]["weight"]
    assert (by["z"]["samples"], by["z"]["ratio"], by["z"]["weight"]) == (0, None, None)


# ── spurious ────────────────────────────────────────────────────────────────────────────────────────────────────


def strengths(table: CheckTable) -> dict[str, str]:
    return {row["property"]: row["strength"] for row in table.rows}


def test_a_spurious_image_property_is_found_and_a_clean_one_is_not() -> None:
    inputs = blobs([100, 100, 100])
    rng = np.random.default_rng(1)
    bright = rng.normal(0.5, 0.1, 300) + 0.4 * (inputs.labels == 1)
    table = run("spurious", replace(inputs, media=media(300, brightness=bright, size=rng.random(300))))
    assert strengths(table) == {"Brightness": "strongly", "Image size": "no"}
    top = table.rows[0]
    assert (top["class"], top["side"][:6]) == ("c1", "higher")
    assert set(inputs.labels[table.examples[0]]) == {1}
    assert top["score"] > top["bound"] > top["chance"]


def test_a_yes_or_no_property_is_reported_as_shares() -> None:
    inputs = blobs([100, 100])
    grey = np.where(inputs.labels == 1, np.arange(200) % 10 != 0, np.arange(200) % 5 == 0)
    (row,) = run("spurious", replace(inputs, media=media(200, grayscale=grey))).rows
    assert (row["strength"], row["score"]) == ("strongly", 0.85)
    assert row["side"] in ("90%, elsewhere 20%", "20%, elsewhere 90%")


def test_texts_and_sources_that_give_the_label_away() -> None:
    inputs = blobs([80, 80])
    rng = np.random.default_rng(2)
    texts = np.array([("LOUD " if y else "calm ") + "word" * rng.integers(1, 9) for y in inputs.labels], object)
    source = np.array(["cam" if y else rng.choice(["cam", "phone"]) for y in inputs.labels], object)
    table = run("spurious", replace(inputs, texts=texts, source=source, split=rng.choice(["train", "test"], 160)))
    strength = strengths(table)
    assert strength["Share of capitals"] == "strongly"
    assert strength["Source"] == "strongly"
    assert strength["Length of the text"] == strength["Split"] == "no"
    (row,) = (r for r in table.rows if r["property"] == "Source")
    assert (row["class"], row["side"]) == ("c0", "100% of 'phone'")


def test_shares_of_letters_are_counted_by_character() -> None:
    texts = ["Ab1!", "", "ÄÖ ß", "\ud800x", "9" * 5000]
    assert np.allclose(
        _letter_shares(texts * 900)[:, -5:],
        [[0.25, np.nan, 0.5, 0, 0], [0.25, np.nan, 0, 0, 1], [0.25, np.nan, 0, 0.5, 0]],
        equal_nan=True,
    )
    assert np.isnan(_letter_shares(["", ""])).all()


def test_false_alarms_stay_at_their_level() -> None:
    inputs, wrong = blobs([60, 60, 60]), 0
    for seed in range(60):
        noise = np.random.default_rng(seed).random(180)
        wrong += strengths(run("spurious", replace(inputs, media=media(180, size=noise))))["Image size"] != "no"
    assert wrong <= 3


def test_many_sources_do_not_give_a_small_class_away_by_chance() -> None:
    inputs = blobs([120, 120, 8])
    for seed in range(20):
        source = np.random.default_rng(seed).choice([f"s{i}" for i in range(40)], inputs.n).astype(object)
        assert strengths(run("spurious", replace(inputs, source=source)))["Source"] != "strongly"


# ── rare slices ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_rare_coherent_slice_is_guarded_and_scattered_labels_are_not() -> None:
    inputs = blobs([300, 300, 12])
    labels = inputs.labels.copy()
    scattered = np.arange(0, 300, 25)  # a dozen wrong labels, each among samples of another class
    labels[scattered] = 1
    flags = {"ood": np.arange(612) >= 606}
    table = run("rare_slice", replace(inputs, labels=labels, fine=inputs.fine, flags=flags))
    (row,) = (r for r in table.rows if r["fact"] == "rare but coherent")
    assert (row["class"], row["samples"], row["guarded"], row["offered"]) == ("c2", 12, 12, 6)
    assert list(table.marked) == list(range(600, 612))


def test_copies_are_no_evidence_for_each_other() -> None:
    inputs = blobs([300, 300, 12])
    copies = np.arange(612) > 602
    assert len(run("rare_slice", replace(inputs, flags={"duplicate": copies})).marked) == 0


def test_a_cluster_with_more_wrong_labels_than_the_whole_is_listed_with_its_interval() -> None:
    inputs = blobs([200, 200, 200])
    rng = np.random.default_rng(4)
    noisy = rng.random(600) < np.where(inputs.fine == 1, 0.4, 0.05)
    table = run("rare_slice", replace(inputs, flags={"noisy_label": noisy}))
    (row,) = (r for r in table.rows if r["fact"] == "more noisy labels")
    assert row["cluster"] == 1
    assert row["whole"] < row["low"] < row["share"] < row["high"]
    (rows,) = (e for r, e in zip(table.rows, table.examples, strict=True) if r is row)
    assert noisy[rows].all()


# ── in a workspace ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_workspace_answers_with_sample_ids_and_keeps_the_answer(tiny_ws: Path, monkeypatch) -> None:
    with Workspace.open(tiny_ws) as ws:
        first = ws.dataset_checks()
        ids = set(ws.ids())
        assert [t["name"] for t in first] == sorted(DATASET_CHECKS.names())
        assert {i for t in first for rows in t["examples"] for i in rows} <= ids
        sizes = next(t for t in first if t["name"] == "imbalance")
        assert sum(r["samples"] for r in sizes["rows"]) == ws.info().n_labelled
        monkeypatch.setattr(set_tables, "load_inputs", lambda layout: pytest.fail("computed twice"))
        assert ws.dataset_checks() == first
    kept = tiny_ws / "sets.json"
    data = json.loads(kept.read_text("utf-8"))
    monkeypatch.undo()
    for damage in ("{", json.dumps({**data, "generation": "old", "tables": []})):
        kept.write_text(damage, "utf-8")
        with Workspace.open(tiny_ws) as ws:
            assert ws.dataset_checks() == first


def test_the_scan_makes_the_tables_so_that_a_page_only_reads_them(tiny_ws: Path, monkeypatch) -> None:
    monkeypatch.setattr(set_tables, "load_inputs", lambda layout: pytest.fail("computed while a page waits"))
    with Workspace.open(tiny_ws) as ws:
        assert len(ws.dataset_checks()) == len(DATASET_CHECKS)


def test_a_workspace_that_cannot_be_written_to_still_answers(tiny_ws: Path, monkeypatch) -> None:
    from winnow.core.errors import ReadOnly

    def refuse(path: Path, value: object) -> None:
        raise ReadOnly(f"{path} cannot be written.")

    (tiny_ws / "sets.json").unlink()
    monkeypatch.setattr(set_tables, "save_json", refuse)
    with Workspace.open(tiny_ws) as ws:
        assert len(ws.dataset_checks()) == len(DATASET_CHECKS)
    assert not (tiny_ws / "sets.json").exists()


def test_names_that_look_like_markup_are_printed_as_they_are(tiny_ws: Path, monkeypatch) -> None:
    (tiny_ws / "sets.json").unlink()
    y = np.array([0, 0, 1], np.int32)
    monkeypatch.setattr(set_tables, "load_inputs", lambda layout: CheckInputs(np.ones(3, bool), y, ("[red]", "[/b]")))
    shown = CliRunner().invoke(app, ["sets", str(tiny_ws)])
    assert shown.exit_code == 0
    assert "[red]" in shown.output
    assert "[/b]" in shown.output


def test_the_command_line_shows_the_tables(tiny_ws: Path) -> None:
    shown = CliRunner().invoke(app, ["sets", str(tiny_ws)])
    assert shown.exit_code == 0, shown.output
    assert "Class sizes" in shown.output
    spoken = CliRunner().invoke(app, ["sets", str(tiny_ws), "--json"])
    assert [t["name"] for t in json.loads(spoken.output)] == sorted(DATASET_CHECKS.names())
