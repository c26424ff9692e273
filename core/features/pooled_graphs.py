"""One neighbour graph out of those of several encoders: near is what all encoders together find near."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..types import Bool, Float32, Int32, Neighbors, Progress, ProgressFn, quiet

POOLED_VERSION = 1
"""Raised when the same graphs give another pooled one."""

_BLOCK_CELLS = 16_000_000
"""Most numbers that are gathered at once."""
_TYPICAL = 10


@dataclass(frozen=True)
class EncodedRows:
    """The space of one encoder's graph: unit rows (n, d), which are there (n,), the graph, and how much it counts."""

    rows: NDArray[Any]
    ok: Bool
    graph: Neighbors
    share: float = 1.0


def typical_distance(graph: Neighbors, ok: Bool) -> float:
    """Median distance to the tenth neighbour (or the last), at least 1e-6; 1.0 where nothing has neighbours."""
    if graph.k == 0:
        return 1.0
    d = np.asarray(graph.distances[:, min(_TYPICAL, graph.k) - 1])[ok]
    d = d[np.isfinite(d)]
    return max(float(np.median(d)), 1e-6) if len(d) else 1.0


def pool_graphs(encoded: Sequence[EncodedRows], progress: ProgressFn = quiet) -> Neighbors:
    """Re-rank the neighbours that the encoders propose by their mean distance.

    Parameters
    ----------
    encoded
        Of each encoder, at least one.
    progress
        Called with the rows done as the stage "graphs"; may raise ``Cancelled``.

    Returns
    -------
    Neighbors
        k as the first graph's. A row that an encoder lacks is compared by the others.

    Notes
    -----
    Formula: d = Σ_e s_e·d_e/d̄_e / Σ_e s_e · mean_e(d̄_e) over the encoders that have both rows, s_e their share and
    d̄_e the median distance to the tenth neighbour, so that an encoder whose distances are wide does not outvote one
    whose distances are narrow. Candidates are the neighbours in any of the graphs: what no encoder lists is hardly
    ever among the nearest of the mean.
    """
    n, k = len(encoded[0].ok), encoded[0].graph.k
    scale = np.array([typical_distance(e.graph, e.ok) for e in encoded])
    indices, distances = np.full((n, k), -1, np.int32), np.full((n, k), np.inf, np.float32)
    width = sum(e.graph.k for e in encoded)
    step = max(1, _BLOCK_CELLS // max(1, width * max(e.rows.shape[1] for e in encoded)))
    for start in range(0, n, step):
        rows = np.arange(start, min(n, start + step))
        near = _candidates([e.graph.indices[rows] for e in encoded])
        total, mass = np.zeros(near.shape, np.float32), np.zeros(near.shape, np.float32)
        for e, unit in zip(encoded, scale, strict=True):
            both = e.ok[rows, None] & e.ok[near] & (near >= 0)
            total += np.where(both, _cosine_distance(e.rows, rows, near) * np.float32(e.share / unit), 0)
            mass += both * np.float32(e.share)
        away = np.where(mass > 0, total / np.maximum(mass, 1e-9) * np.float32(scale.mean()), np.inf)
        order = np.lexsort((np.where(near < 0, n, near), away), axis=1)[:, :k]
        distances[rows] = np.take_along_axis(away, order, axis=1)
        indices[rows] = np.where(np.isfinite(distances[rows]), np.take_along_axis(near, order, axis=1), -1)
        progress(Progress("graphs", int(rows[-1]) + 1, n, "samples", "pooling neighbours"))
    recall = min(e.graph.recall for e in encoded)
    return Neighbors(indices, distances, recall=recall, method=f"pooled over {len(encoded)} encoders")


def _candidates(lists: Sequence[Int32]) -> Int32:
    """(m, Σk) the rows in any of the lists, each once; −1 for the others."""
    near = np.sort(np.concatenate(lists, axis=1), axis=1)
    near[:, 1:][near[:, 1:] == near[:, :-1]] = -1
    return near


def _cosine_distance(x: NDArray[Any], rows: NDArray[np.intp], near: Int32) -> Float32:
    """(m, k) 1 − cos of each row with its candidates."""
    own = np.asarray(x[rows], np.float32)
    other = np.asarray(x[near.ravel()], np.float32).reshape(*near.shape, -1)
    cosine = np.matmul(other, own[:, :, None])[:, :, 0]
    return np.asarray(np.maximum(0.0, 1.0 - cosine), np.float32)
