"""More classes than models of the labels can be trained for: said, bounded in memory, and wrong labels still found."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from winnow.core.detection.arithmetic import own_and_rest, vote_contest, votes
from winnow.core.detection.dataset_checks import DATASET_CHECKS
from winnow.core.detection.dataset_checks.base import CheckInputs
from winnow.core.detection.probe import models_left_out
from winnow.core.detection.signals import SIGNALS
from winnow.core.detection.verdicts import decide
from winnow.core.features.neighbors import build
from winnow.core.types import Kind, SignalInputs

CLASSES, EACH = 1500, 3


@pytest.fixture(scope="module")
def inputs() -> SignalInputs:
    """Well-separated classes of three, one label in twenty wrong; row 0 has no label, the last row is not readable."""
    rng = np.random.default_rng(0)
    true = np.repeat(np.arange(CLASSES), EACH)
    x = rng.normal(size=(CLASSES, 64))[true] + 0.4 * rng.normal(size=(len(true), 64))
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    wrong = rng.random(len(true)) < 0.05
    labels = np.where(wrong, rng.integers(0, CLASSES, len(true)), true).astype(np.int32)
    labels[0] = -1
    ok = np.ones(len(true), bool)
    ok[-1] = False
    names = tuple(f"class {i}" for i in range(CLASSES))
    graph = build(x, ok, 50)
    return SignalInputs(
        n=len(true), ok=ok, labels=labels, class_names=names, vectors=x, whitened=x, neighbors=graph,
        label_neighbors=graph, config={"true": true, "errors": np.full(len(true), "", object)},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("n", "classes", "left_out"),
    [
        (20_000, 10_000, "fewer than 10 samples per class"),
        (25_000, 5_000, "fewer than 10 samples per class"),
        (6_000, 2_000, "fewer than 10 samples per class"),
        (500_000, 10_000, "more than 100,000,000 beliefs"),
        (1_000_000, 100, ""),
        (2_000, 1_000, ""),
        (20_000, 2_000, ""),
    ],
)
def test_what_is_left_out_is_said_with_its_numbers(n: int, classes: int, left_out: str) -> None:
    notice = models_left_out(n, classes)
    assert (left_out in notice and f"{n:,} samples in {classes:,} classes" in notice) if left_out else notice == ""


@pytest.mark.parametrize("k", [2, 7, 50])
def test_the_contest_of_votes_is_that_of_the_whole_table(inputs: SignalInputs, k: int) -> None:
    graph = inputs.label_neighbors
    assert graph is not None
    own, rest, other = vote_contest(graph, inputs.labels, inputs.ok, CLASSES, k)
    table = votes(graph, inputs.labels, inputs.ok, CLASSES, k)
    expected = own_and_rest(table, inputs.labels)
    labelled = inputs.labels >= 0
    np.testing.assert_allclose(own[labelled], expected[0][labelled], rtol=1e-4)
    np.testing.assert_allclose(rest[labelled], expected[1][labelled], rtol=1e-4)
    assert np.mean(other[labelled] == expected[2][labelled]) > 0.999  # equal shares may differ in the last digit
    assert other[0] == table[0].argmax()


def test_wrong_labels_are_found_by_neighbours_alone_and_named(inputs: SignalInputs) -> None:
    results = {s.name: s(inputs) for s in SIGNALS if all(map(inputs.has, s.requires))}
    verdicts = decide(inputs, results)
    true = inputs.config["true"]
    wrong = inputs.labelled & (inputs.labels != true)
    noise = verdicts.evidence[Kind.NOISY_LABEL]
    assert noise.flag[wrong].mean() > 0.85
    assert wrong[noise.flag].mean() > 0.9
    assert (verdicts.suggested[wrong & noise.flag, 0] == true[wrong & noise.flag]).mean() > 0.9
    row = int(np.flatnonzero(noise.flag)[0])
    assert f"*class {verdicts.suggested[row, 0]}*" in noise.reasons[row]
    assert not noise.flag[~inputs.labelled].any()
    alone = inputs.labelled & (np.bincount(inputs.labels[inputs.labelled], minlength=CLASSES)[inputs.labels] == 1)
    assert not noise.probability[alone].any()


def test_labels_that_the_features_do_not_know_are_not_all_called_wrong(inputs: SignalInputs) -> None:
    from dataclasses import replace

    shuffled = replace(inputs, labels=np.random.default_rng(1).permutation(inputs.labels))
    verdicts = decide(shuffled, {})
    assert verdicts.evidence[Kind.NOISY_LABEL].flag.mean() < 0.05


def test_no_table_of_samples_by_classes_is_built(inputs: SignalInputs) -> None:
    table = inputs.n * CLASSES * 4
    tracemalloc.start()
    for name in ("label_knn", "ood_incoherence", "ood_mahalanobis", "ood_prototypes"):
        SIGNALS.get(name)(inputs)
        assert tracemalloc.get_traced_memory()[1] < table, name
        tracemalloc.reset_peak()
    check = DATASET_CHECKS.get("class_overlap")
    said = check(CheckInputs(inputs.ok, inputs.labels, inputs.class_names, neighbors=inputs.label_neighbors))
    assert tracemalloc.get_traced_memory()[1] < CLASSES * CLASSES * 8
    tracemalloc.stop()
    assert said.columns


def test_neighbourhoods_are_as_mixed_as_with_the_whole_table(inputs: SignalInputs) -> None:
    from winnow.core.detection.signals.ood_incoherence import _mixing, _mixing_of_many

    assert inputs.label_neighbors is not None
    near = inputs.label_neighbors.indices[:300]
    labels = np.where(near >= 0, inputs.labels[np.maximum(near, 0)], -1)
    labels[5] = -1
    np.testing.assert_allclose(_mixing_of_many(labels, CLASSES), _mixing(labels, CLASSES), rtol=1e-5)


def test_the_lengths_of_all_texts_are_summed_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from winnow.core.detection.signals import text_class_length

    fences: list[int] = []
    fence = text_class_length.tukey_fence
    monkeypatch.setattr(text_class_length, "tukey_fence", lambda x, least: (fences.append(len(x)), fence(x, least))[1])
    n = 2 * CLASSES
    labels = (np.arange(n) % CLASSES).astype(np.int32)
    labels[: n // 2 : CLASSES // 20] = 0
    texts = np.array(["x" * (5 + i % 3) for i in range(n)], object)
    texts[1] = "x" * 900
    ok, names = np.ones(n, bool), tuple(map(str, range(CLASSES)))
    found = SIGNALS.get("text_class_length")(SignalInputs(n, ok, labels, names, texts=texts))
    assert fences == [n, np.count_nonzero(labels == 0)]
    assert found.score[1] > 0.5
    assert found.reasons is not None
    assert "half of all texts have under 6" in found.reasons[1]
