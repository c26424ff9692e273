"""Accept the same for N like these: undecided samples that would get the same decision, with a stated probability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...types import Float32, Kind
from .estimate import RevisedBeliefs
from .propagation import suggest
from .scan_arrays import ACCEPTED, EXCLUDED, RELABELLED, ScanArrays

SURE = 0.9
"""On average, at least this share of what is offered would be decided the same."""
FEWEST = 5
"""Samples of the smallest offer."""
FEWEST_DECISIONS = 3
"""How often the same must have been decided about samples like these before more are offered."""


@dataclass(frozen=True)
class SimilarSamples:
    """Open samples like a decided one.

    Attributes
    ----------
    rows
        (m,) the surest first.
    probability
        (m,) that each would get the same decision.
    agreeing, of
        How many of the decided samples like these got this decision.
    what
        The decision, in words.
    """

    rows: NDArray[np.int64]
    probability: Float32
    agreeing: int
    of: int
    what: str


def _none(what: str, agreeing: int, of: int) -> SimilarSamples:
    return SimilarSamples(np.zeros(0, np.int64), np.zeros(0, np.float32), agreeing, of, what)


def _surest(rows: NDArray[np.int64], p: NDArray[np.floating]) -> tuple[NDArray[np.int64], Float32]:
    """The largest set, surest first, with mean probability of at least ``SURE``."""
    order = np.argsort(-p, kind="stable")
    mean = np.cumsum(p[order]) / np.arange(1, len(p) + 1)
    keep = order[: int((mean >= SURE).sum())]
    return rows[keep], p[keep].astype(np.float32)


def similar(scan: ScanArrays, now: RevisedBeliefs, row: int, names: tuple[str, ...]) -> SimilarSamples:
    """Open samples that would get the decision that ``row`` got.

    A relabel g → t: those given g whose suggestion, refreshed by the decisions, is t; probability = P(label wrong) ·
    P(t | wrong). An acceptance of g against s: those given g with suggestion s, 1 − P(label wrong). An exclusion: those
    suspects in the same cluster or within two steps of the neighbour graph, P(kind). Nothing is offered before
    the same was decided ``FEWEST_DECISIONS`` times, and more often than not, about samples like these.
    """
    decided = now.decided
    where = np.flatnonzero(decided.rows == row)
    if not len(where):
        return _none("", 0, 0)
    state, label = int(decided.state[where[0]]), int(decided.label[where[0]])
    given = int(scan.labels[row])
    free = decided.open(scan.n)
    decided_rows = decided.rows
    if state in (RELABELLED, ACCEPTED) and given >= 0:
        other = label if state == RELABELLED else int(scan.suggested[row])
        if other < 0:
            return _none("", 0, 0)
        what = f"{names[given]} → {names[other]}" if state == RELABELLED else f"keep {names[given]}"
        among = (scan.labels == given) & scan.flag[Kind.NOISY_LABEL]
        if state == ACCEPTED:
            among &= scan.suggested == other
        rows = np.flatnonzero(among & free)
        wrong = now.probability[Kind.NOISY_LABEL][rows].astype(np.float64)
        if state == RELABELLED:
            best, share = suggest(scan, decided, rows)
            matching = best == other
            rows, p = rows[matching], (wrong * np.where(np.isfinite(share), share, 1.0))[matching]
            group = (scan.labels[decided_rows] == given) & (scan.suggested[decided_rows] == other)
            same = group & (decided.state == RELABELLED) & (decided.label == other)
        else:
            p = 1.0 - wrong
            group = among[decided_rows]
            same = group & (decided.state == ACCEPTED)
    elif state == EXCLUDED:
        kind = next((k for k in (Kind.BROKEN, Kind.DUPLICATE, Kind.OOD) if scan.flag[k][row]), Kind.OOD)
        what = f"exclude {_SAYS[kind]}"
        near = _near(scan, row)
        rows = np.flatnonzero(near & free & scan.suspects)
        p = now.probability[kind][rows].astype(np.float64)
        group = near[decided_rows] & (scan.flag[kind][decided_rows] | (decided.state == EXCLUDED))
        same = group & (decided.state == EXCLUDED)
    else:
        return _none("", 0, 0)
    agreeing, of = int(same.sum()), int(group.sum())
    if agreeing < FEWEST_DECISIONS or 2 * agreeing <= of:
        return _none(what, agreeing, of)
    rows, p32 = _surest(rows, p)
    return SimilarSamples(rows, p32, agreeing, of, what) if len(rows) >= FEWEST else _none(what, agreeing, of)


_SAYS = {Kind.OOD: "out-of-distribution samples", Kind.DUPLICATE: "duplicates", Kind.BROKEN: "broken samples"}


def _near(scan: ScanArrays, row: int) -> NDArray[np.bool_]:
    """(n,) bool: of the row's cluster, its neighbours, and their neighbours."""
    out = np.zeros(scan.n, bool)
    if scan.cluster is not None and scan.cluster[row] >= 0:
        out |= scan.cluster == scan.cluster[row]
    if scan.graph is not None:
        first = scan.graph.indices[row]
        first = first[first >= 0]
        second = scan.graph.indices[first].ravel()
        out[first] = True
        out[second[second >= 0]] = True
    if scan.cluster is None and scan.graph is None:
        out[:] = True
    out[row] = False
    return out
