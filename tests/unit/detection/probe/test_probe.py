"""The probe run: out of sample, calibrated, deterministic, and safe on odd data."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.factories import half_whiten, world
from winnow.core.detection.probe import ProbeConfig, run_probe
from winnow.core.detection.probe.folds import stratified_folds
from winnow.core.detection.probe.kernel import leave_one_out
from winnow.core.detection.probe.pool import best_temperature, log_likelihood, pool
from winnow.core.parallel import single_threaded_pool
from winnow.core.types import quiet

QUICK = ProbeConfig(epochs=8, kernel_anchors=200)


@pytest.fixture(scope="module")
def planted():
    return world(300, 4, noise=0.15, separation=4, dim=16, unreadable=5, seed=3)


@pytest.fixture(scope="module")
def beliefs(planted):
    return run_probe(half_whiten(planted.vectors, planted.ok), planted.labels, planted.ok, planted.classes, QUICK)


def test_probabilities_are_rows_of_one_and_uniform_where_unreadable(planted, beliefs):
    for p in (beliefs.probs, beliefs.targets, *beliefs.extra_probs.values()):
        assert p.shape == (300, 4)
        assert p.dtype == np.float32
        np.testing.assert_allclose(p.sum(1), 1, atol=1e-4)
        np.testing.assert_allclose(p[~planted.ok], 0.25, atol=1e-6)
    assert set(beliefs.extra_probs) == {"linear", "kernel", "gce", "sce"}
    assert beliefs.temperature > 0


def test_dynamics_are_recorded_for_labelled_readable_rows_only(planted, beliefs):
    assert {"el2n", "aum", "forgetting", "mean_true", "spread_true", "correctness", "loss_history"} <= set(
        beliefs.dynamics
    )
    for name, value in beliefs.dynamics.items():
        assert value.shape == (300,), name
        assert np.isnan(value[~planted.ok]).all(), name
        assert np.isfinite(value[planted.ok]).all(), name


def test_wrong_labels_are_believed_less_than_right_ones(planted, beliefs):
    rows = np.flatnonzero(planted.ok)
    own = beliefs.probs[rows, planted.labels[rows]]
    noisy = planted.noisy[rows]
    assert own[noisy].mean() < 0.2 < 0.6 < own[~noisy].mean()
    assert beliefs.dynamics["el2n"][rows][noisy].mean() > beliefs.dynamics["el2n"][rows][~noisy].mean()
    assert beliefs.dynamics["aum"][rows][noisy].mean() < beliefs.dynamics["aum"][rows][~noisy].mean()


def test_beliefs_are_out_of_sample():
    """Random labels cannot be predicted: a model that saw them would believe them."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 64)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    labels = rng.integers(0, 2, 200).astype(np.int32)
    out = run_probe(x, labels, np.ones(200, bool), 2, QUICK)
    for name in ("linear", "kernel"):
        own = out.extra_probs[name][np.arange(200), labels]
        assert own.mean() < 0.56, name
    assert (out.dynamics["memorisation"] > 0).mean() > 0.8  # seen labels are believed more than unseen ones


def test_the_same_seed_gives_the_same_numbers(planted, beliefs):
    again = run_probe(half_whiten(planted.vectors, planted.ok), planted.labels, planted.ok, planted.classes, QUICK)
    np.testing.assert_array_equal(beliefs.probs, again.probs)
    for name, value in beliefs.dynamics.items():
        np.testing.assert_array_equal(value, again.dynamics[name])


def test_unlabelled_rows_are_predicted_but_not_trained_on(planted):
    labels = planted.labels.copy()
    hidden = np.flatnonzero(planted.ok & ~planted.noisy)[:60]
    labels[hidden] = -1
    out = run_probe(half_whiten(planted.vectors, planted.ok), labels, planted.ok, planted.classes, QUICK)
    assert (out.probs[hidden].argmax(1) == planted.true[hidden]).mean() > 0.8
    assert np.isnan(out.dynamics["el2n"][hidden]).all()


def test_one_class_or_too_few_labels_give_the_label_frequency():
    x = np.eye(3, dtype=np.float32)
    out = run_probe(x, np.zeros(3, np.int32), np.ones(3, bool), 2, QUICK)
    assert out.source == "prior"
    np.testing.assert_allclose(out.probs[:, 0], 1, atol=1e-3)
    empty = run_probe(x, np.full(3, -1, np.int32), np.ones(3, bool), 2, QUICK)
    np.testing.assert_allclose(empty.probs, 0.5)


