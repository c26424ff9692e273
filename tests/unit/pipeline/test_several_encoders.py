"""A scan with several encoders: each is a set of its own, all of them judge, and one alone is as it always was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from winnow.core import Workspace
from winnow.core.errors import WinnowError
from winnow.core.explore.results import encoders_used
from winnow.core.pipeline.config import ScanConfig
from winnow.core.storage.artifacts import load_array, load_json
from winnow.core.storage.layout import Layout
from winnow.core.storage.scan_files import ScanFiles

ROWS, CLASSES = 700, 4
NOISY = 70


def tables(folder: Path, rows: int = ROWS) -> Path:
    """A table of labels, and two files of embeddings.

    The first encoder tells classes 0 and 1 apart and mixes 2 and 3 up, the second the other way round; each lacks
    rows. The first ``NOISY`` labels are wrong.
    """
    random = np.random.default_rng(5)
    true = random.integers(0, CLASSES, ROWS)
    given = np.where(np.arange(ROWS) < NOISY, (true + random.integers(1, CLASSES, ROWS)) % CLASSES, true)
    ids = [f"s{i:04d}" for i in range(ROWS)]
    seen = {"a": np.minimum(true, 2), "b": np.maximum(true, 1)}
    for name, code in seen.items():
        centres = random.normal(size=(CLASSES, 24)) * 0.9
        x = (centres[code] + random.normal(size=(ROWS, 24))).astype(np.float32)
        x[{"a": [600, 601], "b": [601, 602]}[name]] = np.nan
        frame = pd.DataFrame({"id": ids, "embedding": list(x)})
        frame[:rows].to_parquet(folder / f"{name}.parquet")
    labels = pd.DataFrame({"id": ids, "label": [f"c{c}" for c in given], "text": [f"text {i}" for i in range(ROWS)]})
    labels[:rows].drop(columns="text").to_csv(folder / "labels.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables, and three workspaces: by the first encoder, by the second, and by both."""
    home = tables(tmp_path_factory.mktemp("encoders"))
    for name, files in (("one", ["a"]), ("other", ["b"]), ("both", ["a", "b"])):
        given = [home / f"{file}.parquet" for file in files]
        Workspace.scan(home / "labels.csv", home / name, embeddings=given, projection=False).close()
    return home


def average_precision(workspace: Path) -> float:
    from sklearn.metrics import average_precision_score

    with Workspace.open(workspace) as ws:
        return float(average_precision_score(np.arange(ROWS) < NOISY, ws.scores()["noisy_label"].fillna(0)))


def test_two_encoders_find_more_than_either(folder: Path) -> None:
    one, other, both = (average_precision(folder / name) for name in ("one", "other", "both"))
    assert both > max(one, other) + 0.05


def test_the_workspace_says_which_were_used_and_what_each_covers(folder: Path) -> None:
    with Workspace.open(folder / "both") as ws:
        info = ws.info()
        assert [(e.name, e.dim, e.embedded) for e in info.encoders] == [
            ("a.parquet", 24, ROWS - 2),
            ("b.parquet", 24, ROWS - 2),
        ]
        assert any("2 of 700 embeddings of b.parquet" in notice for notice in info.notices)
        assert [e["file"] for e in info.manifest["encoders"]] == ["a.parquet", "b.parquet"]
        assert len(info.manifest["params"]["embeddings"]) == 2
        views = info.results["kinds"]["noisy_label"]["views"]
    assert {"linear", "kernel", "neighbours", "neighbours_1", "neighbours_2"} <= set(views)


def test_what_one_encoder_lacks_the_others_judge(folder: Path) -> None:
    with Workspace.open(folder / "both") as ws:
        scores = ws.scores().set_index("id")
    assert scores.loc["s0601", "verdict"] == "broken", "no encoder has it"
    beliefs = load_array(folder / "both" / "probe" / "probs.npy")
    for row in (600, 602):
        assert scores.loc[f"s{row:04d}", "verdict"] != "broken"
        assert np.isfinite(beliefs[row]).all()
        assert np.ptp(beliefs[row]) > 0.02, "a belief of its own"
    np.testing.assert_allclose(beliefs[601], 1 / CLASSES)
    graph = ScanFiles(Layout(folder / "both")).label_graph
    assert graph is not None
    assert (graph.indices[600] >= 0).all()


