"""Find the neighbours of every sample, by raw cosine and in the half-whitened space (neighbors/)."""

from __future__ import annotations

from ... import fingerprint as fp
from ...features import encoders
from ...features.neighbor_graphs import NAMES, RowMatch, make_graphs
from ...features.neighbors import NEIGHBORS_VERSION
from ...storage.scan_tables import load_graph
from ...types import EmbeddingSet, Neighbors
from ..run import Run


def run(scan: Run, embedding: EmbeddingSet, row_match: RowMatch | None) -> dict[str, Neighbors]:
    """Build both graphs, or extend them where few rows are new; by name, memory-mapped."""
    config, folder = scan.config, scan.layout.neighbors
    ks = (config.neighbors, config.label_neighbors)
    key = fp.of(embedding.fingerprint, *ks, config.seed, NEIGHBORS_VERSION)
    device = encoders.resolve_device(config.device)
    scan.stage("graphs", key, lambda: make_graphs(folder, embedding, ks, device, config.seed, row_match, scan.report))
    return {name: load_graph(folder, name) for name in NAMES}
