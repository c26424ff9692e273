"""Flag lists at a stated false-flag rate: of what is listed, at most a share q is expected to be listed wrongly.

Two rules:

- **posterior** (every kind, where nobody has named ordinary samples): the longest list over which the mean of 1 − p is at
  most q. It needs nothing but the kind's probability and promises as much as its calibration: an over-confident p gives
  a longer list than was asked for. For ``ood`` and ``duplicate`` 1 − p is a local false discovery rate against an
  empirical null; for ``noisy_label`` it is the posterior of the consensus. ``hard`` and ``naive`` are degrees rather than
  facts: their lists hold what the score says, there is no truth to be false against.
- **conformal** (any kind, with a sample of known ordinary ones): p-values against that sample, then Benjamini–Hochberg. It
  uses only the order of the scores, so it holds for any scores, however badly calibrated, as long as the known ones
  are like the unknown ordinary ones: drawn at random and looked at, not picked because they look ordinary.

Why no null is picked from the scan itself: samples whose label is confirmed by beliefs and neighbours look like one, but
beliefs, labels and neighbours are what every kind's probability is made of, ``ood`` included. Chosen so, the null has
low scores by construction, p-values of difficult but ordinary samples come out far too small, and the lists are mostly
false. Weights for the selection (Tibshirani et al. 2019) lessen that and do not mend it.

Sources: Benjamini & Hochberg (JRSS B 1995); Bates, Candès, Lei, Romano & Sesia, "Testing for outliers with conformal
p-values" (Annals of Statistics 2023; the p-values are PRDS, so that Benjamini–Hochberg holds); Efron, "Large-scale
inference" (2010) and Müller, Parmigiani, Robert & Rousseau (JASA 2004) for the posterior rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import QueryError
from ..types import Bool

Method = Literal["posterior", "conformal"]


@dataclass(frozen=True, slots=True)
class StrictList:
    """What can be flagged at the rate asked for.

    Attributes
    ----------
    rows
        (k,) int64, by descending probability, ties by row.
    threshold
        Least probability listed; inf = none listed.
    expected_false
        How many of them are expected to be listed wrongly, in [0, rate · k].
    estimated_precision
        1 − expected_false / k; 1 for an empty list.
    method
        The rule that was used.
    """

    rows: NDArray[np.int64]
    threshold: float
    expected_false: float
    estimated_precision: float
    method: Method


def flag_list(probability: ArrayLike, rate: float, null: ArrayLike | None = None) -> StrictList:
    """The longest list whose expected share of false flags is at most ``rate``.

    Samples of one probability are listed together or not at all; probability 0 is never listed.

    Parameters
    ----------
    probability
        (n,) of the kind, in [0, 1], without NaN.
    rate
        q, 0 < q < 1.
    null
        (n,) bool, samples known to be ordinary, drawn at random among the ordinary; they are the reference and are
        never listed. With m of them no p-value is below 1 / (m + 1), so that a list of k out of t tested needs (m +
        1) q k ≥ t. None: the posterior rule.

    Raises
    ------
    QueryError
        a rate outside (0, 1), a probability that is NaN or outside [0, 1], a null of another shape or empty.
    """
    p = np.asarray(probability, np.float64)
    _checked(p, rate)
    if null is None:
        return _by_posterior(p, rate)
    known = np.asarray(null, bool)
    if known.shape != p.shape:
        raise QueryError(f"The null has shape {known.shape}; it must have one entry for each of the {len(p)} samples.")
    if len(p) and not known.any():
        raise QueryError("The null is empty. Name samples that are known to be ordinary, or leave it out altogether.")
    return _by_conformal(p, rate, known)


def _checked(p: NDArray[np.float64], rate: float) -> None:
    if not 0.0 < rate < 1.0:
        raise QueryError(f"A false-flag rate of {rate!r} means nothing. Give one above 0 and below 1, such as 0.05.")
    if p.ndim != 1 or not np.all((p >= 0.0) & (p <= 1.0)):
        raise QueryError("The probabilities must be one number in [0, 1] per sample, without NaN.")


def conformal_p(score: ArrayLike, reference: ArrayLike) -> NDArray[np.float64]:
    """(n,) conformal p-values in (0, 1]: (1 + #{reference ≥ score}) / (m + 1) for m references (Bates et al. 2023).

    An empty reference gives 1: nothing can be said.
    """
    s, r = np.asarray(score, np.float64), np.sort(np.asarray(reference, np.float64))
    at_least = len(r) - np.searchsorted(r, s, side="left")
    return np.asarray((1.0 + at_least) / (len(r) + 1.0), np.float64)


def benjamini_hochberg(p: ArrayLike, rate: float) -> Bool:
    """(n,) which hypotheses are rejected at false discovery rate ``rate`` (the step-up of Benjamini & Hochberg 1995)."""
    values = np.asarray(p, np.float64)
    n = len(values)
    ordered = np.sort(values)
    passed = np.flatnonzero(ordered <= rate * np.arange(1, n + 1) / max(n, 1))
    if len(passed) == 0:
        return np.zeros(n, bool)
    return np.asarray(values <= ordered[passed[-1]], bool)


def _by_conformal(p: NDArray[np.float64], rate: float, known: Bool) -> StrictList:
    tested = np.flatnonzero(~known)
    values = conformal_p(p[tested], p[known])
    rejected = benjamini_hochberg(values, rate) & (p[tested] > 0)
    listed = np.zeros(len(p), bool)
    listed[tested[rejected]] = True
    expected = len(tested) * float(values[rejected].max()) if rejected.any() else 0.0
    return _list(p, listed, expected, "conformal")


def thresholds(probability: ArrayLike, rates: Sequence[float]) -> dict[float, float]:
    """``flag_list(probability, rate).threshold`` for each rate, from one sort."""
    p = np.asarray(probability, np.float64)
    for rate in rates:
        _checked(p, rate)
    level, count, false = _levels(p)
    return {rate: _last(level, count, false, rate)[0] for rate in rates}


def _levels(p: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Probabilities above 0, descending; how many samples have each; and the expected false flags of a list down to it."""
    level, count = np.unique(p[p > 0], return_counts=True)
    level, count = level[::-1], count[::-1]
    return level, count, np.cumsum((1.0 - level) * count)


def _last(
    level: NDArray[np.float64], count: NDArray[np.int64], false: NDArray[np.float64], rate: float
) -> tuple[float, float]:
    """The lowest level whose list keeps the rate, and the expected false flags of it; infinite and 0 where none does."""
    fits = np.flatnonzero(false <= rate * np.cumsum(count) + 1e-12)  # the mean of 1 − p rises along the list
    return (float(level[fits[-1]]), float(false[fits[-1]])) if len(fits) else (float("inf"), 0.0)


def _by_posterior(p: NDArray[np.float64], rate: float) -> StrictList:
    least, expected = _last(*_levels(p), rate)
    return _list(p, p >= least, expected, "posterior")


def _list(p: NDArray[np.float64], listed: Bool, expected: float, method: Method) -> StrictList:
    rows = np.flatnonzero(listed)
    rows = rows[np.argsort(-p[rows], kind="stable")]
    if len(rows) == 0:
        return StrictList(rows, float("inf"), 0.0, 1.0, method)
    return StrictList(rows, float(p[rows].min()), expected, 1.0 - expected / len(rows), method)
