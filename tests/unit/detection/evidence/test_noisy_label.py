"""Wrong labels rank by beliefs about the true class, and lists keep the rate that they state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from tests.helpers.factories import signal_inputs, world
from winnow.core.detection.evidence import with_consensus
from winnow.core.detection.evidence._calibrate import NoiseModel, best_f1_threshold, expected_transition
from winnow.core.detection.evidence.noisy_label import noisy_label_posterior
from winnow.core.detection.probe.pool import pool


@pytest.fixture(scope="module")
def confusable():
    planted = world(1500, 10, noise=0.2, separation=3, confusable=True, seed=7)
    return planted, with_consensus(signal_inputs(planted))[0]


def test_beliefs_about_the_true_class_rank_labels_moved_to_the_nearest_class_higher(confusable):
    planted, inputs = confusable
    plain = replace(inputs, beliefs=replace(inputs.beliefs, clean=None))
    ranked, before = (
        average_precision_score(planted.noisy, noisy_label_posterior(i).probability) for i in (inputs, plain)
    )
    assert ranked > before + 0.01
    right = [float((p.argmax(1) == planted.true).mean()) for p in (inputs.beliefs.clean, inputs.beliefs.probs)]
    assert right[0] > right[1]


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.2])
def test_a_list_at_a_stated_rate_holds_it_within_three_tenths(confusable, rate):
    planted, inputs = confusable
    p = noisy_label_posterior(inputs).probability
    order = np.argsort(-p, kind="stable")
    expected = np.cumsum(1 - p[order]) / np.arange(1, len(p) + 1)
    listed = order[: int(np.flatnonzero(expected <= rate).max()) + 1]
    assert len(listed) > 50
    assert (~planted.noisy[listed]).mean() <= 1.3 * rate + 1 / len(listed)


def test_a_pool_under_a_transition_believes_in_the_true_class():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, 4000).astype(np.int32)
    given = np.where(rng.random(4000) < 0.3, (true + 1) % 3, true).astype(np.int32)
    transition = 0.7 * np.eye(3) + 0.3 * np.roll(np.eye(3), 1, axis=1)
    views = {"content": np.log(transition[true] + 0.01).astype(np.float32)}
    (plain, _), (clean, _) = (pool(views, given, np.ones(4000, bool), 0, transition=t) for t in (None, transition))
    rows = np.arange(4000)
    assert plain[rows, true].mean() == pytest.approx(0.7, abs=0.04), "the given label is the true one in 70%"
    assert clean[rows, true].mean() > 0.9
    assert clean.sum(1) == pytest.approx(1.0, abs=1e-5)


def test_expected_counts_find_less_noise_than_the_confident_joint_between_classes():
    """Half of the samples lie between both classes: their labels are a matter of taste, and right half the time."""
    rng = np.random.default_rng(1)
    belief = np.where(rng.random(4000) < 0.5, 0.95, 0.6)
    side = rng.integers(0, 2, 4000)
    probs = np.stack([np.where(side == 0, belief, 1 - belief), np.where(side == 1, belief, 1 - belief)], 1)
    labels = np.where(rng.random(4000) < belief, side, 1 - side).astype(np.int32)
    joint = np.array([[0.7, 0.3], [0.3, 0.7]])
    found = expected_transition(probs.astype(np.float32), labels, NoiseModel(joint, 0.3, np.linalg.inv(joint)))
    assert found.sum(1) == pytest.approx(1.0)
    assert 1 - np.diag(found).mean() < 0.25


def test_a_tolerance_lowers_the_threshold_where_the_expected_f1_is_flat():
    flat = np.r_[np.full(1000, 0.95), np.linspace(0.48, 0.4, 50)]
    assert best_f1_threshold(flat) == pytest.approx(0.95)
    assert 0.4 <= best_f1_threshold(flat, 0.002) < 0.48
