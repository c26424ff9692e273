"""The graphs of a workspace: built, or extended where few rows are new, and stored with a search index.

neighbors/whitening.npy             (d + 1, r): the projection into the half-whitened space, its offset last
neighbors/whitened.npy              (n, r) float32
neighbors/raw_*.npy label_*.npy     indices and distances of both graphs
neighbors/index.faiss               inner products with the raw unit rows; ids are row numbers
neighbors/graphs.json               metric, recall and method of each, and the key of their embeddings
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
_MOST_NEW = 0.05
"""Graphs are extended while at most this share of the rows is new since they were built."""


@dataclass(frozen=True)
class RowMatch:
    """How the rows of a dataset relate to those of the previous scan.

    Attributes
    ----------
    before
        (n,) int64, the row that a sample had in the previous embeddings, −1 = new or changed.
    key
        Fingerprint of the previous embeddings.
    """

    before: Int64
    key: str


@dataclass(frozen=True)
class _PreviousGraphs:
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
    row_match: RowMatch | None,
    progress: ProgressFn,
    searched: bool = True,
) -> tuple[list[Path], Mapping[str, Any]]:
    """Write the graphs of an embedding.

    Parameters
    ----------
    folder
        Where the files go, and where previous graphs may be.
    embedding
        The vectors.
    ks
        Neighbours of the raw and of the half-whitened graph.
    device
        "cpu" or a CUDA device.
    seed
        Draws the samples of the fits and starts k-means.
    row_match
        How the rows relate to those of the previous graphs; None = there are none. With at most a twentieth of the
        rows new since they were built, graphs are extended: the raw graph lists what a new search would list, and the
        half-whitened space stays as it was fitted (its directions hardly move).
    progress
        Called with the rows done; may raise ``Cancelled``.
    searched
        Whether a search index is written too.

    Returns
    -------
    tuple
        The files, and what graphs.json says.
    """
    vectors, ok = embedding.vectors, np.asarray(embedding.ok, bool)
    previous = None if row_match is None else _load_previous(folder, row_match, ks)
    progress(Progress("graphs", 0, 3, "graphs", "half-whitening"))
    space = whitening(vectors, ok, seed=seed) if previous is None else previous.space
    files = {name: folder / f"{name}.npy" for name in ("whitening", "whitened")}
    save_array(files["whitening"], space.as_array())
    save_array(files["whitened"], space(vectors, ok))
    info: dict[str, Any] = {"embedding": embedding.fingerprint, "drift": 0.0 if previous is None else previous.drift}
    centres = None if previous is None else previous.centres
    for i, (name, k) in enumerate(zip(NAMES, ks, strict=True), start=1):
        message = f"{'' if previous is None else 'extending '}{name} neighbours"
        progress(Progress("graphs", i, 3, "graphs", message))
        rows = vectors if name == "raw" else load_array(files["whitened"])
        if previous is not None and row_match is not None:
            graph = extend(previous.graphs[name], row_match.before, rows, ok, device)
        else:
            graph, cells = build_with_centres(rows, ok, k, device, seed, progress, message)
            centres = cells if name == "raw" else centres
        for part, array in (("indices", graph.indices), ("distances", graph.distances)):
            files[f"{name}_{part}"] = folder / f"{name}_{part}.npy"
            save_array(files[f"{name}_{part}"], array)
        info[name] = {"metric": graph.metric, "recall": graph.recall, "method": graph.method}
        del graph
    if searched:
        files["index"] = folder / "index.faiss"
        write_index(files["index"], vectors, ok, centres)
        probes, recall = probes_for(SearchIndex(files["index"]), vectors, ok, seed)
        info["index"] = {"probes": probes, "recall": recall}
    files["json"] = folder / "graphs.json"
    save_json(files["json"], info)
    return list(files.values()), info


def _load_previous(folder: Path, row_match: RowMatch, ks: tuple[int, int]) -> _PreviousGraphs | None:
    """The graphs in ``folder``, if they can be extended: of the matched embeddings, the same k, and few new rows."""
    try:
        info = load_json(folder / "graphs.json")
        drift = float(info.get("drift", 1.0)) + float(np.mean(row_match.before < 0))
        if info.get("embedding") != row_match.key or drift > _MOST_NEW:
            return None
        graphs = {name: load_graph(folder, name) for name in NAMES}
        space = Whitening.of(load_array(folder / "whitening.npy", mmap=False))
        centres = SearchIndex(folder / "index.faiss").centres() if "index" in info else None
    except WorkspaceError:
        return None
    if tuple(graphs[name].k for name in NAMES) != ks or len(graphs["raw"].indices) <= row_match.before.max(initial=-1):
        return None
    return _PreviousGraphs(graphs, space, drift, centres)
