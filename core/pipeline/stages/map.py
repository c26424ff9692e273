"""Project the embeddings onto the plane of the map (projection.npy)."""

from __future__ import annotations

from collections.abc import Sequence

from ... import fingerprint as fp
from ...features.projection import PROJECTION_VERSION, project
from ...storage.artifacts import load_array, save_array
from ...types import Float32, Neighbors
from ..run import Outputs, Run
from .embedding import Embedded, any_ok
from .neighbors import EncoderGraphs
from .pooled_graphs import graph_key


def run(scan: Run, embedded: Sequence[Embedded], graphs: Sequence[EncoderGraphs], graph: Neighbors) -> Float32:
    """Compute the (n, 2) float32 coordinates of UMAP, NaN where a sample is not embedded.

    The layout follows ``graph``, of all encoders together, and starts from the first encoder's principal components.
    """
    path, seed = scan.layout.projection, scan.config.seed

    def make() -> Outputs:
        save_array(path, project(graphs[0].whitened, graph, any_ok(embedded), seed=seed, progress=scan.report))
        return [path], {}

    scan.stage("map", fp.of(graph_key(scan), seed, PROJECTION_VERSION), make)
    return load_array(path)
