"""The map."""

from __future__ import annotations

import numpy as np
import pytest

from winnow.core.errors import Cancelled
from winnow.core.features.neighbors import build
from winnow.core.features.projection import project
from winnow.core.types import Neighbors, Progress


def groups(n: int = 90, d: int = 6) -> tuple[np.ndarray, np.ndarray, Neighbors]:
    random = np.random.default_rng(0)
    label = np.arange(n) % 3
    x = np.eye(d)[label] * 4 + random.normal(size=(n, d)) * 0.3
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    return x, label, build(x, np.ones(n, bool), 15)


def test_groups_stay_together_and_apart() -> None:
    x, label, graph = groups()
    xy = project(x, graph, np.ones(90, bool))
    centres = np.stack([xy[label == g].mean(axis=0) for g in range(3)])
    nearest = ((xy[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == label).mean() > 0.97
    assert xy.dtype == np.float32


def test_the_same_seed_gives_the_same_map() -> None:
    x, _, graph = groups()
    a, b = (project(x, graph, np.ones(90, bool), seed=4) for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_unusable_rows_have_no_place() -> None:
    x, _, _ = groups()
    ok = np.ones(90, bool)
    ok[[3, 50]] = False
    x[~ok] = 0
    xy = project(x, build(x, ok, 15), ok)
    assert np.isnan(xy[~ok]).all()
    assert np.isfinite(xy[ok]).all()


@pytest.mark.parametrize("n", [1, 2, 11])
def test_a_handful_is_shown_by_principal_components_and_says_so(n: int) -> None:
    x, _, _ = groups()
    said: list[Progress] = []
    xy = project(x[:n], build(x[:n], np.ones(n, bool), 15), np.ones(n, bool), progress=said.append)
    assert np.isfinite(xy).all()
    assert "principal components" in said[-1].message


def test_identical_rows_have_places() -> None:
    x = np.ones((40, 4), np.float32) / 2
    assert np.isfinite(project(x, build(x, np.ones(40, bool), 15), np.ones(40, bool))).all()


def test_no_usable_row_at_all() -> None:
    x = np.zeros((3, 4), np.float32)
    assert np.isnan(project(x, build(x, np.zeros(3, bool), 5), np.zeros(3, bool))).all()


def test_progress_counts_epochs_and_may_cancel() -> None:
    x, _, graph = groups()
    said: list[Progress] = []
    project(x, graph, np.ones(90, bool), progress=said.append)
    assert said[-1].total > 0
    assert said[-1].unit == "epochs"

    def stop(p: Progress) -> None:
        if p.total:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        project(x, graph, np.ones(90, bool), progress=stop)