def test_identical_rows_and_singleton_classes_do_not_break_it():
    x = np.tile(np.float32([[1, 0, 0]]), (12, 1))
    labels = np.array([0] * 6 + [1] * 5 + [2], np.int32)
    out = run_probe(x, labels, np.ones(12, bool), 3, QUICK, views={"same": x})
    assert np.isfinite(out.probs).all()
    assert {"same", "joint_same"} <= set(out.extra_probs)


def test_a_second_view_helps_where_the_first_is_blind():
    planted = world(400, 4, noise=0, separation=5, dim=16, seed=1)
    rng = np.random.default_rng(0)
    blind = rng.standard_normal((400, 8)).astype(np.float32)
    blind /= np.linalg.norm(blind, axis=1, keepdims=True)
    alone = run_probe(blind, planted.labels, planted.ok, 4, QUICK)
    both = run_probe(blind, planted.labels, planted.ok, 4, QUICK, views={"seeing": planted.vectors})
    assert (alone.probs.argmax(1) == planted.true).mean() < 0.4
    assert (both.probs.argmax(1) == planted.true).mean() > 0.9


def test_folds_are_stratified_and_copies_stay_together():
    labels = np.repeat(np.arange(5), 20).astype(np.int32)
    groups = np.full(100, -1)
    groups[[0, 50, 99]] = 7
    fold = stratified_folds(labels, np.ones(100, bool), 5, seed=0)
    assert (np.array([[(fold[labels == k] == f).sum() for f in range(5)] for k in range(5)]) == 4).all()
    grouped = stratified_folds(labels, np.ones(100, bool), 5, seed=0, groups=groups)
    assert len(set(grouped[[0, 50, 99]])) == 1
    usable = np.arange(100) % 2 == 0
    assert (stratified_folds(labels, usable, 5, seed=0)[~usable] == -1).all()


def test_leave_one_out_equals_refitting_without_the_row():
    """The PRESS identity, checked against one honest refit."""
    from winnow.core.detection.probe import kernel

    rng = np.random.default_rng(2)
    x = rng.standard_normal((60, 5)).astype(np.float32)
    labels = (x[:, 0] > 0).astype(np.int32)
    out = leave_one_out(x, labels, np.ones(60, bool), 2, 60, 0, quiet)
    ridge, gamma = out.info["ridge"], out.info["gamma"]
    import torch

    t = torch.from_numpy(x)
    spread = float(2 * (t - t.mean(0)).square().sum(1).mean())
    features = kernel._Nystroem(t, gamma / spread)
    with single_threaded_pool() as pool:
        every = kernel._Fit(pool, features, t, labels, np.arange(60), 2, torch.device("cpu"))
        rest = kernel._Fit(pool, features, t, labels, np.delete(np.arange(60), 11), 2, torch.device("cpu"))
        rest.unit = every.unit  # the same penalty
        refit = rest.scores(np.array([11]), np.zeros(60, bool), ridge)
    np.testing.assert_allclose(out.scores[11], refit[0], atol=2e-3)


def test_temperature_recovers_the_sharpness_of_the_scores():
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((4000, 3)).astype(np.float32)
    p = np.exp(2.5 * logits)
    labels = np.array([rng.choice(3, p=row / row.sum()) for row in p], np.int32)
    assert best_temperature(logits, labels) == pytest.approx(2.5, rel=0.15)


def test_the_pool_gives_a_useless_view_little_weight():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 600).astype(np.int32)
    good = (np.eye(3)[labels] * 2 + rng.standard_normal((600, 3))).astype(np.float32)
    bad = rng.standard_normal((600, 3)).astype(np.float32)
    probs, weights = pool({"good": good, "bad": bad}, labels, np.ones(600, bool), 0)
    assert weights["bad"] < 0.3 * weights["good"]
    assert log_likelihood(np.log(probs), labels) > log_likelihood(np.log(np.full((600, 3), 1 / 3, np.float32)), labels)


def test_a_large_run_reports_what_it_gave_up():
    small, none = ProbeConfig().fitted(10_000, 10)
    big, notes = ProbeConfig().fitted(1_000_000, 1000)
    assert none == ()
    assert small.robust_losses
    assert not big.robust_losses
    assert big.repeats == 1
    assert any("noise-robust" in note for note in notes)
    with pytest.raises(ValueError, match="at least 2"):
        ProbeConfig(folds=1)
