"""Draw the map (projection.npy)."""

from __future__ import annotations

import numpy as np

from ... import fingerprint as fp
from ...features.projection import PROJECTION_VERSION, project
from ...storage.artifacts import load_array, save_array
from ...types import EmbeddingSet, Float32, Neighbors
from ..run import Outputs, Run


def run(run: Run, embedding: EmbeddingSet, graph: Neighbors) -> Float32:
    """(n, 2) float32 coordinates of UMAP, NaN where a sample is not embedded."""
    path, seed = run.layout.projection, run.config.seed

    def make() -> Outputs:
        whitened = load_array(run.layout.neighbors / "whitened.npy")
        save_array(path, project(whitened, graph, np.asarray(embedding.ok, bool), seed=seed, progress=run.report))
        return [path], {}

    run.stage("map", fp.of(run.keys["graphs"], seed, PROJECTION_VERSION), make)
    return load_array(path)
