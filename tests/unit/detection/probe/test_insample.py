"""In-sample probabilities are recognised, out-of-sample ones are not accused."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_predict

from tests.helpers.factories import signal_inputs, world
from winnow.core import Workspace
from winnow.core.detection.probe.insample import in_sample_notice, memorised_share


def test_a_model_that_memorised_the_labels_is_recognised() -> None:
    planted = world(n=1500, classes=5, noise=0.1, separation=5, seed=3)
    own = signal_inputs(planted).beliefs
    assert own is not None
    forest = RandomForestClassifier(50, random_state=0)
    by_heart = forest.fit(planted.vectors, planted.labels).predict_proba(planted.vectors).astype(np.float32)
    honest = cross_val_predict(forest, planted.vectors, planted.labels, cv=3, method="predict_proba").astype(np.float32)
    bad, good = (memorised_share(p, own.probs, planted.labels, planted.ok) for p in (by_heart, honest))
    assert bad is not None
    assert good is not None
    assert bad > 0.9
    assert good < 0.1
    assert "out-of-fold" in in_sample_notice("model", bad)
    assert in_sample_notice("model", good) == ""


def test_without_wrong_labels_there_is_no_share() -> None:
    p = np.eye(3, dtype=np.float32)[np.arange(60) % 3]
    assert memorised_share(p, p, (np.arange(60) % 3).astype(np.int32), np.ones(60, bool)) is None
    assert in_sample_notice("model", None) == ""


def test_the_scan_warns_of_in_sample_probabilities(tmp_path) -> None:
    planted = world(n=800, classes=4, noise=0.1, separation=6, seed=4)
    ids = [f"r{i}" for i in range(planted.n)]
    pd.DataFrame(
        {"id": ids, "label": [f"c{c}" for c in planted.labels], "embedding": list(planted.vectors)}
    ).to_parquet(tmp_path / "data.parquet")
    by_heart = np.eye(4)[planted.labels] * 0.9 + 0.025
    pd.DataFrame({"id": ids} | {f"c{c}": by_heart[:, c] for c in range(4)}).to_parquet(tmp_path / "probs.parquet")
    with Workspace.scan(
        tmp_path / "data.parquet", tmp_path / "ws", probabilities=tmp_path / "probs.parquet", projection=False
    ) as ws:
        assert any("trained on these very samples" in notice for notice in ws.info().notices)
