"""Check the dataset as a whole (sets.json): tables with sample ids, computed once per scan."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import Any

import numpy as np

from ...data.media import load_media_features
from ...detection.dataset_checks import DATASET_CHECKS
from ...detection.dataset_checks.base import CheckInputs, CheckTable, DatasetCheck
from ...errors import DiskFull, ReadOnly, WorkspaceError
from ...features.cluster_names import load_names
from ...storage.artifacts import load_json, load_table, save_json
from ...storage.layout import Layout
from ...storage.scan_files import ScanFiles
from ...types import ISSUE_KINDS, Progress, Strings
from ..run import Run


def load_inputs(layout: Layout) -> CheckInputs:
    """Read the inputs of the checks from the files of a scan; None where the scan did not write something."""
    names = tuple(load_json(layout.results)["class_names"])
    code = {name: i for i, name in enumerate(names)}
    dataset = load_table(layout.dataset, columns=["text", "label", "split", "source"])
    flags = [f"{kind}_flag" for kind in ISSUE_KINDS]
    verdicts = load_table(layout.verdicts, columns=["suggested_label", *flags])
    n = dataset.num_rows

    def strings(name: str) -> Strings | None:
        column = dataset.column(name)
        return None if column.null_count == n else np.array([v or "" for v in column.to_pylist()], object)

    def codes(values: list[Any]) -> Any:
        return np.array([code.get(v, -1) for v in values], np.int32)

    files = ScanFiles(layout)
    clusters = files.clusters
    return CheckInputs(
        ok=files.ok if files.ok is not None else np.ones(n, bool),
        labels=codes(dataset.column("label").to_pylist()),
        class_names=names,
        probs=files.probs,
        suggested=codes(verdicts.column("suggested_label").to_pylist()),
        neighbors=files.label_graph,
        media=load_media_features(layout.media) if (layout.media / "media.json").exists() else None,
        texts=strings("text"),
        split=strings("split"),
        source=strings("source"),
        coarse=clusters.coarse if clusters else None,
        fine=clusters.fine if clusters else None,
        match=files.signal("match_consensus"),
        cluster_names={c: str(n["name"]) for c, n in load_names(layout)["fine"].items()},
        flags={str(kind): verdicts.column(f"{kind}_flag").to_numpy() for kind in ISSUE_KINDS},
    )


def table_json(check: DatasetCheck, inputs: CheckInputs, ids: Strings) -> dict[str, Any]:
    """Run one check and write its table as JSON.

    Parameters
    ----------
    check
        The check.
    inputs
        What it may use.
    ids
        (n,) str, sample ids.

    Returns
    -------
    dict
        name, title, explain, columns, rows, examples (ids per row), marked (ids), summary, and skipped: why there is
        no table ("" = there is one).
    """
    head: dict[str, Any] = {"name": check.name, "title": check.title, "explain": check.explain}
    missing = sorted(str(need) for need in check.requires if not inputs.has(need))
    if missing:
        empty: dict[str, Any] = {"columns": {}, "rows": [], "examples": [], "marked": [], "summary": ""}
        return {**head, **empty, "skipped": f"needs {', '.join(missing)}"}
    table = _with_cluster_names(check(inputs), inputs)
    return {
        **head,
        "columns": dict(table.columns),
        "rows": table.rows,
        "examples": [[str(ids[r]) for r in rows] for rows in table.examples],
        "marked": [str(ids[r]) for r in table.marked],
        "summary": table.summary,
        "skipped": "",
    }


def _with_cluster_names(table: CheckTable, inputs: CheckInputs) -> CheckTable:
    """Add the name of each row's cluster beside its number, where clusters have names."""
    if not inputs.cluster_names or "cluster" not in table.columns:
        return table
    columns = {
        k: v
        for name, title in table.columns.items()
        for k, v in ([(name, title), ("name", "Name")] if name == "cluster" else [(name, title)])
    }
    rows = [{**row, "name": inputs.cluster_names.get(int(row["cluster"]), "")} for row in table.rows]
    return replace(table, columns=columns, rows=rows)


def run(scan: Run, ids: Strings) -> None:
    """Run every check on this scan; the manifest says what failed."""
    scan.report(Progress("sets"))
    started = time.perf_counter()
    scan.attempt("sets", lambda: dataset_checks(scan.layout, scan.keys["assemble"], ids))
    scan.seconds["sets"] = time.perf_counter() - started


def dataset_checks(layout: Layout, generation: str, ids: Strings) -> list[dict[str, Any]]:
    """The tables of all checks (see :func:`table_json`), kept in sets.json until a scan or a new version changes them.

    Parameters
    ----------
    layout
        Of the workspace; where it is read-only, the tables are computed each time.
    generation
        Fingerprint of the scan's verdict table.
    ids
        (n,) str, sample ids.
    """
    path = layout.root / "sets.json"
    versions = {check.name: check.version for check in DATASET_CHECKS}
    if path.exists():
        with contextlib.suppress(WorkspaceError):  # a damaged file is computed again
            stored = load_json(path)
            if stored.get("generation") == generation and stored.get("versions") == versions:
                return list(stored["tables"])
    inputs = load_inputs(layout)
    tables = [table_json(check, inputs, ids) for check in DATASET_CHECKS]
    with contextlib.suppress(ReadOnly, DiskFull):  # only a cache
        save_json(path, {"generation": generation, "versions": versions, "tables": tables})
    return tables
