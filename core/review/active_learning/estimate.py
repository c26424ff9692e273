"""One round: after a batch of decisions, the probability that each flag would be accepted, and the suggestion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...types import PROBLEMS, Float32, Kind
from .correction_model import CorrectionModel, Grouping, learn, log_odds, sigmoid
from .propagation import Edges, class_pull, excluded_pull, propagate, touching
from .scan_arrays import Decided, ScanArrays

FAMILY_SD: Mapping[str, float] = {"label": 0.3}
"""Prior standard deviation of the log-odds that a family of signals may add per standard deviation of its signals. The
label family made the scan's probability already; every other one is new to it."""
OTHER_SD = 0.7
NEIGHBOUR_SD = 2.0
"""The same for decided neighbours, in log-odds when all of them surprised in one direction."""
PULL_SD = 0.3
KIND_SD = 0.3
GIVEN_SD, SUGGESTED_SD, PAIR_SD = 0.35, 0.35, 0.5
"""Prior standard deviations of the effect of a given label, a suggested one, and the two together: before anybody has
decided, a flag rate of 60% may well be 51% or 68% for one label, and 48% or 71% for one pair."""


@dataclass(frozen=True)
class RevisedBeliefs:
    """The state of knowledge after some decisions.

    Attributes
    ----------
    probability
        kind → (n,) float32 in [0, 1], the probability that a person would confirm the kind. Without any decision that
        is the scan's own.
    shift
        kind → (n,) float32, the log-odds added to the scan's.
    n_decisions
        kind → how many decisions it was learnt from.
    decided
        The decisions.
    models, columns, groups
        What the shift was computed from.
    """

    probability: Mapping[Kind, Float32]
    shift: Mapping[Kind, Float32]
    n_decisions: Mapping[Kind, int]
    decided: Decided
    models: Mapping[Kind, CorrectionModel] = field(default_factory=dict)
    columns: Mapping[Kind, Sequence[NDArray[np.floating]]] = field(default_factory=dict)
    groups: Mapping[str, Grouping] = field(default_factory=dict)

    def variance(self, kind: Kind, rows: NDArray[np.int64], weight: NDArray[np.float64]) -> float | None:
        """Variance of Σ weight · log-odds over ``rows``, None before any decision: see :class:`.CorrectionModel`."""
        model = self.models.get(kind)
        return None if model is None else model.variance(self.columns[kind], self.groups, rows, weight)


def groupings(scan: ScanArrays) -> dict[str, Grouping]:
    """Given label, suggested label and the pair of them."""
    both = (scan.labels >= 0) & (scan.suggested >= 0)
    pair = np.where(both, scan.labels.astype(np.int64) * scan.classes + scan.suggested, -1)
    return {
        "given": Grouping(scan.labels, GIVEN_SD),
        "suggested": Grouping(scan.suggested, SUGGESTED_SD),
        "pair": Grouping(pair.astype(np.int32), PAIR_SD),
    }


def estimate(scan: ScanArrays, decided: Decided) -> RevisedBeliefs:
    """Re-estimate every kind that a person is asked about.

    For each kind: log-odds of the scan + a correction (:mod:`.correction_model`) by the scan's other signals, the given
    and suggested label, the decided neighbours (:func:`.propagation.propagate`) and the class means
    (:func:`.propagation.class_pull`). A kind that nobody has decided about keeps the scan's probability exactly.
    """
    probability: dict[Kind, Float32] = {}
    shift: dict[Kind, Float32] = {}
    n_decisions: dict[Kind, int] = {}
    models: dict[Kind, CorrectionModel] = {}
    used: dict[Kind, Sequence[NDArray[np.floating]]] = {}
    signals: Float32 | None = None  # standardised once somebody has decided anything
    edges: Edges | None = None
    means: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    groups = groupings(scan)
    for kind in PROBLEMS:
        own = scan.probability[kind]
        observed, right = decided.outcome(kind, scan)
        n_decisions[kind] = len(observed)
        if not len(observed):
            probability[kind], shift[kind] = own, np.zeros(scan.n, np.float32)
            continue
        rows = decided.rows[observed]
        offset = log_odds(own)
        if edges is None and scan.graph is not None:
            edges = touching(scan, decided.rows)
        neighbour_surprise = propagate(scan, rows, right - own[rows], edges)
        if signals is None:
            signals, families = scan.standardised
            signals = signals * np.array([FAMILY_SD.get(f, OTHER_SD) for f in families], np.float32)
        if means is None:
            means = class_pull(scan, decided), excluded_pull(scan, decided)
        columns: list[Float32 | NDArray[np.float64]] = [signals, scan.rivals, neighbour_surprise, *means]
        model = learn(offset, columns, [1.0, KIND_SD, NEIGHBOUR_SD, PULL_SD, PULL_SD], groups, rows, right)
        added = model.shift(columns, groups)
        probability[kind] = sigmoid(offset + added).astype(np.float32)
        shift[kind] = added.astype(np.float32)
        models[kind], used[kind] = model, columns
    return RevisedBeliefs(probability, shift, n_decisions, decided, models, used, groups)
