"""The input of a round of re-estimation: the arrays of one scan, and the decisions in force by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ...types import PROBLEMS, Bool, Float32, Int32, Kind, Neighbors

OPEN, ACCEPTED, RELABELLED, EXCLUDED, DISPUTED = 0, 1, 2, 3, 4
"""Codes of ``Decided.state``."""

_CLIP = 4.0
"""Standardised signals are clipped here, so that one extreme value cannot outvote the rest."""


@dataclass(frozen=True)
class ScanArrays:
    """One scan in row order; n samples, C classes, S signals.

    Attributes
    ----------
    labels
        (n,) int32 given label, −1 = none.
    suggested
        (n,) int32 first suggestion, −1 = none.
    classes
        C.
    probability
        kind → (n,) float32 in [0, 1], for ``PROBLEMS``.
    flag
        kind → (n,) bool.
    primary
        (n,) int8 index into ``PROBLEMS`` of the verdict, −1 = another verdict.
    signals
        (n, S) float32 in [0, 1], NaN = not scored.
    families
        (S,) str, the family of each signal ("label", "ood" or "other").
    beliefs
        (n, C) float32 or None.
    vectors
        (n, r) unit rows or None (may be memory-mapped).
    graph
        Neighbours in the same space, or None.
    cluster
        (n,) int32, −1 = none.
    """

    labels: Int32
    suggested: Int32
    classes: int
    probability: Mapping[Kind, Float32]
    flag: Mapping[Kind, Bool]
    primary: NDArray[np.int8]
    signals: Float32
    families: tuple[str, ...]
    beliefs: Float32 | None = None
    vectors: NDArray[Any] | None = None
    graph: Neighbors | None = None
    cluster: Int32 | None = None

    @property
    def n(self) -> int:
        """How many samples scored are."""
        return len(self.labels)

    @cached_property
    def suspects(self) -> Bool:
        """(n,) bool: flagged as any of PROBLEMS."""
        out = np.zeros(self.n, bool)
        for kind in PROBLEMS:
            out |= self.flag[kind]
        return out

    @cached_property
    def standardised(self) -> tuple[Float32, tuple[str, ...]]:
        """(n, S') float32 signals in standard deviations of the suspects, and their families; 0 = not scored.

        Clipped to ±4. Signals that are the same for every suspect are left out. Divided by √(signals of the family), so
        that a family with many signals weighs no more than one with few.
        """
        among = self.suspects if self.suspects.sum() >= 50 else np.ones(self.n, bool)
        x = self.signals[among].astype(np.float64)
        scored = np.isfinite(x)
        count = np.maximum(scored.sum(0), 1)
        mean = np.where(scored, x, 0.0).sum(0) / count
        sd = np.sqrt(np.where(scored, (x - mean) ** 2, 0.0).sum(0) / count)
        keep = np.flatnonzero(sd > 1e-6)
        families = tuple(self.families[i] for i in keep)
        share = np.array([families.count(f) for f in families], np.float64) ** 0.5
        out = (self.signals[:, keep] - mean[keep].astype(np.float32)) / sd[keep].astype(np.float32)
        np.nan_to_num(out, copy=False, nan=0.0)
        np.clip(out, -_CLIP, _CLIP, out=out)
        return (out / share.astype(np.float32)).astype(np.float32), families

    @cached_property
    def rivals(self) -> Float32:
        """(n, 4) float32 log-odds of each of PROBLEMS, standardised over the suspects and clipped to ±4."""
        p = np.column_stack([self.probability[k] for k in PROBLEMS]).astype(np.float64)
        x = np.log(np.clip(p, 0.01, 0.99) / np.clip(1 - p, 0.01, 0.99))
        among = x[self.suspects] if self.suspects.sum() >= 50 else x
        x = (x - among.mean(0)) / np.maximum(among.std(0), 1e-6)
        return cast("Float32", np.clip(x, -_CLIP, _CLIP).astype(np.float32))

    @cached_property
    def typical_distance(self) -> float:
        """Median distance of a sample to its neighbours."""
        assert self.graph is not None
        valid = self.graph.indices >= 0
        return float(np.median(self.graph.distances[valid])) if valid.any() else 1.0

    def nearness(self, distances: NDArray[np.floating]) -> Float32:
        """Weight of neighbours at these distances: exp(−2·distance / median distance)."""
        out: Float32 = np.exp(-2.0 * distances / max(self.typical_distance, 1e-6), dtype=np.float64).astype(np.float32)
        return out

    @cached_property
    def centre(self) -> NDArray[np.float64]:
        """(r,) mean of the vectors."""
        assert self.vectors is not None
        return cast("NDArray[np.float64]", np.asarray(self.vectors, np.float32).mean(0, dtype=np.float64))

    @cached_property
    def class_sums(self) -> NDArray[np.float64]:
        """(C, r) sum of the vectors of each class, each sample weighted by the probability that its label is right."""
        assert self.vectors is not None
        out = np.zeros((self.classes, self.vectors.shape[1]))
        right = np.where(self.labels >= 0, 1.0 - self.probability[Kind.NOISY_LABEL], 0.0)
        order = np.argsort(self.labels, kind="stable")
        edges = np.searchsorted(self.labels[order], np.arange(self.classes + 1))
        for c in range(self.classes):
            rows = order[edges[c] : edges[c + 1]]
            out[c] = right[rows] @ np.asarray(self.vectors[rows], np.float32)
        return out


@dataclass(frozen=True)
class Decided:
    """The decisions in force, in the order in which they were made; m decided samples.

    Attributes
    ----------
    rows
        (m,) int64, each once.
    state
        (m,) int8, ``ACCEPTED`` … ``DISPUTED``.
    label
        (m,) int32 the label after the decision: the given one when accepted, the new one when relabelled (−1 where it
        is a new class), else −1.
    """

    rows: NDArray[np.int64]
    state: NDArray[np.int8]
    label: Int32

    @property
    def m(self) -> int:
        """How many samples are decided."""
        return len(self.rows)

    def open(self, n: int) -> Bool:
        """(n,) bool: not decided yet."""
        out = np.ones(n, bool)
        out[self.rows] = False
        return out

    def outcome(self, kind: Kind, scan: ScanArrays) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Which decisions are evidence about ``kind``, and what they say.

        A relabel confirms a wrong label and refutes the other kinds. An exclusion confirms duplicate and broken where
        they were flagged, and ood for every sample that has neither of these flags; so an accepted sample counts as in
        distribution whether it was flagged or not. A disputed sample is no evidence.

        Returns
        -------
        positions : (k,) int64
            Into ``rows``.
        right : (k,) float64
            1.0 = the flag was right, 0.0 = it was wrong.
        """
        evident = self.state != DISPUTED
        excluded = self.state == EXCLUDED
        if kind is Kind.NOISY_LABEL:
            evident &= scan.labels[self.rows] >= 0
            return np.flatnonzero(evident), (self.state[evident] == RELABELLED).astype(np.float64)
        other = np.zeros(self.m, bool)
        for rival in (Kind.DUPLICATE, Kind.BROKEN):
            other |= scan.flag[rival][self.rows]
        evident &= (scan.flag[kind][self.rows] | ~other) if kind is Kind.OOD else scan.flag[kind][self.rows]
        return np.flatnonzero(evident), excluded[evident].astype(np.float64)
