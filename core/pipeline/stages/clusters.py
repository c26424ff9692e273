"""Cluster the neighbour graph at two levels (clusters.parquet)."""

from __future__ import annotations

from ... import fingerprint as fp
from ...features.clusters import CLUSTERS_VERSION, cluster
from ...storage import scan_tables
from ...types import Bool, Clusters, Neighbors
from ..run import Outputs, Run
from .pooled_graphs import graph_key


def run(scan: Run, ok: Bool, graph: Neighbors) -> Clusters:
    """Cluster the samples that are embedded (``ok``, (n,) bool)."""
    path, seed = scan.layout.clusters, scan.config.seed

    def make() -> Outputs:
        scan_tables.save_clusters(path, cluster(graph, ok, seed=seed))
        return [path], {}

    scan.stage("clusters", fp.of(graph_key(scan), seed, CLUSTERS_VERSION), make)
    return scan_tables.load_clusters(path)
