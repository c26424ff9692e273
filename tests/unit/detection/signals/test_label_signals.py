"""Every label signal finds planted noise, keeps its shape, and gives way politely where its input is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.helpers.factories import signal_inputs, world
from winnow.core.detection.arithmetic import percentile_rank, votes
from winnow.core.detection.signals import SIGNALS
from winnow.core.detection.signals.label_lame import refine
from winnow.core.types import Beliefs, Neighbors

ALWAYS = [
    "label_confident",
    "label_probe",
    "label_kernel",
    "label_knn",
    "label_elr",
    "label_aum",
    "label_lame",
    "label_mean",
    "label_loss",
    "label_robust",
    "label_trust",
]


@pytest.fixture(scope="module")
def planted():
    return world(500, 5, noise=0.15, separation=4, dim=16, unreadable=4, seed=2)


@pytest.fixture(scope="module")
def inputs(planted):
    return signal_inputs(planted)


@pytest.mark.parametrize("name", ALWAYS)
def test_planted_noise_scores_high_and_the_right_label_is_suggested(planted, inputs, name):
    result = SIGNALS.get(name)(inputs)
    assert result.score.dtype == np.float32
    keep = inputs.labelled
    assert np.isnan(result.score[~keep]).all()
    assert roc_auc_score(planted.noisy[keep], result.score[keep]) > 0.85
    if result.suggestion is not None:
        noisy = planted.noisy & keep
        assert (result.suggestion[keep] != planted.labels[keep]).all()
        assert (result.suggestion[noisy] == planted.true[noisy]).mean() > 0.8


def test_every_registered_label_signal_is_documented():
    for signal in SIGNALS:
        if signal.name.startswith(("label_", "hard_", "naive_")):
            doc = type(signal).__doc__ or ""
            assert "Formula:" in doc, signal.name
            assert "References" in doc, signal.name


def test_zero_shot_follows_the_class_names(planted, inputs):
    names = np.full((planted.n, planted.classes), 0.01, np.float32)
    names[np.arange(planted.n), np.maximum(planted.true, 0)] = 0.96
    result = SIGNALS.get("label_zero_shot")(replace(inputs, class_text_probs=names))
    keep = inputs.labelled
    assert roc_auc_score(planted.noisy[keep], result.score[keep]) > 0.99


def test_second_views_are_scored_and_their_absence_is_reported(planted, inputs):
    signal = SIGNALS.get("label_view")
    assert "no second view" in signal(inputs).info["skipped"]
    beliefs = replace(inputs.beliefs, extra_probs={**inputs.beliefs.extra_probs, "pixels": inputs.beliefs.probs})
    result = signal(replace(inputs, beliefs=beliefs))
    assert roc_auc_score(planted.noisy[inputs.labelled], result.score[inputs.labelled]) > 0.9


def test_only_background_samples_are_scored_one_sidedly(planted, inputs):
    signal = SIGNALS.get("label_one_sided")
    assert "skipped" in signal(inputs).info
    names = ("background", *inputs.class_names[1:])
    result = signal(replace(inputs, class_names=names))
    scored = np.isfinite(result.score)
    np.testing.assert_array_equal(scored, inputs.labelled & (planted.labels == 0))
    assert roc_auc_score(planted.noisy[scored], result.score[scored]) > 0.9


def test_precomputed_beliefs_leave_training_signals_unscored(inputs):
    precomputed = replace(inputs, beliefs=Beliefs(inputs.beliefs.probs, source="brought"))
    for name in ("label_elr", "label_aum", "label_loss", "label_robust", "label_kernel"):
        assert np.isnan(SIGNALS.get(name)(precomputed).score).all(), name
    assert np.isfinite(SIGNALS.get("label_probe")(precomputed).score[precomputed.labelled]).all()


def test_votes_count_neighbours_by_nearness_and_ignore_missing_ones():
    graph = Neighbors(
        np.array([[1, 2], [0, -1], [-1, -1]], np.int32), np.array([[0.1, 0.1], [0.1, np.inf], [np.inf] * 2], np.float32)
    )
    share = votes(graph, np.array([0, 1, 1], np.int32), np.ones(3, bool), 2, prior=1e-6)
    assert share[0, 1] > 0.99
    assert share[1, 0] > 0.99
    np.testing.assert_allclose(share[2], [1 / 3, 2 / 3], atol=1e-3)


def test_refinement_pulls_an_outvoted_sample_to_its_neighbours():
    probs = np.array([[0.45, 0.55], [0.9, 0.1], [0.9, 0.1]], np.float32)
    graph = Neighbors(np.array([[1, 2], [0, 2], [0, 1]], np.int32), np.full((3, 2), 0.1, np.float32))
    assert refine(probs, graph, np.ones(3, bool))[0, 0] > 0.5


def test_percentile_rank_shares_ties_and_keeps_nan_outside():
    rank = percentile_rank(np.array([1.0, 2.0, 2.0, 9.0], np.float32), np.array([True, True, True, False]))
    np.testing.assert_allclose(rank[:3], [1 / 6, 4 / 6, 4 / 6], atol=1e-6)
    assert np.isnan(rank[3])
