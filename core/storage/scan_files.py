"""Reads the arrays that a scan wrote: embeddings, neighbour graphs, beliefs, clusters.

Only the stages that write these files open them too.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..types import Beliefs, Bool, Clusters, Float32, Neighbors
from .artifacts import iter_table, load_array, load_json, load_schema, load_table
from .layout import Layout
from .scan_tables import load_beliefs, load_clusters, load_graph
from .tag_tables import TagTables


class ScanFiles:
    """The arrays of one scan, memory-mapped, each opened when it is first used; None where the scan did not write it.

    Parameters
    ----------
    layout
        Of the workspace.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    @cached_property
    def vectors(self) -> NDArray[Any] | None:
        """(n, d) float16 embeddings, unit rows where ``ok``."""
        path = self._layout.embeddings / "vectors.npy"
        return load_array(path) if path.exists() else None

    @cached_property
    def ok(self) -> Bool | None:
        """(n,) bool, whether a sample is embedded."""
        path = self._layout.embeddings / "ok.npy"
        return np.asarray(load_array(path), bool) if path.exists() else None

    @cached_property
    def whitened(self) -> Float32 | None:
        """(n, r) float32 half-whitened embeddings: what the probe is trained on."""
        path = self._layout.neighbors / "whitened.npy"
        return load_array(path) if path.exists() else None

    @cached_property
    def raw_graph(self) -> Neighbors | None:
        """The neighbour graph on raw cosine distance; of several encoders, the pooled one."""
        return self._graph("raw")

    @cached_property
    def label_graph(self) -> Neighbors | None:
        """The neighbour graph in the half-whitened space; of several encoders, the pooled one."""
        return self._graph("label")

    def _graph(self, name: str) -> Neighbors | None:
        folder = self._layout.pooled if self._several else self._layout.neighbors
        return load_graph(folder, name) if (folder / "graphs.json").exists() else None

    @cached_property
    def _several(self) -> bool:
        """Whether the last scan had several encoders (files of an earlier one may still be there)."""
        results = self._layout.results
        return results.exists() and len(load_json(results).get("encoders", ())) > 1

    @cached_property
    def index_probes(self) -> int:
        """How many cells of the search index hold a sample's neighbours; 0 = no index."""
        path = self._layout.neighbors / "graphs.json"
        return int(load_json(path).get("index", {}).get("probes", 0)) if path.exists() else 0

    @cached_property
    def beliefs(self) -> Beliefs | None:
        """What the probe run believed."""
        folder = self._layout.probe
        return load_beliefs(folder) if (folder / "beliefs.json").exists() else None

    @property
    def probs(self) -> Float32 | None:
        """(n, C) float32 out-of-sample beliefs over the dataset's own classes."""
        return self.beliefs.probs if self.beliefs is not None else None

    @cached_property
    def clusters(self) -> Clusters | None:
        """The clusters at both levels."""
        path = self._layout.clusters
        return load_clusters(path) if path.exists() else None

    @cached_property
    def tags(self) -> TagTables | None:
        """The tags, and what the models believe of them; None where the last scan had none."""
        results = self._layout.results
        return TagTables(self._layout) if results.exists() and load_json(results).get("n_tags") else None

    @cached_property
    def projection(self) -> Float32 | None:
        """(n, 2) float32 places on the map, NaN = not placed."""
        path = self._layout.projection
        return np.asarray(load_array(path), np.float32) if path.exists() else None

    @cached_property
    def captions(self) -> NDArray[Any] | None:
        """(n, d) float16 unit rows of the captions of image–text pairs."""
        path = self._layout.root / "captions" / "vectors.npy"
        return load_array(path) if path.exists() else None

    def signal(self, name: str) -> NDArray[Any] | None:
        """(n,) float32 scores of one signal, NaN = not scored; None where it did not run."""
        path = self._layout.signals
        if not path.exists() or name not in load_schema(path).names:
            return None
        return cast("NDArray[Any]", load_table(path, columns=[name]).column(0).to_numpy())

    def all_signals(self, n: int) -> tuple[list[str], NDArray[np.float32]]:
        """Names of all signals that ran, and their scores, (n, number of signals) float32."""
        path = self._layout.signals
        if not path.exists():
            return [], np.zeros((n, 0), np.float32)
        names = [f.name for f in load_schema(path) if pa.types.is_floating(f.type) and "." not in f.name]
        scores = np.empty((n, len(names)), np.float32)
        start = 0
        for batch in iter_table(path, names):
            for j, name in enumerate(names):
                scores[start : start + len(batch), j] = batch.column(name).to_numpy(zero_copy_only=False)
            start += len(batch)
        return names, scores
