"""Noisy, hard and naive evidence on generated worlds of many sizes, noise rates and imbalances."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from tests.helpers.factories import signal_inputs, world
from winnow.core.detection.evidence._consensus import with_consensus
from winnow.core.detection.evidence.hard import hard
from winnow.core.detection.evidence.naive import naive
from winnow.core.detection.evidence.noisy_label import noisy_label
from winnow.core.detection.probe import ProbeConfig
from winnow.core.detection.signals import SIGNALS

QUICK = ProbeConfig(epochs=10, kernel_anchors=400)


def evidence(planted, probe=QUICK):
    """Evidence for noisy label, hard and naive, all of it finite and in range."""
    inputs = signal_inputs(planted, probe=probe)
    results = {
        s.name: s(inputs)
        for s in SIGNALS
        if s.name.startswith(("label_", "hard_", "naive_")) and all(inputs.has(need) for need in s.requires)
    }
    for name, result in results.items():
        score = result.score[np.isfinite(result.score)]
        assert ((score >= 0) & (score <= 1)).all(), name
    agreed, _ = with_consensus(inputs)
    out = [kind(agreed, results) for kind in (noisy_label, hard, naive)]
    for kind in out:
        assert np.isfinite(kind.probability).all()
        assert ((kind.probability >= 0) & (kind.probability <= 1)).all()
        assert kind.flag.dtype == bool
    return out


every_size = pytest.mark.parametrize(("n", "classes"), [(50, 2), (50, 10), (500, 100), (1500, 10)])
every_imbalance = pytest.mark.parametrize("imbalance", [1.0, 100.0])


@every_size
@every_imbalance
def test_clean_labels_are_left_alone(n, classes, imbalance):
    noisy, _, _ = evidence(world(n, classes, noise=0, imbalance=imbalance, dim=32, seed=11))
    assert noisy.flag.mean() <= (0.01 if n >= 1000 else 0.1)


@every_size
@pytest.mark.parametrize("noise", [0.05, 0.2, 0.4])
@every_imbalance
def test_wrong_labels_rank_first_and_are_flagged_where_there_are_enough_samples(n, classes, noise, imbalance):
    planted = world(n, classes, noise=noise, imbalance=imbalance, dim=32, seed=11)
    noisy, _, _ = evidence(planted)
    # 50 samples of which 20 are mislabelled leave little to learn from
    assert roc_auc_score(planted.noisy, noisy.probability) > (0.95 if n >= 500 or noise < 0.4 else 0.6)
    if n >= 500:
        assert average_precision_score(planted.noisy, noisy.probability) > 0.9
        # so do five samples a class with two of them mislabelled
        assert planted.noisy[noisy.flag].mean() > (0.8 if n < 10 * classes else 0.9)
        assert noisy.flag[planted.noisy].mean() > 0.8


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_a_clean_dataset_with_little_bayes_error_raises_at_most_one_alarm_in_a_hundred(classes):
    planted = world(1000, classes, noise=0, dim=64, seed=classes)
    noisy, _, _ = evidence(planted)
    assert noisy.flag.mean() <= 0.01


@pytest.mark.slow
def test_a_thousand_classes_with_five_samples_each():
    planted = world(5000, 1000, noise=0, dim=64, seed=0)
    noisy, _, _ = evidence(planted, ProbeConfig(epochs=6, kernel_anchors=400))
    assert noisy.flag.mean() <= 0.01


def test_confusable_noise_in_overlapping_classes_is_told_from_difficulty():
    planted = world(1500, 6, noise=0.15, confusable=True, separation=3.2, dim=24, seed=8)
    noisy, difficult, _ = evidence(planted)
    clean = planted.kind == "clean"
    assert average_precision_score(planted.noisy, noisy.probability) > 0.7
    lean = clean & (planted.ease < np.quantile(planted.ease[clean], 0.1))
    both = planted.noisy | lean
    assert roc_auc_score(planted.noisy[both], noisy.probability[both]) > 0.75
    assert noisy.flag[lean].mean() < 0.35
    assert difficult.probability[lean].mean() > difficult.probability[clean & ~lean].mean() + 0.2


def test_a_rare_slice_with_right_labels_is_not_offered_for_removal():
    """Thirty samples of class 0 live near class 1: their own neighbours vouch for them."""
    planted = world(1200, 4, noise=0.05, separation=6, dim=24, seed=9)
    rng = np.random.default_rng(0)
    vectors = planted.vectors.copy()
    slice_rows = np.flatnonzero((planted.true == 0) & ~planted.noisy)[:30]
    centre = planted.vectors[planted.true == 1].mean(0)
    place = centre + 0.8 * np.linalg.norm(centre) * rng.standard_normal(24) / np.sqrt(24)
    vectors[slice_rows] = place + 0.05 * rng.standard_normal((30, 24))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    from dataclasses import replace

    noisy, _, _ = evidence(replace(planted, vectors=vectors.astype(np.float32)))
    assert noisy.flag[slice_rows].mean() <= 0.1
    assert noisy.flag[planted.noisy].mean() > 0.8


def test_a_world_records_what_it_planted():
    planted = world(400, 5, noise=0.1, imbalance=10, outliers=20, copies=10, unreadable=3, seed=1)
    assert planted.noisy.sum() == 40
    assert (planted.labels[planted.noisy] != planted.true[planted.noisy]).all()
    assert (planted.kind == "ood").sum() == 20
    copies = np.flatnonzero(planted.twin >= 0)
    assert len(copies) == 10
    assert (~planted.ok).sum() == 3
    pair = [c for c in copies if planted.ok[c] and planted.ok[planted.twin[c]]]
    assert (np.einsum("ij,ij->i", planted.vectors[pair], planted.vectors[planted.twin[pair]]) > 0.999).all()
    sizes = np.bincount(world(400, 5, noise=0, imbalance=10).labels)
    assert sizes[0] / sizes[-1] == pytest.approx(10, rel=0.3)
