"""Rare is not noisy: a few right labels deep in another class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.factories import World, signal_inputs, world
from winnow.core.detection.evidence import _guard
from winnow.core.detection.evidence.noisy_label import noisy_label
from winnow.core.features.neighbors import build


def _with_group(size: int, spread: float = 0.3) -> tuple[World, np.ndarray]:
    """A world in which ``size`` rightly labelled samples of class 0 lie together near the centre of class 1."""
    planted = world(n=1500, classes=6, noise=0.1, separation=4, seed=5)
    rng = np.random.default_rng(5)
    x = planted.vectors.copy()
    rows = np.flatnonzero((planted.true == 0) & ~planted.noisy)[:size]
    other = x[planted.true == 1]
    side = rng.standard_normal(x.shape[1])
    width = float(other.std(0).mean())
    x[rows] = other.mean(0) + 0.3 * width * side + spread * width * rng.standard_normal((size, x.shape[1]))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return replace(planted, vectors=x.astype(np.float32)), rows


@pytest.mark.parametrize("size", [6, 12])
def test_a_small_group_that_holds_together_is_not_called_noisy(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    planted, rows = _with_group(size)
    inputs = signal_inputs(planted)
    evidence = noisy_label(inputs, {})
    assert not evidence.flag[rows].any()
    assert evidence.info["guarded"] >= 3
    guarded = rows[np.char.find(evidence.reasons[rows].astype(str), "a small coherent group") >= 0]
    assert len(guarded) >= 3
    noise = planted.noisy
    assert evidence.flag[noise].mean() > 0.9
    monkeypatch.setattr(_guard, "_CHANCE", 0.0)
    without = noisy_label(replace(inputs), {})
    assert without.flag[rows].sum() >= 3, "the group must be one that the models alone call wrong"


def test_noise_without_structure_is_not_guarded() -> None:
    planted = world(n=2000, classes=2, noise=0.4, separation=4, seed=1)
    graph = build(planted.vectors, planted.ok, 50)
    guarded, _ = _guard.locally_supported(planted.labels, planted.ok, graph)
    assert guarded[planted.noisy].mean() < 0.03


def test_copies_do_not_support_each_other() -> None:
    planted = world(n=1000, classes=5, noise=0.0, separation=5, seed=2)
    x, labels = planted.vectors.copy(), planted.labels.copy()
    rows = np.flatnonzero(planted.true == 0)[:6]
    x[rows], labels[rows] = x[rows[0]], 1
    guarded, agree = _guard.locally_supported(labels, planted.ok, build(x, planted.ok, 50))
    assert not guarded[rows].any()
    assert (agree[rows] <= 2).all()


def test_without_a_graph_nothing_is_guarded() -> None:
    guarded, agree = _guard.locally_supported(np.zeros(4, np.int32), np.ones(4, bool), None)
    assert not guarded.any()
    assert not agree.any()
