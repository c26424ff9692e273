"""Neighbour graphs and the half-whitened space."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.factories import half_whiten
from winnow.core.errors import Cancelled
from winnow.core.features import _knn_search as _knn
from winnow.core.features import neighbors
from winnow.core.types import Progress


def unit(x: np.ndarray) -> np.ndarray:
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def clustered(n: int, d: int = 16, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    centres = random.normal(size=(20, d)) * 2
    return unit(centres[random.integers(0, 20, n)] + random.normal(size=(n, d)))


def brute(x: np.ndarray, k: int) -> np.ndarray:
    away = 1 - x @ x.T
    np.fill_diagonal(away, np.inf)
    return np.argsort(away, axis=1, kind="stable")[:, :k]


def test_build_finds_what_a_full_sort_finds() -> None:
    x = clustered(400)
    graph = neighbors.build(x, np.ones(400, bool), 7)
    truth = brute(x, 7)
    assert np.mean([len(set(a) & set(b)) / 7 for a, b in zip(graph.indices, truth, strict=True)]) > 0.999
    assert (np.diff(graph.distances, axis=1) >= 0).all()
    assert graph.recall >= 0.99
    np.testing.assert_allclose(graph.distances[3, 0], 1 - x[3] @ x[graph.indices[3, 0]], atol=1e-5)


def test_self_is_never_listed_even_among_identical_rows() -> None:
    x = np.tile(unit(np.ones((1, 8))), (50, 1))
    graph = neighbors.build(x, np.ones(50, bool), 5)
    assert (graph.indices != np.arange(50)[:, None]).all()
    assert (graph.indices >= 0).all()
    assert np.abs(graph.distances).max() < 1e-5


def test_ties_go_to_the_lower_row() -> None:
    x = np.tile(unit(np.ones((1, 8))), (6, 1))
    assert neighbors.build(x, np.ones(6, bool), 3).indices[0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("n", [1, 2, 4])
def test_fewer_rows_than_neighbours_leave_places_empty(n: int) -> None:
    graph = neighbors.build(clustered(n), np.ones(n, bool), 6)
    assert graph.indices.shape == (n, 6)
    assert ((graph.indices >= 0).sum(axis=1) == n - 1).all()
    assert np.isinf(graph.distances[graph.indices < 0]).all()


def test_rows_that_are_not_ok_neither_have_nor_are_neighbours() -> None:
    x, ok = clustered(60), np.ones(60, bool)
    ok[[0, 7, 59]] = False
    x[~ok] = 0
    graph = neighbors.build(x, ok, 5)
    assert (graph.indices[~ok] == -1).all()
    assert not np.isin(graph.indices, np.flatnonzero(~ok)).any()


def test_graph_follows_the_rows_when_they_are_shuffled() -> None:
    x, order = clustered(300), np.random.default_rng(1).permutation(300)
    a, b = neighbors.build(x, np.ones(300, bool), 5), neighbors.build(x[order], np.ones(300, bool), 5)
    np.testing.assert_array_equal(a.indices[order], order[b.indices])
    np.testing.assert_allclose(a.distances[order], b.distances, atol=1e-6)


def test_half_precision_on_disk_is_read_in_blocks(tmp_path: Path) -> None:
    x = clustered(500)
    np.save(tmp_path / "v.npy", x.astype(np.float16))
    on_disk = np.load(tmp_path / "v.npy", mmap_mode="r")
    ours, theirs = (neighbors.build(v, np.ones(500, bool), 5) for v in (on_disk, x))
    assert (ours.indices == theirs.indices).mean() > 0.97


def test_partitioned_search_keeps_the_promised_recall(monkeypatch: pytest.MonkeyPatch) -> None:
    x = clustered(3000, 12)
    monkeypatch.setattr(_knn, "_CELLS_FROM", 1000)
    graph = neighbors.build(x, np.ones(3000, bool), 10)
    assert graph.method.startswith("cells")
    truth = brute(x, 10)
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(graph.indices, truth, strict=True)]) >= 0.99
    assert graph.recall >= 0.99


def test_a_search_below_its_promise_is_repeated_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    x = clustered(2000, 12)
    monkeypatch.setattr(_knn, "_CELLS_FROM", 1000)
    aims: list[float] = []

    def too_little(cells: _knn.Cells, rows: np.ndarray, truth: np.ndarray, share: float) -> _knn.SearchPlan:
        aims.append(share)
        return _knn.SearchPlan(1, np.zeros(2000, bool), 0.1)

    monkeypatch.setattr(_knn, "plan", too_little)
    graph = neighbors.build(x, np.ones(2000, bool), 10)
    assert aims == list(_knn._AIMS)
    assert graph.method == "exact"
    assert graph.recall == 1.0


def test_outliers_are_searched_everywhere_and_the_rest_in_few_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """One row in fifty lies anywhere: without a plan for them, every row would have to look into most cells."""
    random = np.random.default_rng(1)
    centres = random.normal(size=(40, 24))
    x = centres[random.integers(0, 40, 6000)] + 0.15 * random.normal(size=(6000, 24))
    far = random.permutation(6000)[:120]
    x[far] = random.normal(size=(120, 24))
    x = unit(x)
    monkeypatch.setattr(_knn, "_CELLS_FROM", 1000)
    graph = neighbors.build(x, np.ones(6000, bool), 10)
    assert "rows everywhere" in graph.method
    probes, cells = (int(v) for v in graph.method.split()[1].rstrip(",").split("/"))
    assert probes < cells / 3
    truth = brute(x, 10)
    found = np.array([len(set(a) & set(b)) / 10 for a, b in zip(graph.indices, truth, strict=True)])
    assert found.mean() >= 0.99
    assert found[far].mean() >= 0.8


def test_progress_counts_rows_and_may_cancel() -> None:
    seen: list[Progress] = []
    neighbors.build_with_centres(clustered(200), np.ones(200, bool), 5, progress=seen.append)
    assert seen[-1].done == seen[-1].total == 200

    def stop(_: Progress) -> None:
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        neighbors.build_with_centres(clustered(200), np.ones(200, bool), 5, progress=stop)


def test_half_whitening_evens_out_variances_by_a_square_root() -> None:
    random = np.random.default_rng(0)
    scale = np.array([8.0, 2.0, 0.5])
    x = (random.normal(size=(4000, 3)) * scale).astype(np.float32)
    mean, components, variance = neighbors._principal(x, np.arange(4000))
    z = (x - mean) @ components / variance**0.25
    np.testing.assert_allclose(z.var(axis=0), np.sqrt(variance), rtol=0.02)
    out = half_whiten(x, np.ones(4000, bool))
    np.testing.assert_allclose(out, z / np.linalg.norm(z, axis=1, keepdims=True), atol=1e-3)


def test_half_whitening_zeroes_unusable_rows_and_ignores_them() -> None:
    x, ok = clustered(100), np.ones(100, bool)
    with_junk = x.copy()
    with_junk[5], ok[5] = np.nan, False
    out = half_whiten(with_junk, ok)
    assert (out[5] == 0).all()
    clean = half_whiten(x[ok], np.ones(99, bool))
    np.testing.assert_allclose(out[ok], clean, atol=1e-4)


@pytest.mark.parametrize("x", [np.ones((1, 4)), np.ones((9, 4)), np.zeros((3, 4))])
def test_half_whitening_of_identical_rows_is_finite(x: np.ndarray) -> None:
    out = half_whiten(x.astype(np.float32), np.ones(len(x), bool))
    assert np.isfinite(out).all()
    assert half_whiten(x.astype(np.float32), np.zeros(len(x), bool)).sum() == 0


def test_lower_ranks_are_prefixes() -> None:
    x, ok = clustered(200), np.ones(200, bool)
    lower = half_whiten(x, ok, 12)[:, :4]
    lower /= np.linalg.norm(lower, axis=1, keepdims=True)
    np.testing.assert_allclose(lower, half_whiten(x, ok, 4), atol=1e-4)


@pytest.mark.parametrize(("call", "value"), [("k", 0), ("dim", 0)])
def test_impossible_sizes_are_refused(call: str, value: int) -> None:
    x, ok = clustered(5), np.ones(5, bool)
    with pytest.raises(ValueError, match=f"{call} is 0"):
        neighbors.build(x, ok, value) if call == "k" else half_whiten(x, ok, value)
