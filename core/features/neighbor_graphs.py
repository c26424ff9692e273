"""The graphs of a workspace: built, or extended where the dataset grew a little, and kept with a search index.

neighbors/whitening.npy             (d + 1, r): the projection into the half-whitened space, its offset last
neighbors/whitened.npy              (n, r) float32
neighbors/raw_*.npy label_*.npy     indices and distances of both graphs
neighbors/index.faiss               inner products with the raw unit rows; ids are row numbers
neighbors/graphs.json               metric, recall and method of each, and whose embeddings they are of
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import WorkspaceError
from ..storage.artifacts import load_array, load_json, save_array, save_json
from ..storage.scan_tables import load_graph
from ..types import EmbeddingSet, Float32, Int64, Neighbors, Progress, ProgressFn
from .neighbors import Whitening, build_with_centres, extend, whitening
from .vector_index import SearchIndex, probes_for, write_index

NAMES = ("raw", "label")
_GREW = 0.05
"""Share of rows that may be new, in all since the graphs were last built, for them to be extended."""


@dataclass(frozen=True)
class RowMatch:
    """before : (n,) int64, the row that a sample had in the embeddings ``key``, −1 = new or changed."""

    before: Int64
    key: str


@dataclass(frozen=True)
class _Old:
    graphs: Mapping[str, Neighbors]
    space: Whitening
    drift: float
    centres: Float32 | None


def make_graphs(
    folder: Path,
    embedding: EmbeddingSet,
    ks: tuple[int, int],
    device: str,
    seed: int,
    grown: RowMatch | None,
    progress: ProgressFn,
) -> tuple[list[Path], Mapping[str, Any]]:
    """Write the graphs of ``embedding`` into ``folder``; returns the files and what is to be known of them.

    Parameters
    ----------
    ks
        Neighbours of the raw and of the half-whitened graph.
    grown
        How the rows relate to those of the graphs that lie there. With at most a twentieth of the rows new since they
        were built, graphs are extended: the raw graph lists what a new search would list, and the half-whitened space
        stays as it was fitted (its directions hardly move).
    """
    ok = np.asarray(embedding.ok, bool)
    vectors = embedding.vectors
    old = None if grown is None else _old(folder, grown, ks, len(ok))
    progress(Progress("graphs", 0, 3, "graphs", "half-whitening"))
    space = whitening(vectors, ok, seed=seed) if old is None else old.space
    files = {name: folder / f"{name}.npy" for name in ("whitening", "whitened")}
    save_array(files["whitening"], space.as_array())
    save_array(files["whitened"], space(vectors, ok))
    info: dict[str, Any] = {"embedding": embedding.fingerprint, "drift": 0.0 if old is None else old.drift}
    centres = None if old is None else old.centres
    for i, (name, k) in enumerate(zip(NAMES, ks, strict=True), start=1):
        verb = "" if old is None else "extending "
        progress(Progress("graphs", i, 3, "graphs", f"{verb}{name} neighbours"))
        rows = vectors if name == "raw" else load_array(files["whitened"])
        if old is not None and grown is not None:
            graph = extend(old.graphs[name], grown.before, rows, ok, device)
        else:
            graph, found = build_with_centres(rows, ok, k, device, seed)
            centres = found if name == "raw" else centres
        for part, array in (("indices", graph.indices), ("distances", graph.distances)):
            files[f"{name}_{part}"] = folder / f"{name}_{part}.npy"
            save_array(files[f"{name}_{part}"], array)
        info[name] = {"metric": graph.metric, "recall": graph.recall, "method": graph.method}
        del graph
    files["index"] = folder / "index.faiss"
    write_index(files["index"], vectors, ok, centres)
    probes, recall = probes_for(SearchIndex(files["index"]), vectors, ok, seed)
    info["index"] = {"probes": probes, "recall": recall}
    files["json"] = folder / "graphs.json"
    save_json(files["json"], info)
    return list(files.values()), info


def _old(folder: Path, grown: RowMatch, ks: tuple[int, int], n: int) -> _Old | None:
    """The graphs in ``folder`` if they can be extended to n rows: of the embeddings meant, as wide, and not too old."""
    try:
        info = load_json(folder / "graphs.json")
        drift = float(info.get("drift", 1.0)) + float(np.mean(grown.before < 0))
        if info.get("embedding") != grown.key or drift > _GREW:
            return None
        graphs = {name: load_graph(folder, name) for name in NAMES}
        space = Whitening.of(load_array(folder / "whitening.npy", mmap=False))
        centres = SearchIndex(folder / "index.faiss").centres()
    except WorkspaceError:
        return None
    same = tuple(graphs[name].k for name in NAMES) == ks and len(graphs["raw"].indices) > grown.before.max(initial=-1)
    return _Old(graphs, space, drift, centres) if same else None
