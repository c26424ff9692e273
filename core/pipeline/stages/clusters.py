"""Cluster the neighbour graph at two levels (clusters.parquet)."""

from __future__ import annotations

from ... import fingerprint as fp
from ...features.clusters import CLUSTERS_VERSION, cluster
from ...storage import scan_tables
from ...types import Bool, Clusters, Neighbors
from ..run import Outputs, Run


def run(run: Run, ok: Bool, graph: Neighbors) -> Clusters:
    """The clusters. ok : (n,) bool, which samples are embedded."""
    path, seed = run.layout.clusters, run.config.seed

    def make() -> Outputs:
        scan_tables.save_clusters(path, cluster(graph, ok, seed=seed))
        return [path], {}

    run.stage("clusters", fp.of(run.keys["graphs"], seed, CLUSTERS_VERSION), make)
    return scan_tables.load_clusters(path)
