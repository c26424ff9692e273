"""Clusters at two levels."""

from __future__ import annotations

import numpy as np
import pytest

from winnow.core.features.clusters import cluster
from winnow.core.features.neighbors import build


def blobs(groups: int = 6, each: int = 60) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    label = np.repeat(np.arange(groups), each)
    x = np.eye(16)[label] * 3 + random.normal(size=(len(label), 16)) * 0.4
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), label


def test_coarse_clusters_are_the_groups() -> None:
    x, label = blobs()
    found = cluster(build(x, np.ones(len(x), bool), 15), np.ones(len(x), bool))
    for c in np.unique(found.coarse):
        assert len(np.unique(label[found.coarse == c])) == 1
    assert found.coarse.max() + 1 == 6
    assert found.coarse.dtype == np.int32


def test_fine_clusters_lie_in_coarse_ones_and_are_more() -> None:
    x, _ = blobs()
    found = cluster(build(x, np.ones(len(x), bool), 15), np.ones(len(x), bool))
    assert found.fine.max() > found.coarse.max()
    for f in np.unique(found.fine):
        assert len(np.unique(found.coarse[found.fine == f])) == 1


def test_numbers_run_from_the_largest() -> None:
    x, _ = blobs()
    keep = np.r_[0:60, 60:90, 120:130]
    found = cluster(build(x[keep], np.ones(100, bool), 15), np.ones(100, bool))
    sizes = np.bincount(found.coarse)
    assert (np.diff(sizes) <= 0).all()


def test_the_same_seed_gives_the_same_clusters() -> None:
    x, _ = blobs()
    graph = build(x, np.ones(len(x), bool), 15)
    a, b = (cluster(graph, np.ones(len(x), bool), seed=3) for _ in range(2))
    np.testing.assert_array_equal(a.fine, b.fine)


def test_unusable_rows_are_in_none() -> None:
    x, _ = blobs()
    ok = np.ones(len(x), bool)
    ok[[0, 100]] = False
    x[~ok] = 0
    found = cluster(build(x, ok, 15), ok)
    assert (found.coarse[~ok] == -1).all()
    assert (found.fine[ok] >= 0).all()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_handful(n: int) -> None:
    x, _ = blobs()
    found = cluster(build(x[:n], np.ones(n, bool), 15), np.ones(n, bool))
    assert (found.coarse >= 0).all()
    none = cluster(build(x[:n], np.zeros(n, bool), 15), np.zeros(n, bool))
    assert (none.fine == -1).all()
