"""Join verdicts, map and clusters into the one table that queries read (verdicts.parquet)."""

from __future__ import annotations

from ... import fingerprint as fp
from ...storage import scan_tables
from ...storage.artifacts import save_table
from ...types import Clusters, Dataset, Float32, Verdicts
from ..run import Outputs, Run


def run(scan: Run, dataset: Dataset, verdicts: Verdicts, xy: Float32 | None, clusters: Clusters | None) -> None:
    """Write the table: first with the verdicts alone, so that people can begin, and again with map and clusters."""
    key = fp.of(
        scan.keys["verdicts"],
        scan.keys["dataset"],
        scan.keys.get("map") if xy is not None else None,
        scan.keys.get("clusters") if clusters is not None else None,
        1,
    )
    path = scan.layout.verdicts

    def make() -> Outputs:
        save_table(path, scan_tables.verdict_table(dataset, verdicts, xy, clusters))
        return [path], {}

    scan.stage("assemble", key, make)
