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

_BLOCK = 4096
_CELLS = 4_000_000
"""Most numbers that are gathered at once: they stay in the processor's cache."""


@dataclass(frozen=True)
class EncodedRows:
    """The graph of one encoder.

    Attributes
    ----------
    graph
        Of n samples.
    ok
        (n,) bool, which samples the encoder has.
    rows
        (n, d) unit rows, the space of the graph; None = what the graph does not list is as far as the last that it
        lists, which is the least that it can be.
    share
        How much the encoder counts beside the others, > 0.
    """

    graph: Neighbors
    ok: Bool
    rows: NDArray[Any] | None = None
    share: float = 1.0


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
    scale = np.array([e.graph.typical_distance(e.ok) for e in encoded])
    indices, distances = np.full((n, k), -1, np.int32), np.full((n, k), np.inf, np.float32)
    for start in range(0, n, _BLOCK):
        rows = np.arange(start, min(n, start + _BLOCK))
        near, away_by = _candidates([(e.graph.indices[rows], e.graph.distances[rows]) for e in encoded])
        total, mass = np.zeros(near.shape, np.float32), np.zeros(near.shape, np.float32)
        for e, unit, away in zip(encoded, scale, away_by, strict=True):
            both = e.ok[rows, None] & e.ok[near] & (near >= 0)
            row, place = np.nonzero(both & np.isnan(away))
            if e.rows is None:
                away[row, place] = _farthest(e.graph, rows)[row]
            else:
                away[row, place] = _cosine_distance(e.rows, rows[row], near[row, place])
            total += np.where(both, away * np.float32(e.share / unit), 0)
            mass += both * np.float32(e.share)
        mean = np.where(mass > 0, total / np.maximum(mass, 1e-9) * np.float32(scale.mean()), np.inf)
        order = np.lexsort((np.where(near < 0, n, near), mean), axis=1)[:, :k]
        distances[rows] = np.take_along_axis(mean, order, axis=1)
        indices[rows] = np.where(np.isfinite(distances[rows]), np.take_along_axis(near, order, axis=1), -1)
        progress(Progress("graphs", int(rows[-1]) + 1, n, "samples", "pooling neighbours"))
    recall = min(e.graph.recall for e in encoded)
    return Neighbors(indices, distances, recall=recall, method=f"pooled over {len(encoded)} encoders")


def _candidates(lists: Sequence[tuple[Int32, Float32]]) -> tuple[Int32, list[Float32]]:
    """The rows in any of the lists of neighbours and distances, each once, and the distance that each list gives them.

    Returns (m, Σk) rows, −1 for the places of those that stand elsewhere, and as many distances for each list, NaN
    where the list does not have the row.
    """
    every = np.concatenate([near for near, _ in lists], axis=1)
    order = np.argsort(every, axis=1, kind="stable")
    near = np.take_along_axis(every, order, axis=1)
    away_by = []
    at = 0
    for own, distance in lists:
        away = np.full(every.shape, np.nan, np.float32)
        away[:, at : at + own.shape[1]] = np.where(own >= 0, distance, np.nan)
        away_by.append(np.take_along_axis(away, order, axis=1))
        at += own.shape[1]
    for column in range(near.shape[1] - 1, 0, -1):  # the last of equal rows passes what it knows on to the first
        same = near[:, column] == near[:, column - 1]
        for away in away_by:
            away[same, column - 1] = np.fmin(away[same, column - 1], away[same, column])
        near[same, column] = -1
    return near, away_by


def _farthest(graph: Neighbors, rows: NDArray[Any]) -> Float32:
    """(m,) the distance to the last neighbour of some rows; 2, the largest cosine distance, where there is none."""
    listed = np.where(graph.indices[rows] >= 0, graph.distances[rows], -np.inf).max(axis=1, initial=-np.inf)
    return np.where(np.isfinite(listed), listed, 2.0).astype(np.float32)


def _cosine_distance(x: NDArray[Any], one: NDArray[Any], other: NDArray[Any]) -> Float32:
    """(p,) 1 − cos of pairs of rows, read by blocks."""
    out = np.empty(len(one), np.float32)
    step = max(1, _CELLS // x.shape[1])
    for start in range(0, len(one), step):
        part = slice(start, start + step)
        left, right = (np.asarray(x[rows[part]], np.float32) for rows in (one, other))
        out[part] = 1.0 - np.einsum("ij,ij->i", left, right)
    return np.maximum(out, 0.0)
