"""The set tables of a workspace: from its stored arrays to tables with sample ids, computed once per scan."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DiskFull, ReadOnly, WorkspaceError
from .layout import Layout
from .media import load_media_features
from .names import load_names
from .sets import SETS
from .sets.base import SetFact, SetInputs, SetTable
from .store.artifacts import load_array, load_json, load_table, save_json
from .tables import load_beliefs, load_clusters
from .types import ISSUE_KINDS, Neighbors, Strings


def load_inputs(layout: Layout) -> SetInputs:
    """What the tables may look at, from the files of a scan; what a scan did not make is None."""
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

    clusters = load_clusters(layout.clusters) if layout.clusters.exists() else None
    ok = layout.embeddings / "ok.npy"
    return SetInputs(
        ok=np.asarray(load_array(ok), bool) if ok.exists() else np.ones(n, bool),
        labels=codes(dataset.column("label").to_pylist()),
        class_names=names,
        probs=load_beliefs(layout.probe).probs if (layout.probe / "beliefs.json").exists() else None,
        suggested=codes(verdicts.column("suggested_label").to_pylist()),
        neighbors=_graph(layout.neighbors),
        media=load_media_features(layout.media) if (layout.media / "media.json").exists() else None,
        texts=strings("text"),
        split=strings("split"),
        source=strings("source"),
        coarse=clusters.coarse if clusters else None,
        fine=clusters.fine if clusters else None,
        match=_match(layout),
        cluster_names={c: str(n["name"]) for c, n in load_names(layout)["fine"].items()},
        flags={str(kind): verdicts.column(f"{kind}_flag").to_numpy() for kind in ISSUE_KINDS},
    )


def _match(layout: Layout) -> Any:
    """(n,) float32 of the consensus about captions, None where there is none."""
    try:
        return load_table(layout.signals, columns=["match_consensus"]).column(0).to_numpy()
    except (WorkspaceError, IndexError, KeyError):
        return None


def _graph(folder: Path) -> Neighbors | None:
    if not (folder / "graphs.json").exists():
        return None
    info = load_json(folder / "graphs.json")["label"]
    return Neighbors(load_array(folder / "label_indices.npy"), load_array(folder / "label_distances.npy"), **info)


def answer(fact: SetFact, inputs: SetInputs, ids: Strings) -> dict[str, Any]:
    """One table as JSON: name, title, explain, columns, rows, examples (ids per row), marked (ids), summary, skipped.

    ``skipped`` says why there is no table ("" = there is one).
    """
    head: dict[str, Any] = {"name": fact.name, "title": fact.title, "explain": fact.explain}
    missing = sorted(str(need) for need in fact.requires if not inputs.has(need))
    if missing:
        empty: dict[str, Any] = {"columns": {}, "rows": [], "examples": [], "marked": [], "summary": ""}
        return {**head, **empty, "skipped": f"needs {', '.join(missing)}"}
    table = _named(fact(inputs), inputs)
    return {
        **head,
        "columns": dict(table.columns),
        "rows": table.rows,
        "examples": [[str(ids[r]) for r in rows] for rows in table.examples],
        "marked": [str(ids[r]) for r in table.marked],
        "summary": table.summary,
        "skipped": "",
    }


def _named(table: SetTable, inputs: SetInputs) -> SetTable:
    """The table with the name of each row's cluster beside its number, where clusters have names."""
    if not inputs.cluster_names or "cluster" not in table.columns:
        return table
    columns = {
        k: v
        for name, title in table.columns.items()
        for k, v in ([(name, title), ("name", "Name")] if name == "cluster" else [(name, title)])
    }
    rows = [{**row, "name": inputs.cluster_names.get(int(row["cluster"]), "")} for row in table.rows]
    return replace(table, columns=columns, rows=rows)


def sets_of(layout: Layout, generation: str, ids: Strings) -> list[dict[str, Any]]:
    """Every set table of a workspace (see :func:`answer`), kept in sets.json until a scan or a release changes them.

    Where the workspace cannot be written to, they are computed each time.
    """
    path = layout.root / "sets.json"
    versions = {fact.name: fact.version for fact in SETS}
    if path.exists():
        with contextlib.suppress(WorkspaceError):  # a damaged copy is made anew
            kept = load_json(path)
            if kept.get("generation") == generation and kept.get("versions") == versions:
                tables: list[dict[str, Any]] = kept["tables"]
                return tables
    inputs = load_inputs(layout)
    made = [answer(fact, inputs, ids) for fact in SETS]
    with contextlib.suppress(ReadOnly, DiskFull):  # only a copy: the answer does not depend on it
        save_json(path, {"generation": generation, "versions": versions, "tables": made})
    return made
