"""k-means for methods that need clusters of their own."""

from __future__ import annotations

import numpy as np

from ...features.kmeans import fit_kmeans
from ...types import Float32, Int32


def kmeans(x: Float32, k: int, seed: int) -> tuple[Int32, Float32]:
    """Spherical k-means: (m,) int32 cluster of each row, and (k', d) unit centres with k' = min(k, m)."""
    m = len(x)
    k = max(1, min(k, m))
    if k == m:
        return np.arange(m, dtype=np.int32), x.copy()
    x = np.ascontiguousarray(x, np.float32)
    centres, _ = fit_kmeans(x, k, seed, iterations=10, rows_per_centre=256, spherical=True)
    return np.argmax(x @ centres.T, axis=1).astype(np.int32), centres
