"""The probe of several encoders: a weak one does not spoil a strong one, and a sample that one lacks is believed in."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.factories import half_whiten, world
from winnow.core.detection.arithmetic import votes
from winnow.core.detection.probe import ProbeConfig, run_probe
from winnow.core.detection.probe.pool import encoder_shares, log_likelihood, pool
from winnow.core.features.neighbors import build
from winnow.core.types import Float32

MADE = world(n=900, classes=5, noise=0.15, separation=4.0, dim=32, seed=3)
CONFIG = ProbeConfig(epochs=8, kernel_anchors=300)


def features(columns: slice) -> Float32:
    x = np.asarray(MADE.vectors[:, columns], np.float32)
    return half_whiten(x / np.linalg.norm(x, axis=1, keepdims=True), MADE.ok)


@pytest.fixture(scope="module")
def halves() -> tuple[Float32, Float32]:
    return features(slice(0, 16)), features(slice(16, 32))


def likelihood(probs: Float32) -> float:
    """Of the true labels."""
    return log_likelihood(np.log(np.maximum(probs, 1e-9)), MADE.true)


def test_two_halves_know_more_than_one(halves: tuple[Float32, Float32]) -> None:
    one, other = (run_probe(x, MADE.labels, MADE.ok, 5, CONFIG) for x in halves)
    both = run_probe(halves, MADE.labels, MADE.ok, 5, CONFIG)
    assert likelihood(both.probs) > max(likelihood(one.probs), likelihood(other.probs)) + 0.02
    assert set(both.extra_probs) == {"linear", "kernel", "gce", "sce"}


def test_one_encoder_in_a_list_is_one_encoder(halves: tuple[Float32, Float32]) -> None:
    alone = run_probe(halves[0], MADE.labels, MADE.ok, 5, CONFIG)
    listed = run_probe([halves[0]], MADE.labels, MADE.ok, 5, CONFIG, strong=[[halves[0]]])
    np.testing.assert_array_equal(alone.probs, listed.probs)


def test_noise_beside_an_encoder_counts_little_and_does_no_harm() -> None:
    strong = features(slice(0, 32))
    noise = np.random.default_rng(0).normal(size=strong.shape).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    graphs = [build(x, MADE.ok, 30) for x in (strong, noise)]
    said = [votes(graph, MADE.labels, MADE.ok, 5) for graph in graphs]
    shares = encoder_shares(said, MADE.labels, [MADE.ok, MADE.ok], 0)
    assert shares[1] <= 0.2
    assert sum(encoder_shares(said[:1] * 2, MADE.labels, [MADE.ok, MADE.ok], 0)) == pytest.approx(1)
    alone = run_probe(strong, MADE.labels, MADE.ok, 5, CONFIG)
    both = run_probe([strong, noise], MADE.labels, MADE.ok, 5, CONFIG, shares=shares)
    assert likelihood(both.probs) > likelihood(alone.probs) - 0.03


def test_a_view_that_lacks_rows_leaves_them_to_the_others() -> None:
    random = np.random.default_rng(1)
    labels = random.integers(0, 3, 2000).astype(np.int32)
    views = {}
    for name in ("a", "b"):
        z = random.normal(size=(2000, 3)).astype(np.float32)
        z[np.arange(2000), labels] += 1.5
        views[name] = z
    there = np.ones(2000, bool)
    there[:50] = False
    views["b"][:50] = 99.0  # what it says where it is not there must not count
    usable = np.ones(2000, bool)
    probs, weights = pool(views, labels, usable, 0, {"b": there})
    alone = weights["a"] + weights["b"]
    np.testing.assert_allclose(
        np.log(probs[:50, 0] / probs[:50, 1]), alone * (views["a"][:50, 0] - views["a"][:50, 1]), atol=1e-4
    )
    assert weights["b"] == pytest.approx(weights["a"], rel=0.3), "the weights are those of the rows that both know"


def test_intercepts_give_every_class_its_due() -> None:
    random = np.random.default_rng(2)
    labels = random.integers(0, 3, 3000).astype(np.int32)
    z = random.normal(size=(3000, 3)).astype(np.float32)
    z[np.arange(3000), labels] += 2.0
    z[:, 2] += 1.0  # believed in too much
    usable = np.ones(3000, bool)
    plain, right = (pool({"z": z}, labels, usable, 0, intercepts=i)[0] for i in (False, True))
    assert abs(plain[:, 2].mean() - 1 / 3) > 0.05 > 20 * abs(right[:, 2].mean() - (labels == 2).mean())