def test_a_second_encoder_takes_the_first_over_and_leaves_it_as_it_was(folder: Path, tmp_path: Path) -> None:
    def scan(*files: str) -> tuple[pd.DataFrame, list[str]]:
        given = [folder / f"{file}.parquet" for file in files]
        with Workspace.scan(folder / "labels.csv", tmp_path / "ws", embeddings=given, projection=False) as ws:
            return ws.scores(), ws.info().manifest["reused"]

    alone, _ = scan("a")
    with Workspace.open(folder / "one") as ws:
        pd.testing.assert_frame_equal(alone, ws.scores())
    both, reused = scan("a", "b")
    assert {"embed", "graphs"} <= set(reused)
    with Workspace.open(folder / "both") as ws:
        pd.testing.assert_frame_equal(both, ws.scores())
    again, reused = scan("a")
    assert {"embed", "graphs"} <= set(reused)
    pd.testing.assert_frame_equal(alone, again)
    graph = ScanFiles(Layout(tmp_path / "ws")).label_graph
    assert graph is not None
    np.testing.assert_array_equal(graph.indices, load_array(tmp_path / "ws" / "neighbors" / "label_indices.npy"))


def test_growth_reaches_every_encoder(folder: Path, tmp_path: Path) -> None:
    few = tables(tmp_path, rows=690)
    given = [few / "a.parquet", few / "b.parquet"]
    Workspace.scan(few / "labels.csv", tmp_path / "ws", embeddings=given, projection=False).close()
    tables(tmp_path)
    with Workspace.scan(few / "labels.csv", tmp_path / "ws", embeddings=given, projection=False) as ws:
        assert ws.info().n == ROWS
        assert any(notice.startswith("10 new, 0 changed, 0 removed") for notice in ws.info().notices)
    for number in (0, 1):
        graphs = load_json(Layout(tmp_path / "ws").encoder(number).neighbors / "graphs.json")
        assert "extended" in graphs["label"]["method"], "the graph was not built anew"
    assert load_array(tmp_path / "ws" / "encoders" / "2" / "embeddings" / "vectors.npy").shape == (ROWS, 24)


def test_an_encoder_and_a_file_judge_together(tmp_path: Path) -> None:
    home = tables(tmp_path)
    frame = pd.read_csv(home / "labels.csv")
    frame["text"] = [f"{label} number {i % 37} of the kind" for i, label in enumerate(frame["label"])]
    frame.to_csv(home / "texts.csv", index=False)
    options = {"encoders": ["tfidf"], "embeddings": [home / "b.parquet"], "projection": False}
    with Workspace.scan(home / "texts.csv", home / "ws", **options) as ws:
        assert [e.name for e in ws.info().encoders] == ["tfidf", "b.parquet"]
        assert ws.info().encoder == "tfidf"
        assert ws.searcher.knows_words, "the first encoder answers searches"


def test_the_configuration_of_an_earlier_release_is_read() -> None:
    old = {"source": "/d", "columns": {}, "encoder": "patches", "embeddings": None, "probabilities": []}
    assert ScanConfig.from_json(old).encoders == ("patches",)
    assert ScanConfig.from_json({**old, "encoder": None, "embeddings": "/e.npy"}).embeddings == ("/e.npy",)
    new = ScanConfig.of("/d", encoder="patches", encoders=["tfidf"], embeddings="/e.npy")
    assert (new.encoders, new.embeddings) == (("tfidf", "patches"), ("/e.npy",))
    assert ScanConfig.from_json(new.to_json()) == new
    with pytest.raises(WinnowError, match=r"--encoder names 'patches' twice"):
        ScanConfig.of("/d", encoders=["patches", "patches"])


def test_results_of_an_earlier_release_name_their_encoder() -> None:
    used = encoders_used({"n": 9, "encoder": {"name": "patches", "dim": 256}})
    assert [(e.name, e.dim, e.embedded) for e in used] == [("patches", 256, 9)]
