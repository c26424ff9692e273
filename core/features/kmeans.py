"""k-means by FAISS, the same set-up for every use."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..types import Float32


def fit_kmeans(
    rows: Float32, count: int, seed: int, iterations: int, rows_per_centre: int, spherical: bool = False
) -> tuple[Float32, Any]:
    """Fit ``count`` centres to the rows.

    Parameters
    ----------
    rows
        (n, d) float32, C-contiguous, n >= count.
    count
        Centres, at least 1.
    seed
        Draws the first centres and, where there are too many rows, the sample that is used.
    iterations
        Passes of Lloyd's algorithm.
    rows_per_centre
        At most this many rows a centre are used.
    spherical
        Whether centres are scaled to unit length after every pass.

    Returns
    -------
    tuple
        Centres (count, d) float32, and the FAISS index that finds the nearest centre of a row.
    """
    import faiss  # here: subsets import this module, and opening a workspace must not load faiss

    kmeans = faiss.Kmeans(
        rows.shape[1],
        count,
        niter=iterations,
        seed=seed,
        spherical=spherical,
        min_points_per_centroid=1,
        max_points_per_centroid=rows_per_centre,
    )
    kmeans.train(rows)
    return np.asarray(kmeans.centroids, np.float32).reshape(count, -1), kmeans.index
