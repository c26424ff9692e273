"""Hard is not noisy, and naive is neither."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from tests.helpers.factories import signal_inputs, world
from winnow.core.detection.evidence.hard import hard
from winnow.core.detection.evidence.naive import naive
from winnow.core.detection.signals import SIGNALS
from winnow.core.detection.signals.naive_loss_history import otsu
from winnow.core.types import Beliefs, Input

NAMES = [s.name for s in SIGNALS if s.name.startswith(("hard_", "naive_"))]


@pytest.fixture(scope="module")
def planted():
    return world(600, 5, noise=0.1, separation=3, dim=16, seed=5)


@pytest.fixture(scope="module")
def inputs(planted):
    return signal_inputs(planted)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("hard_memorised", "hard_forgetting")])
def test_scores_follow_the_planted_difficulty(planted, inputs, name):
    clean = planted.kind == "clean"
    score = SIGNALS.get(name)(inputs).score
    rank = spearmanr(score[clean], planted.ease[clean])[0]
    assert (rank < -0.25) if name.startswith("hard_") else (rank > 0.2)


def test_combined_difficulty_follows_the_planted_one_and_ignores_noise(planted, inputs):
    clean = planted.kind == "clean"
    evidence = hard(inputs, {})
    assert spearmanr(evidence.probability[clean], planted.ease[clean])[0] < -0.6
    sure = planted.noisy & (planted.ease > np.quantile(planted.ease, 0.5))
    assert evidence.probability[sure].mean() < 0.5 < evidence.probability[clean & (planted.ease < 0)].mean()


def test_combined_easiness_follows_the_planted_one(planted, inputs):
    clean = planted.kind == "clean"
    results = {n: SIGNALS.get(n)(inputs) for n in NAMES}
    evidence = naive(inputs, results)
    assert spearmanr(evidence.probability[clean], planted.ease[clean])[0] > 0.6
    assert not evidence.flag[planted.noisy].any()
    assert all(evidence.reasons[evidence.flag] != "")


def test_precomputed_probabilities_have_no_history_and_the_reason_is_given(inputs):
    precomputed = replace(inputs, beliefs=Beliefs(inputs.beliefs.probs, source="brought"))
    for name in NAMES:
        signal = SIGNALS.get(name)
        result = signal(precomputed)
        if np.isnan(result.score).all():
            assert "precomputed" in result.info["skipped"], name
    assert np.isfinite(hard(precomputed, {}).probability).all()


def test_without_labels_nothing_is_hard_or_naive(inputs):
    bare = replace(inputs, labels=np.full(inputs.n, -1, np.int32), beliefs=None)
    assert not bare.has(Input.LABELS)
    for evidence in (hard(bare, {}), naive(bare, {})):
        assert not evidence.flag.any()
        assert (evidence.probability == 0).all()


def test_otsu_cuts_between_two_groups():
    v = np.r_[np.random.default_rng(0).normal(0, 1, 500), np.random.default_rng(1).normal(10, 1, 500)]
    assert 2.5 < otsu(v) < 7.5
    assert otsu(np.ones(5)) == 1.0
    assert otsu(np.zeros(0)) == 0.0
