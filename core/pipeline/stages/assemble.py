"""Join verdicts, map and clusters into the one table that queries read (verdicts.parquet)."""

from __future__ import annotations

from ... import fingerprint as fp
from ...storage import scan_tables
from ...storage.artifacts import save_table
from ...types import Clusters, Dataset, Float32, Verdicts
from ..run import Outputs, Run


def run(run: Run, dataset: Dataset, verdicts: Verdicts, xy: Float32 | None, clusters: Clusters | None) -> None:
    """Write the table; it is looked at as soon as the verdicts are there, and written again with map and clusters."""
    key = fp.of(
        run.keys["verdicts"],
        run.keys["dataset"],
        run.keys.get("map") if xy is not None else None,
        run.keys.get("clusters") if clusters is not None else None,
        1,
    )
    path = run.layout.verdicts

    def make() -> Outputs:
        save_table(path, scan_tables.verdict_table(dataset, verdicts, xy, clusters))
        return [path], {}

    run.stage("assemble", key, make)
