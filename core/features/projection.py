"""The map: every sample as a point in the plane, near its neighbours."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..types import Bool, Float32, Neighbors, Progress, ProgressFn, quiet

PROJECTION_VERSION = 1
"""Raised when the same input gives another map."""

_NEIGHBORS = 15
_MIN_DIST = 0.1
_TINY = 12
"""Below this many samples a neighbour graph says nothing; two principal components do."""
_FEW, _MANY = 10_000, 200_000
"""More rows than these get fewer epochs."""


class _Epochs:
    """The stream that tqdm writes to: turns its counter into progress, and lets ``Cancelled`` stop the layout."""

    def __init__(self, report: ProgressFn) -> None:
        self._report = report

    def write(self, text: str) -> None:
        """Report the epoch that the text counts."""
        done, slash, total = text.strip().partition("/")
        if slash and done.isdigit() and total.isdigit():
            self._report(Progress("map", int(done), int(total), "epochs"))

    def flush(self) -> None:
        """Do nothing: writes are not buffered."""


def project(
    vectors: NDArray[Any],
    neighbors: Neighbors,
    ok: Bool,
    seed: int | None = 0,
    progress: ProgressFn = quiet,
) -> Float32:
    """Compute UMAP from known neighbours, started from the first two principal components.

    Parameters
    ----------
    vectors
        (n, d), the space of ``neighbors`` (only used to start the layout).
    neighbors
        At least a few neighbours per row; the nearest 15 are used.
    ok
        (n,) bool.
    seed
        The same seed gives the same map, and costs speed: threads that update one layout are not reproducible, so a
        seeded layout runs on one core (about 5 s for 14,000 samples). ``None`` uses every core.
    progress
        Called about ten times a second during the layout; may raise ``Cancelled``.

    Returns
    -------
    (n, 2) float32, NaN where not ``ok``. With fewer than 12 usable samples the two principal components are
    returned instead, and ``progress`` says so.

    Notes
    -----
    The attraction of i and j is wᵢⱼ = exp(−max(0, dᵢⱼ − ρᵢ)/σᵢ), made symmetric by w + wᵀ − w∘wᵀ; the layout
    minimises the cross-entropy with 1/(1 + a‖yᵢ − yⱼ‖^2b).

    References
    ----------
    McInnes, Healy and Melville (2018), "UMAP: Uniform Manifold Approximation and Projection for Dimension Reduction",
    arXiv:1802.03426.
    """
    n = len(ok)
    xy = np.full((n, 2), np.nan, np.float32)
    good = np.flatnonzero(ok)
    if len(good) == 0:
        return xy
    start = _principal_plane(np.asarray(vectors[good], np.float32), seed)
    if len(good) < _TINY or neighbors.k < 2:
        progress(Progress("map", len(good), len(good), message="too few samples for UMAP: principal components shown"))
        xy[good] = start
        return xy
    xy[good] = _umap(start, neighbors, good, seed, progress)
    return xy


def _umap(
    start: Float32, neighbors: Neighbors, good: NDArray[np.int64], seed: int | None, progress: ProgressFn
) -> Float32:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # umap warns of threads and of absent optional packages on import
        import umap.umap_ as umap

    m = len(good)
    progress(Progress("map", 0, 0, "epochs", "neighbour weights"))
    indices, distances = _self_first(neighbors, good)
    random = np.random.RandomState(seed)
    a, b = umap.find_ab_params(1.0, _MIN_DIST)
    graph, _, _ = umap.fuzzy_simplicial_set(
        start, indices.shape[1], random, "euclidean", knn_indices=indices, knn_dists=distances
    )
    layout, _ = umap.simplicial_set_embedding(
        start,
        graph,
        2,
        initial_alpha=1.0,
        a=a,
        b=b,
        gamma=1.0,
        negative_sample_rate=5,
        n_epochs=300 if m <= _FEW else 200 if m <= _MANY else 100,
        init=start,
        random_state=random,
        metric="euclidean",
        metric_kwds={},
        densmap=False,
        densmap_kwds={},
        output_dens=False,
        parallel=seed is None,
        tqdm_kwds={"disable": False, "file": _Epochs(progress), "bar_format": "{n_fmt}/{total_fmt}"},
    )
    return np.asarray(layout, np.float32)


def _self_first(neighbors: Neighbors, good: NDArray[np.int64]) -> tuple[NDArray[np.int32], Float32]:
    """The graph of the ok rows as umap-learn expects it: each row itself first, then its nearest, −1 for none."""
    place = np.full(len(neighbors.indices) + 1, -1, np.int32)
    place[good] = np.arange(len(good), dtype=np.int32)
    k = min(_NEIGHBORS - 1, neighbors.k)
    indices = place[neighbors.indices[good, :k]]
    distances = np.where(indices >= 0, neighbors.distances[good, :k], np.inf)
    own = np.arange(len(good), dtype=np.int32)[:, None]
    zeros = np.zeros((len(good), 1), np.float32)
    return np.hstack([own, indices]), np.hstack([zeros, distances]).astype(np.float32)


def _principal_plane(x: Float32, seed: int | None) -> Float32:
    """Two principal components scaled to a box of 10, with a little noise so that identical rows can separate."""
    x = x - x.mean(axis=0, keepdims=True)
    scatter = x.T @ x
    axes = np.linalg.eigh(scatter.astype(np.float64))[1][:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    plane = np.zeros((len(x), 2))
    plane[:, : axes.shape[1]] = x @ axes
    spread = np.abs(plane).max()
    plane *= 10.0 / spread if spread > 1e-9 else 0.0
    return np.asarray(plane + np.random.default_rng(seed).normal(0.0, 1e-3, plane.shape), np.float32)
