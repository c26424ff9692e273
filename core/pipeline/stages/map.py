"""Project the embeddings onto the plane of the map (projection.npy)."""

from __future__ import annotations

import numpy as np

from ... import fingerprint as fp
from ...features.projection import PROJECTION_VERSION, project
from ...storage.artifacts import load_array, save_array
from ...types import EmbeddingSet, Float32, Neighbors
from ..run import Outputs, Run


def run(scan: Run, embedding: EmbeddingSet, graph: Neighbors) -> Float32:
    """Compute the (n, 2) float32 coordinates of UMAP, NaN where a sample is not embedded."""
    path, seed = scan.layout.projection, scan.config.seed

    def make() -> Outputs:
        whitened = load_array(scan.layout.neighbors / "whitened.npy")
        save_array(path, project(whitened, graph, np.asarray(embedding.ok, bool), seed=seed, progress=scan.report))
        return [path], {}

    scan.stage("map", fp.of(scan.keys["graphs"], seed, PROJECTION_VERSION), make)
    return load_array(path)
