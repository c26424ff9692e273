"""The pooled graph of several encoders: nearest by all of them together, and by those that have a sample."""

from __future__ import annotations

import numpy as np
import pytest

from winnow.core.features.neighbors import build
from winnow.core.features.pooled_graphs import EncodedRows, pool_graphs
from winnow.core.types import Bool, Float32


def unit(x: np.ndarray) -> Float32:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9), np.float32)


@pytest.fixture(scope="module")
def two() -> tuple[EncodedRows, EncodedRows]:
    """Two encoders of one content: the first sees 40 directions of it, the second 40 others; each lacks some rows."""
    random = np.random.default_rng(0)
    group = random.integers(0, 12, 400)
    centres = random.normal(size=(12, 80)) * 1.2
    x = centres[group] + random.normal(size=(400, 80))
    parts = []
    for columns, absent in ((slice(0, 40), [3, 4]), (slice(40, 80), [4, 5])):
        ok: Bool = np.ones(400, bool)
        ok[absent] = False
        rows = unit(x[:, columns]) * ok[:, None]
        parts.append(EncodedRows(build(rows, ok, 20), ok, rows))
    return parts[0], parts[1]


def test_it_lists_what_is_nearest_to_all_encoders_together(two: tuple[EncodedRows, EncodedRows]) -> None:
    pooled = pool_graphs(two)
    assert pooled.indices.shape == (400, 20)
    assert (np.diff(pooled.distances[0]) >= 0).all()
    ok = two[0].ok & two[1].ok
    joint = build(unit(np.concatenate([np.asarray(e.rows) for e in two], axis=1)) * ok[:, None], ok, 10)
    rows = np.flatnonzero(ok)

    def agreement(graph: np.ndarray) -> float:
        return float(np.mean([len(set(joint.indices[r]) & set(graph[r, :10])) / 10 for r in rows]))

    assert agreement(pooled.indices) > 0.75 > max(agreement(e.graph.indices) for e in two) + 0.1


def test_a_row_that_one_encoder_lacks_has_the_neighbours_of_the_other(two: tuple[EncodedRows, EncodedRows]) -> None:
    pooled = pool_graphs(two)
    assert set(pooled.indices[3]) == set(two[1].graph.indices[3])
    assert (pooled.indices[4] == -1).all(), "no encoder has it"
    assert np.isinf(pooled.distances[4]).all()


def test_an_encoder_of_little_share_hardly_moves_the_graph(two: tuple[EncodedRows, EncodedRows]) -> None:
    first, second = two
    strong, weak = (EncodedRows(e.graph, e.ok, e.rows, share) for e, share in ((first, 0.95), (second, 0.05)))
    rows = np.flatnonzero(first.ok & second.ok)

    def same(graph: np.ndarray) -> float:
        return float(np.mean([len(set(graph[r, :10]) & set(first.graph.indices[r, :10])) / 10 for r in rows]))

    assert same(pool_graphs([strong, weak]).indices) > 0.8 > same(pool_graphs(two).indices) + 0.1


def test_without_the_rows_what_a_graph_does_not_list_is_as_far_as_its_last(
    two: tuple[EncodedRows, EncodedRows],
) -> None:
    exact = pool_graphs(two)
    bound = pool_graphs([EncodedRows(e.graph, e.ok) for e in two])
    assert (bound.distances[:, 0][two[0].ok & two[1].ok] <= exact.distances[:, 0][two[0].ok & two[1].ok] + 1e-5).all()
    both = np.mean([len(set(exact.indices[r, :5]) & set(bound.indices[r, :10])) / 5 for r in range(100) if r != 4])
    assert both > 0.75
