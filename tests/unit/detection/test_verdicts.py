"""One verdict per sample: precedence, confidence, reasons with numbers, suggestions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from tests.helpers.factories import signal_inputs, world
from winnow.core.detection import verdicts
from winnow.core.detection.evidence import COMBINERS
from winnow.core.detection.evidence._calibrate import (
    best_f1_threshold,
    clean_belief,
    confident_joint,
    monotone,
    noise_model,
    recalibrate,
    wrong_label_posterior,
)
from winnow.core.detection.evidence._consensus import with_consensus
from winnow.core.detection.evidence.noisy_label import noisy_label
from winnow.core.detection.signals import SIGNALS
from winnow.core.detection.verdicts import decide
from winnow.core.types import ISSUE_KINDS, Beliefs, Kind, KindEvidence, SignalInputs


@pytest.fixture(scope="module")
def planted():
    return world(600, 6, noise=0.15, separation=5, dim=24, seed=4, unreadable=3)


@pytest.fixture(scope="module")
def inputs(planted):
    return signal_inputs(planted)


@pytest.fixture(scope="module")
def results(inputs):
    return {s.name: s(inputs) for s in SIGNALS if all(inputs.has(need) for need in s.requires)}


def test_every_kind_has_a_combiner():
    assert set(COMBINERS) == set(ISSUE_KINDS)


def test_planted_noise_is_called_noisy_with_the_right_suggestion(planted, inputs, results):
    decided = decide(inputs, results)
    called = decided.evidence[Kind.NOISY_LABEL].flag
    noisy = planted.noisy & planted.ok
    assert called[noisy].mean() > 0.9
    assert noisy[called].mean() > 0.9
    assert (decided.suggested[noisy, 0] == planted.true[noisy]).mean() > 0.95
    assert (decided.suggested[planted.ok] != planted.labels[planted.ok, None]).all()
    assert (decided.suggested[planted.ok, 0] >= 0).all()
    assert (np.diff(decided.suggested_prob, axis=1) <= 1e-6).all()


def test_probabilities_are_calibrated_on_average(planted, inputs, results):
    evidence = decide(inputs, results).evidence[Kind.NOISY_LABEL]
    assert evidence.info["estimated_noise_rate"] == pytest.approx(0.15, abs=0.04)
    assert 1 / 3 <= evidence.info["threshold"] <= 1 / 2


def test_reasons_name_labels_and_numbers(planted, inputs, results):
    decided = decide(inputs, results)
    for row in np.flatnonzero(decided.primary == "noisy_label")[:20]:
        text = decided.reasons[row]
        assert f"*class {planted.labels[row]}*" in text
        assert f"*class {decided.suggested[row, 0]}*" in text
        assert any(c.isdigit() for c in text)
        assert text.endswith(".")


def test_precedence_is_that_of_the_kinds(monkeypatch, inputs):
    flags = {kind: np.arange(inputs.n) % (i + 2) == 0 for i, kind in enumerate(ISSUE_KINDS)}

    def says(kind: Kind):
        def combine(inputs: SignalInputs, results: object) -> KindEvidence:
            return KindEvidence(
                kind, flags[kind] * np.float32(0.8), flags[kind], np.where(flags[kind], f"is {kind}", "").astype(object)
            )

        return combine

    monkeypatch.setattr(verdicts, "COMBINERS", {kind: says(kind) for kind in ISSUE_KINDS})
    decided = decide(inputs, {})
    for row in range(60):
        first = next((k.value for k in ISSUE_KINDS if flags[k][row]), "clean")
        assert decided.primary[row] == first
        assert decided.reasons[row] == (f"is {first}" if first != "clean" else "")
    assert (decided.confidence[decided.primary == "clean"] == 1).all()


@pytest.mark.parametrize(
    "change",
    [
        {"beliefs": None},
        {"label_neighbors": None, "neighbors": None},
        {"whitened": None, "vectors": None},
        {"beliefs": None, "label_neighbors": None, "neighbors": None, "whitened": None, "vectors": None},
    ],
)
def test_any_subset_of_inputs_is_enough_for_a_verdict(inputs, change):
    less = replace(inputs, **change)
    results = {s.name: s(less) for s in SIGNALS if all(less.has(need) for need in s.requires)}
    for given in (results, {}):
        decided = decide(less, given)
        assert len(decided.primary) == inputs.n
        assert all(np.isfinite(e.probability).all() for e in decided.evidence.values())


def test_without_labels_the_likeliest_ones_are_suggested(planted, inputs):
    half = np.where(np.arange(inputs.n) % 2, inputs.labels, -1).astype(np.int32)
    some = signal_inputs(planted, labels=half)
    decided = decide(some, {})
    bare = (half < 0) & planted.ok & (planted.true >= 0)
    assert (decided.suggested[bare, 0] == planted.true[bare]).mean() > 0.9
    assert not decided.evidence[Kind.NOISY_LABEL].flag[half < 0].any()
    assert (decided.suggested[~planted.ok] == -1).all()


def test_precomputed_probabilities_are_enough(planted, inputs):
    precomputed = replace(inputs, beliefs=Beliefs(inputs.beliefs.probs, source="brought"))
    decided = decide(precomputed, {})
    assert average_precision_score(planted.noisy, decided.evidence[Kind.NOISY_LABEL].probability) > 0.95


def test_one_sample_and_one_class_are_clean():
    one = SignalInputs(n=1, ok=np.ones(1, bool), labels=np.zeros(1, np.int32), class_names=("a",))
    decided = decide(one, {})
    assert list(decided.primary) == ["clean"]
    assert decided.suggested.shape == (1, 1)


def test_row_order_does_not_matter(inputs):
    order = np.random.default_rng(0).permutation(inputs.n)
    back = np.argsort(order)
    graph = inputs.label_neighbors
    index = np.where(graph.indices >= 0, back[np.maximum(graph.indices, 0)], -1).astype(np.int32)
    beliefs = inputs.beliefs
    moved = replace(
        inputs,
        ok=inputs.ok[order],
        labels=inputs.labels[order],
        whitened=inputs.whitened[order],
        vectors=inputs.vectors[order],
        neighbors=None,
        label_neighbors=replace(graph, indices=index[order], distances=graph.distances[order]),
        beliefs=replace(
            beliefs,
            probs=beliefs.probs[order],
            extra_probs={k: p[order] for k, p in beliefs.extra_probs.items()},
            dynamics={k: p[order] for k, p in beliefs.dynamics.items()},
            targets=beliefs.targets[order],
        ),
    )
    still = noisy_label(with_consensus(inputs)[0], {}).probability
    apart = np.abs(noisy_label(with_consensus(moved)[0], {}).probability - still[order])
    # rounding in the pool's optimum may move a step of the isotonic regression by a sample
    assert np.quantile(apart, 0.99) <= 2e-3
    assert apart.max() <= 0.05


def test_the_confident_joint_finds_a_planted_transition():
    rng = np.random.default_rng(0)
    true = np.repeat(np.arange(3), 2000)
    given = np.where((true == 0) & (rng.random(6000) < 0.3), 1, true).astype(np.int32)
    probs = np.full((6000, 3), 0.01, np.float32)
    probs[np.arange(6000), true] = 0.98
    joint = confident_joint(probs, given, np.ones(6000, bool))
    assert joint[0, 1] / joint[0].sum() == pytest.approx(0.3, abs=0.03)
    assert joint.sum() == pytest.approx(6000)
    model = noise_model(probs, given, np.ones(6000, bool))
    assert model.rate == pytest.approx(0.1, abs=0.01)
    wrong = wrong_label_posterior(clean_belief(probs, model), given, model.transition)
    assert wrong[(true == 0) & (given == 1)].min() > 0.9
    assert wrong[true == given].max() < 0.1


def test_recalibration_makes_small_probabilities_right():
    """Beliefs of .2 that come true in one case of fifty become .02."""
    rng = np.random.default_rng(0)
    labels = np.where(rng.random(20_000) < 0.02, 1, 0).astype(np.int32)
    blurred = np.tile(np.float32([0.8, 0.2]), (20_000, 1))
    assert recalibrate(blurred, labels)[:, 1].mean() == pytest.approx(0.02, abs=0.005)


def test_monotone_keeps_order_and_average():
    rng = np.random.default_rng(0)
    score = rng.standard_normal(500)
    target = (rng.random(500) < 1 / (1 + np.exp(-2 * score))).astype(float)
    level = monotone(score, target)
    assert (np.diff(level[np.argsort(score)]) >= 0).all()
    assert level.mean() == pytest.approx(target.mean(), abs=0.03)
    np.testing.assert_allclose(monotone(np.ones(4), np.array([0, 1, 0, 1])), 0.5)


def test_the_threshold_maximises_expected_f1():
    p = np.array([0.9, 0.8, 0.3, 0.05, 0.05])
    assert best_f1_threshold(p) == pytest.approx(0.8)
    assert best_f1_threshold(np.zeros(4)) == 1.0


def test_a_consensus_is_pooled_once() -> None:
    planted = world(n=300, classes=4, noise=0.1, separation=5, seed=6)
    agreed, weights = with_consensus(signal_inputs(planted))
    again, same = with_consensus(agreed)
    assert again is agreed
    assert same == weights
    assert set(weights) >= {"linear", "kernel", "neighbours"}
