"""What decisions teach the next scan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from winnow.core import Workspace
from winnow.core.data.sources import open_source
from winnow.core.pipeline.feedback import DecisionFeedback, decision_feedback
from winnow.core.storage.decision_log.store import DecisionRequest, DecisionStore
from winnow.core.types import Action, ColumnMap, Dataset


@pytest.fixture(scope="module")
def dataset(tiny_data: Path) -> Dataset:
    return open_source(str(tiny_data / "samples.parquet"), ColumnMap())


def learned(dataset: Dataset, tmp_path: Path, *said: tuple[str, str, str | None, str]) -> DecisionFeedback:
    """The lessons of a log with these decisions: sample, action, label, verdict that was answered."""
    log = tmp_path / "decisions.db"
    with DecisionStore(log) as store:
        for i, (sample, action, label, verdict) in enumerate(said):
            store.append(
                [
                    DecisionRequest(
                        sample_id=sample,
                        action=Action(action),
                        label=label,
                        actor=f"p{i}",
                        evidence={"verdict": verdict},
                    )
                ]
            )
    return decision_feedback(log, dataset, True)


def test_corrections_outliers_and_members_are_told_apart(dataset: Dataset, tmp_path: Path) -> None:
    row = {s: i for i, s in enumerate(dataset.sample_ids)}
    new = next(c for c in dataset.class_names if c != dataset.class_names[dataset.labels[row["s003"]]])
    found = learned(
        dataset,
        tmp_path,
        ("s003", "relabel", new, "noisy_label"),
        ("s004", "accept", None, "noisy_label"),
        ("s005", "exclude", None, "ood"),
        ("s006", "exclude", None, "duplicate"),
        ("s007", "relabel", "a new class", "ood"),
        ("gone", "exclude", None, "ood"),
    )
    assert dataset.class_names[found.labels[row["s003"]]] == new
    assert found.labels[row["s004"]] == dataset.labels[row["s004"]]
    assert found.labels[row["s005"]] == -1
    assert found.outliers.tolist() == [row["s005"]]
    assert found.labels[row["s006"]] == dataset.labels[row["s006"]], "a copy's label is not wrong"
    assert found.class_names == (*dataset.class_names, "a new class")
    assert found.class_names[found.labels[row["s007"]]] == "a new class"
    assert found.members.tolist() == sorted(row[s] for s in ("s003", "s004", "s007"))
    assert "2 corrected labels, 1 confirmed outlier, 3 confirmed inliers" in found.notice
    untouched = np.setdiff1d(np.arange(dataset.n), [row[s] for s in ("s003", "s005", "s007")])
    np.testing.assert_array_equal(found.labels[untouched], dataset.labels[untouched])


def test_what_people_disagree_about_teaches_nothing(dataset: Dataset, tmp_path: Path) -> None:
    found = learned(dataset, tmp_path, ("s005", "exclude", None, "ood"), ("s005", "accept", None, "ood"))
    assert not len(found.outliers)
    assert not len(found.members)
    assert found.notice == ""


def test_merged_classes_are_one_and_a_deleted_class_has_no_samples(dataset: Dataset, tmp_path: Path) -> None:
    first, second, third, fourth = dataset.class_names
    log = tmp_path / "decisions.db"
    with DecisionStore(log) as store:
        given = dataset.class_names
        store.change_class("merge", second, "ann", target=first, given=given)
        store.change_class("rename", third, "ann", target="other", given=given)
        store.change_class("delete", fourth, "ann", given=given)
    found = decision_feedback(log, dataset, True).labels
    np.testing.assert_array_equal(found[np.isin(dataset.labels, [0, 1])], 0)
    assert (found[dataset.labels == 2] == 2).all()
    assert (found[dataset.labels == 3] == -1).all()
    assert (found[dataset.labels == -1] == -1).all()


def test_nothing_is_learned_unasked(dataset: Dataset, tmp_path: Path) -> None:
    learned(dataset, tmp_path, ("s005", "exclude", None, "ood"))
    found = decision_feedback(tmp_path / "decisions.db", dataset, False)
    assert found.labels is dataset.labels
    assert not len(found.outliers)
    assert decision_feedback(tmp_path / "none.db", dataset, True).notice == ""


def test_a_scan_learns_from_the_decisions_when_asked(tiny_data: Path, tiny_ws: Path) -> None:
    truth = pd.read_parquet(tiny_data / "truth.parquet").set_index("id")["true_label"]
    options = {"embeddings": tiny_data / "embeddings.parquet"}
    with Workspace.open(tiny_ws, actor="ann") as ws:
        before = ws.scores().set_index("id")
        wrong = before.index[before["noisy_label_flag"] & before.index.isin(truth.index)]
        for sample in wrong:
            ws.decide(sample, "relabel", label=truth[sample])
    with Workspace.scan(tiny_data / "samples.parquet", tiny_ws, learn=True, **options) as ws:  # type: ignore[arg-type]
        after = ws.scores().set_index("id")
        assert (after.loc[wrong, "noisy_label"] < before.loc[wrong, "noisy_label"]).mean() > 0.9
        assert any(n.startswith("Learned from decisions") for n in ws.info().notices)
        assert len(ws.current()) == len(wrong), "decisions are kept"
    with Workspace.scan(tiny_data / "samples.parquet", tiny_ws, **options) as ws:  # type: ignore[arg-type]
        np.testing.assert_allclose(
            ws.scores().set_index("id").loc[wrong, "noisy_label"], before.loc[wrong, "noisy_label"]
        )
