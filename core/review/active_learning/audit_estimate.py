"""What a stratified random sample says about a whole: totals, shares and ratios with intervals that assume nothing.

Every stratum is a finite set of samples of which some, drawn at random, were looked at. How many of the whole stratum
are wrong is bounded by the exact hypergeometric interval (Clopper and Pearson's, for a finite stratum); the intervals
of the strata are put together by the method of variance estimates recovery, which takes only their limits. So no
probability of the scan has to be right, and a stratum in which nothing wrong was found keeps an upper limit above 0.

References
----------
Clopper, Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial", Biometrika 1934.
Zou, Donner, "Construction of confidence limits about effect measures: a general approach", Statistics in Medicine 2008.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
"""Coverage of every interval."""
_GRID = np.linspace(0.0, 1.0, 1001)


@dataclass(frozen=True)
class IntervalEstimate:
    """An estimated number with its 95% interval."""

    value: float
    low: float
    high: float

    def as_json(self, digits: int = 1) -> dict[str, float]:
        """Plain values, rounded."""
        return {"value": round(self.value, digits), "low": round(self.low, digits), "high": round(self.high, digits)}

    def over(self, n: float) -> IntervalEstimate:
        """The same as a share of ``n`` (> 0)."""
        return IntervalEstimate(self.value / n, self.low / n, self.high / n)


@dataclass(frozen=True)
class StratumCount:
    """What is known of one stratum.

    Attributes
    ----------
    size
        Samples in it.
    drawn
        Of these, how many were drawn at random and answered; ``size`` = all are known.
    hits
        How many of those were wrong (or whatever is counted).
    guess
        Share in [0, 1] that is taken for the estimate, not for the interval, while nothing has been answered.
    """

    size: int
    drawn: int
    hits: int
    guess: float = 0.0


def exact_interval(size: int, drawn: int, hits: int, level: float = LEVEL) -> tuple[int, int]:
    """Exact interval for the number of hits in a finite set: all numbers that neither tail of the draw rejects.

    Parameters
    ----------
    size, drawn, hits
        See :class:`StratumCount`; 0 ≤ hits ≤ drawn ≤ size.
    level
        Coverage, at least.

    Returns
    -------
    tuple of int
        (least, most), within [hits, size − (drawn − hits)].
    """
    from scipy.stats import hypergeom

    tail = (1.0 - level) / 2
    least, most = hits, size - (drawn - hits)
    if drawn == 0 or least == most:
        return least, most

    def as_many(total: int) -> bool:  # so many or more hits are not too unlikely
        return float(hypergeom.sf(hits - 1, size, total, drawn)) > tail

    def as_few(total: int) -> bool:
        return float(hypergeom.cdf(hits, size, total, drawn)) > tail

    low, high = least, most
    while low < high:  # the first total at which as_many holds
        middle = (low + high) // 2
        low, high = (low, middle) if as_many(middle) else (middle + 1, high)
    first = low
    low, high = least, most
    while low < high:  # the last at which as_few holds
        middle = (low + high + 1) // 2
        low, high = (middle, high) if as_few(middle) else (low, middle - 1)
    return first, low


def _estimate(stratum: StratumCount) -> IntervalEstimate:
    low, high = exact_interval(stratum.size, stratum.drawn, stratum.hits)
    share = stratum.hits / stratum.drawn if stratum.drawn else stratum.guess
    return IntervalEstimate(float(np.clip(stratum.size * share, low, high)), float(low), float(high))


def total(strata: Sequence[StratumCount]) -> IntervalEstimate:
    """How many hits there are in all strata together.

    Notes
    -----
    T = Σ_k N_k h_k / n_k, the Horvitz–Thompson estimate of a stratified sample; the interval is
    [T − √Σ (T_k − l_k)², T + √Σ (u_k − T_k)²], with [l_k, u_k] the exact interval of each stratum.
    """
    parts = [_estimate(s) for s in strata]
    value = sum(p.value for p in parts)
    down = float(np.sqrt(sum((p.value - p.low) ** 2 for p in parts)))
    up = float(np.sqrt(sum((p.high - p.value) ** 2 for p in parts)))
    least, most = sum(p.low for p in parts), sum(p.high for p in parts)
    return IntervalEstimate(value, max(least, value - down), min(most, value + up))


def part_of(inside: Sequence[StratumCount], outside: Sequence[StratumCount]) -> IntervalEstimate | None:
    """Share of all hits that lie in the strata ``inside``: the recall, where these are what was flagged.

    None where no hit is known at all.

    Notes
    -----
    A share r is in the interval when (1 − r)·T_inside − r·T_outside may be 0, by the same combination of the exact
    intervals as in :func:`total` (Fieller's argument). So it stays within [0, 1], and with hits on one side only too.
    """
    own, other = [_estimate(s) for s in inside], [_estimate(s) for s in outside]
    hits, misses = sum(p.value for p in own), sum(p.value for p in other)
    if hits + misses <= 0:
        return None
    r = _GRID
    gap = (1 - r) * hits - r * misses

    def spread(parts: Sequence[IntervalEstimate], upward: bool) -> float:
        return float(sum((p.high - p.value if upward else p.value - p.low) ** 2 for p in parts))

    above = gap + np.sqrt((1 - r) ** 2 * spread(own, True) + r**2 * spread(other, False))
    below = gap - np.sqrt((1 - r) ** 2 * spread(own, False) + r**2 * spread(other, True))
    possible = r[(above >= -1e-9) & (below <= 1e-9)]
    value = hits / (hits + misses)
    low, high = (float(possible[0]), float(possible[-1])) if len(possible) else (value, value)
    return IntervalEstimate(value, min(low, value), max(high, value))
