"""Find every sample's neighbours, by raw cosine and in the half-whitened space (neighbors/)."""

from __future__ import annotations

from ... import fingerprint as fp
from ...features import encoders
from ...features.neighbor_graphs import NAMES, RowMatch, make_graphs
from ...features.neighbors import NEIGHBORS_VERSION
from ...storage.scan_tables import load_graph
from ...types import EmbeddingSet, Neighbors
from ..run import Run


def run(run: Run, embedding: EmbeddingSet, grown: RowMatch | None) -> dict[str, Neighbors]:
    """Both graphs by name, memory-mapped: built, or extended where the dataset grew a little."""
    config, folder = run.config, run.layout.neighbors
    ks = (config.neighbors, config.label_neighbors)
    key = fp.of(embedding.fingerprint, *ks, config.seed, NEIGHBORS_VERSION)
    device = encoders.resolve_device(config.device)
    run.stage("graphs", key, lambda: make_graphs(folder, embedding, ks, device, config.seed, grown, run.report))
    return {name: load_graph(folder, name) for name in NAMES}
