"""k-means for methods that need parts of their own."""

from __future__ import annotations

import numpy as np

from ...types import Float32, Int32


def parts(x: Float32, k: int, seed: int) -> tuple[Int32, Float32]:
    """Part of each row (m,) int32 and the unit centres (k', d): spherical k-means, k' = min(k, m)."""
    import faiss

    m, d = x.shape
    k = max(1, min(k, m))
    if k == m:
        return np.arange(m, dtype=np.int32), x.copy()
    x = np.ascontiguousarray(x, np.float32)
    made = faiss.Kmeans(
        d, k, niter=10, seed=seed, spherical=True, min_points_per_centroid=1, max_points_per_centroid=256
    )
    made.train(x)
    centres = np.asarray(made.centroids, np.float32).reshape(k, d)
    return np.argmax(x @ centres.T, axis=1).astype(np.int32), centres
