"""How many samples the verdicts speak of: outliers and wrong labels, on worlds whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from tests.helpers.factories import World, signal_inputs, world
from winnow.core.detection.evidence._consensus import with_consensus
from winnow.core.detection.evidence._contamination import contamination
from winnow.core.detection.evidence.hard import mean_belief
from winnow.core.detection.evidence.naive import naive
from winnow.core.detection.evidence.noisy_label import noisy_label
from winnow.core.detection.evidence.ood import ood
from winnow.core.detection.probe import ProbeConfig
from winnow.core.detection.signals import SIGNALS
from winnow.core.types import Kind, KindEvidence, SignalInputs

QUICK = ProbeConfig(epochs=10, kernel_anchors=400)


def agreed(made: World) -> SignalInputs:
    return with_consensus(signal_inputs(made, probe=QUICK))[0]


def outliers(inputs: SignalInputs) -> KindEvidence:
    signals = [s for s in SIGNALS if s.kind is Kind.OOD and all(inputs.has(need) for need in s.requires)]
    return ood(inputs, {s.name: s(inputs) for s in signals})


def f1(of: np.ndarray, flag: np.ndarray) -> float:
    return float(2 * (flag & of).sum() / max(1, flag.sum() + of.sum()))


@pytest.mark.parametrize("share", [0.02, 0.05])
def test_scattered_outliers_are_flagged_at_about_the_best_level(share: float) -> None:
    made = world(2000, noise=0.1, separation=4, outliers=round(share * 2000), seed=7)
    is_out, evidence = made.kind == "ood", outliers(agreed(made))
    best = max(f1(is_out, evidence.probability >= p) for p in np.unique(evidence.probability))
    assert f1(is_out, evidence.flag) >= 0.8 * best
    assert evidence.flag[is_out].mean() >= 0.3
    assert evidence.probability.sum() == pytest.approx(is_out.sum(), rel=0.4)


@pytest.mark.parametrize(
    "shape",
    [
        {"noise": 0.1, "separation": 4},
        {"noise": 0.2, "separation": 3, "confusable": True},
        {"classes": 2, "noise": 0.4, "separation": 4},
    ],
    ids=["plain", "confusable", "two classes, 40% noise"],
)
def test_without_outliers_almost_nothing_is_flagged(shape: dict) -> None:
    evidence = outliers(agreed(world(2000, seed=7, **shape)))
    assert evidence.flag.mean() <= 0.005


def test_labels_that_follow_the_content_of_unusual_samples_say_that_they_belong() -> None:
    random = np.random.default_rng(0)
    n, classes = 3000, 6
    suspicion = random.exponential(0.4, n)
    labels = random.integers(0, classes, n).astype(np.int32)
    probs = np.full((n, classes), 0.04, np.float32)
    probs[np.arange(n), labels] = 0.8
    wrong = random.random(n) < 0.2
    shuffled = np.where(wrong, random.integers(0, classes, n), labels).astype(np.int32)
    everyone, unusual = np.ones(n, bool), suspicion > 1.5
    belong = contamination(suspicion, probs, shuffled, everyone, everyone)
    assert belong is not None
    assert belong.share < 0.002
    strangers = shuffled.copy()
    strangers[unusual] = random.integers(0, classes, unusual.sum())
    found = contamination(suspicion, probs, strangers, everyone, everyone)
    assert found is not None
    assert found.posterior[unusual].mean() > 0.5
    assert found.posterior[suspicion < 1].mean() < 0.02


@pytest.mark.parametrize(
    ("shape", "least"),
    [
        ({"classes": 2, "noise": 0.4, "separation": 4}, 0.977),
        ({"noise": 0.2, "separation": 3, "confusable": True}, 0.86),
    ],
    ids=["two classes, 40% noise", "20% confusable noise"],
)
def test_class_means_carry_the_consensus_through_heavy_noise(shape: dict, least: float) -> None:
    made = world(2000, seed=7, **shape)
    inputs = with_consensus(signal_inputs(made))[0]
    assert average_precision_score(made.noisy, noisy_label(inputs, {}).probability) >= least


def test_the_share_of_naive_samples_hardly_depends_on_the_sample_and_costs_a_hundredth() -> None:
    shares = []
    for seed in range(4):
        inputs = agreed(world(1200, noise=0.17, separation=5, seed=seed))
        flag = naive(inputs, {}).flag
        shares.append(float(flag.mean()))
        belief = mean_belief(inputs)
        assert belief is not None
        left = 1.0 - belief[np.arange(inputs.n), inputs.labels]
        assert 0.005 < left[flag].sum() / left.sum() <= 0.01
    assert max(shares) <= 1.5 * min(shares)
    assert min(shares) > 0.02
