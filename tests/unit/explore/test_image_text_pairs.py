"""Image–text pairs on a two-tower checkpoint with known geometry: scores are exact, planted caption swaps are found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from tests.helpers import towers
from winnow.core.cli import app
from winnow.core.detection.signals import SIGNALS
from winnow.core.detection.signals._match import BETA, GAMMA, K, lemon, mismatch_probability
from winnow.core.types import ColumnMap, Modality, Neighbors, SignalInputs
from winnow.core.workspace import Workspace


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, set[str]]:
    towers.install()
    folder = tmp_path_factory.mktemp("pairs")
    table, swapped = towers.make_pairs(folder / "data")
    encoder = towers.save_checkpoint(folder / "one.safetensors")
    second = towers.save_checkpoint(folder / "two.safetensors", seed=5, jitter=0.9)
    columns = ColumnMap(image="image", text="caption", source="origin")
    ws = Workspace.scan(
        table, folder / "ws", encoder=encoder, second_encoder=second, columns=columns, projection=False, network=False
    )
    return ws, swapped


def auroc(ws: Workspace, signal: str, swapped: set[str]) -> float:
    ids = ws.ids(sort=f"-{signal}")
    return float(roc_auc_score([i in swapped for i in ids], np.arange(len(ids))[::-1]))


@pytest.mark.parametrize("signal", ["match_cosine", "match_neighbors", "match_consensus"])
def test_planted_caption_swaps_are_found(found: tuple[Workspace, set[str]], signal: str) -> None:
    ws, swapped = found
    assert ws.info().modality == "pair"
    assert not {k: v for k, v in ws.info().failures.items() if "caption" in k or "match" in k}
    assert auroc(ws, signal, swapped) >= 0.95


def test_swaps_are_flagged_and_said_in_words(found: tuple[Workspace, set[str]]) -> None:
    ws, swapped = found
    table = ws.image_text_pairs.table().set_index("id")
    flagged = set(table.index[table["state"] == "mismatched"])
    assert len(flagged & swapped) >= 0.9 * len(swapped)
    assert len(flagged - swapped) <= 0.1 * len(swapped)
    assert set(table["state"]) <= {"matched", "uncertain", "mismatched", ""}
    np.testing.assert_allclose(table["weight"], 1 - table["mismatch"], atol=1e-6)
    one = sorted(flagged & swapped)[0]
    card = ws.cards([one])[0]
    assert card["verdict"] == "noisy_label"
    assert "caption fits its image badly" in card["reason"]
    assert ws.counts().by_verdict["noisy_label"] >= 0.9 * len(swapped)


def test_a_better_caption_is_proposed_from_neighbours(found: tuple[Workspace, set[str]]) -> None:
    ws, swapped = found
    right = 0
    for sample in sorted(swapped)[:20]:
        best = ws.image_text_pairs.proposals(sample)[0]
        right += towers.WORDS[int(sample[1:]) % len(towers.WORDS)] in best.caption
        assert best.match > ws.image_text_pairs.table().set_index("id").loc[sample, "match"]
    assert right >= 18


def test_weights_and_quality_are_written_by_the_command_line(found: tuple[Workspace, set[str]], tmp_path: Path) -> None:
    ws, swapped = found

    def run(*args: str | Path) -> Any:
        return CliRunner().invoke(app, ["pairs", str(ws.path), "--out", *map(str, args)])

    said = json.loads(run(tmp_path / "w.csv", "--json").stdout)
    assert said["sources"][0]["source"] == "web"
    assert sum(said["states"].values()) == 400
    weights = pd.read_csv(tmp_path / "w.csv").set_index("id")["weight"]
    assert weights[sorted(swapped)].median() < 0.1 < 0.9 < weights.drop(sorted(swapped)).median()
    assert "do not fit" in run(tmp_path / "w.parquet").stdout
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "w.parquet"), ws.image_text_pairs.table(), check_dtype=False
    )
    assert "neither .csv nor .parquet" in str(run(tmp_path / "w.txt").exception)


def test_captions_suggest_classes_where_there_are_none(found: tuple[Workspace, set[str]]) -> None:
    ws, _ = found
    assert ws.zero_shot.knows_words
    assert "fewer than two" in ws.zero_shot.why_not()
    assert {word for word, _, _ in ws.zero_shot.candidates(ws.image_text_pairs.texts)[:20]} == set(towers.WORDS)


def test_sources_are_told_apart_by_quality(found: tuple[Workspace, set[str]]) -> None:
    ws, _ = found
    (table,) = [t for t in ws.dataset_checks() if t["name"] == "pair_quality"]
    rows = {r["source"]: r for r in table["rows"]}
    assert rows["web"]["mismatched"] > 0.2
    assert rows["book"]["mismatched"] <= 0.02
    assert table["rows"][0]["source"] == "web", "the worst first"
    assert table["examples"][0]


def test_an_encoder_without_words_says_that_captions_are_not_compared(tmp_path: Path) -> None:
    table, _ = towers.make_pairs(tmp_path / "data", n=40, swaps=4)
    columns = ColumnMap(image="image", text="caption")
    with Workspace.scan(table, tmp_path / "ws", encoder="patches", columns=columns, projection=False) as ws:
        assert any("no text tower" in n for n in ws.info().notices)
        assert "CLIP encoder" in ws.zero_shot.why_not()
        assert ws.image_text_pairs.offered(ws.ids()[0]) == []
        assert not {s.name: s for s in ws.signals()}["match_cosine"].ran


# ── exact ───────────────────────────────────────────────────────────────────────────────────────────────────────


def pairs_of(n: int = 12) -> SignalInputs:
    """Images on n axes, each with its own caption, but the first two, which are exchanged."""
    e = np.eye(n, dtype=np.float32)
    captions = e.copy()
    captions[[0, 1]] = e[[1, 0]]
    index = np.array([[(i + j) % n for j in range(1, 7)] for i in range(n)], np.int32)
    graph = Neighbors(index, np.ones((n, 6), np.float32))
    return SignalInputs(
        n,
        np.ones(n, bool),
        np.full(n, -1, np.int32),
        (),
        Modality.PAIR,
        vectors=e,
        neighbors=graph,
        text_vectors=captions,
        text_neighbors=graph,
    )


def test_the_cosine_score_is_exact() -> None:
    score = SIGNALS.get("match_cosine")(pairs_of()).score
    np.testing.assert_allclose(score, [0.5, 0.5] + [0.0] * 10, atol=1e-6)


def test_lemon_is_the_formula_written_out() -> None:
    inputs = pairs_of()
    x, t = inputs.vectors, inputs.text_vectors
    assert x is not None
    assert t is not None
    assert inputs.neighbors is not None
    for i in range(inputs.n):
        near = inputs.neighbors.indices[i, :K]
        own = 1 - (x * t).sum(1)
        s_n = np.mean([(1 - t[i] @ t[j]) * np.exp(-0.1 * 1.0) * np.exp(-5 * own[j]) for j in near])
        s_m = np.mean([(1 - x[i] @ x[j]) * np.exp(-0.1 * 1.0) * np.exp(-5 * own[j]) for j in near])
        row = np.array([i])
        assert lemon(inputs, row, row)[0] == pytest.approx(own[i] + BETA * s_n + GAMMA * s_m, abs=1e-5)


def test_the_mismatch_probability_is_calibrated() -> None:
    random = np.random.default_rng(0)
    null = random.normal(1.0, 0.1, 5000).astype(np.float32)
    wrong = random.random(20_000) < 0.15
    values = np.where(wrong, random.normal(1.0, 0.1, 20_000), random.normal(0.6, 0.12, 20_000)).astype(np.float32)
    p, rate = mismatch_probability(values, null)
    assert rate == pytest.approx(0.15, abs=0.02)
    for low, high in ((0.2, 0.5), (0.5, 0.8), (0.8, 1.01)):
        inside = (p >= low) & (p < high)
        assert wrong[inside].mean() == pytest.approx(p[inside].mean(), abs=0.12)
    clean, none = mismatch_probability(random.normal(0.3, 0.1, 5000).astype(np.float32), null)
    assert none < 0.01
    assert (clean > 0.5).mean() < 0.005, "where every pair fits, nothing is flagged"
