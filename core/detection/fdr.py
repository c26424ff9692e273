"""Lists of flagged samples at a stated false-flag rate: a share q of a list at most is expected to be listed wrongly.

Two rules:

- **posterior** (every kind, where no ordinary samples are named): the longest list over which the mean of 1 − p is at
  most q. It needs nothing but the kind's probability and is as reliable as its calibration: an over-confident p gives
  a list that is too long. For ``ood`` and ``duplicate`` 1 − p is a local false discovery rate against an empirical
  null; for ``noisy_label`` it is the posterior of the consensus. ``hard`` and ``naive`` are degrees rather than facts:
  their lists follow the score, and there is no truth that could make an entry false.
- **conformal** (any kind, with a sample of known ordinary ones): p-values against that sample, then
  Benjamini–Hochberg. It uses only the order of the scores, so it holds for any scores, however badly calibrated, as
  long as the known ones are like the unknown ordinary ones: drawn at random and inspected, not picked because they
  look ordinary.

No null is picked from the scan itself. Samples whose label is confirmed by beliefs and neighbours look suitable, but
every kind's probability, that of ``ood`` included, is computed from beliefs, labels and neighbours. A null chosen by
them has low scores by construction, the p-values of difficult but ordinary samples become far too small, and the lists
are mostly false. Weights for the selection (Tibshirani et al. 2019) reduce the error and do not remove it.

References
----------
Benjamini & Hochberg (JRSS B 1995); Bates, Candès, Lei, Romano & Sesia, "Testing for outliers with conformal p-values"
(Annals of Statistics 2023; the p-values are PRDS, so that Benjamini–Hochberg holds); Efron, "Large-scale inference"
(2010) and Müller, Parmigiani, Robert & Rousseau (JASA 2004) for the posterior rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import QueryError, choices
from ..types import ISSUE_KINDS, Bool, Float32, Kind, Strings

Method = Literal["posterior", "conformal"]

WORTH_A_LOOK = 50
"""Samples next in rank below the verdicts of a kind that are offered at least; more where more are flagged."""

LEAST_PRECISION = 0.05
"""Probability from which a sample is worth a look: one in twenty is of the kind. Below, the ranking says nothing."""

LOOKED_AT = (Kind.OOD, Kind.NOISY_LABEL, Kind.DUPLICATE)
"""Kinds whose probability is one, so that it says what a look is worth."""


@dataclass(frozen=True, slots=True)
class FlaggedRows:
    """The rows that can be flagged at a rate.

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


@dataclass(frozen=True, slots=True)
class FlagList:
    """Samples of one kind, of which at most a share ``rate`` is expected to be listed wrongly.

    Attributes
    ----------
    kind
        The kind's name.
    rate
        The false-flag rate, in (0, 1).
    ids
        Sample ids, by descending probability.
    tested
        How many samples could have been listed.
    threshold
        Least probability listed, None = nothing listed.
    expected_false, estimated_precision, method
        See :class:`FlaggedRows`.
    worth_a_look
        Ids of the next in rank, neither listed nor with a verdict of the kind: see :func:`next_in_rank`.
    worth_a_look_precision
        Share of these that are expected to be of the kind; 0 where there are none.
    """

    kind: str
    rate: float
    ids: list[str]
    tested: int
    threshold: float | None
    expected_false: float
    estimated_precision: float
    method: Method
    worth_a_look: list[str] = field(default_factory=list)
    worth_a_look_precision: float = 0.0


def check_kind(kind: str) -> str:
    """The kind's name.

    Raises
    ------
    QueryError
        There is no such kind.
    """
    if kind not in set(ISSUE_KINDS):
        raise QueryError(f"{kind!r} is not a kind of problem. There are: {choices(map(str, ISSUE_KINDS))}.")
    return str(kind)


def flag_list(
    kind: str,
    rate: float,
    probability: Float32,
    ids: Strings,
    ordinary: Sequence[int] | None = None,
    flag: Bool | None = None,
) -> FlagList:
    """The list for :meth:`winnow.core.Workspace.flag_list`.

    Parameters
    ----------
    kind
        The kind's name.
    rate
        The false-flag rate, in (0, 1).
    probability
        (n,) of the kind, in [0, 1].
    ids
        (n,) sample ids.
    ordinary
        Rows that are known not to be of the kind; None = the posterior rule.
    flag
        (n,) which samples have a verdict of the kind.

    Raises
    ------
    QueryError
        As :func:`flagged_rows`, or there is no such kind.
    """
    null = None
    if ordinary is not None:
        null = np.zeros(len(probability), bool)
        null[np.asarray(ordinary, np.int64)] = True
    flagged = flagged_rows(probability, rate, null)
    flags = np.zeros(len(probability), bool) if flag is None else np.array(flag, bool)
    flags[flagged.rows] = True
    look = next_in_rank(probability, flags) if kind in LOOKED_AT else np.zeros(0, np.int64)
    return FlagList(
        kind=check_kind(kind),
        rate=rate,
        ids=ids[flagged.rows].tolist(),
        tested=len(probability) - (int(null.sum()) if null is not None else 0),
        threshold=flagged.threshold if len(flagged.rows) else None,
        expected_false=flagged.expected_false,
        estimated_precision=flagged.estimated_precision,
        method=flagged.method,
        worth_a_look=ids[look].tolist(),
        worth_a_look_precision=float(np.mean(probability[look])) if len(look) else 0.0,
    )


def next_in_rank(probability: ArrayLike, flag: Bool) -> NDArray[np.int64]:
    """(m,) the rows worth a look: the next in rank that are not flagged, ties by row.

    As many as are flagged, and at least 50, as far down as one in twenty is expected to be of the kind. The mean of
    their probabilities estimates their precision.
    """
    p = np.asarray(probability, np.float64)
    rows = np.flatnonzero(~flag & (p >= LEAST_PRECISION))
    return rows[np.argsort(-p[rows], kind="stable")][: max(WORTH_A_LOOK, int(flag.sum()))]


def flagged_rows(probability: ArrayLike, rate: float, null: ArrayLike | None = None) -> FlaggedRows:
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
        never listed. With m of them no p-value is below 1 / (m + 1), so that a list of k out of t tested needs
        (m + 1) q k ≥ t. None = the posterior rule.

    Raises
    ------
    QueryError
        A rate outside (0, 1), a probability that is NaN or outside [0, 1], a null of another shape or an empty one.
    """
    p = np.asarray(probability, np.float64)
    _checked(p, rate)
    if null is None:
        return _by_posterior(p, rate)
    known = np.asarray(null, bool)
    if known.shape != p.shape:
        raise QueryError(f"The null has shape {known.shape}; it needs one entry per sample: {len(p)}.")
    if len(p) and not known.any():
        raise QueryError("The null is empty. Name samples that are known to be ordinary, or leave it out altogether.")
    return _by_conformal(p, rate, known)


def _checked(p: NDArray[np.float64], rate: float) -> None:
    if not 0.0 < rate < 1.0:
        raise QueryError(f"A false-flag rate of {rate!r} means nothing. Give one above 0 and below 1, such as 0.05.")
    if p.ndim != 1 or not np.all((p >= 0.0) & (p <= 1.0)):
        raise QueryError("The probabilities must be one number in [0, 1] per sample, without NaN.")


def conformal_p(score: ArrayLike, reference: ArrayLike) -> NDArray[np.float64]:
    """(n,) conformal p-values in (0, 1]; 1 where the reference is empty.

    Notes
    -----
    Formula: (1 + #{reference ≥ score}) / (m + 1) for m references (Bates et al. 2023).
    """
    s, r = np.asarray(score, np.float64), np.sort(np.asarray(reference, np.float64))
    at_least = len(r) - np.searchsorted(r, s, side="left")
    return np.asarray((1.0 + at_least) / (len(r) + 1.0), np.float64)


def benjamini_hochberg(p: ArrayLike, rate: float) -> Bool:
    """(n,) bool, which hypotheses are rejected at false discovery rate ``rate`` (Benjamini & Hochberg 1995)."""
    values = np.asarray(p, np.float64)
    n = len(values)
    ordered = np.sort(values)
    passed = np.flatnonzero(ordered <= rate * np.arange(1, n + 1) / max(n, 1))
    if len(passed) == 0:
        return np.zeros(n, bool)
    return np.asarray(values <= ordered[passed[-1]], bool)


def _by_conformal(p: NDArray[np.float64], rate: float, known: Bool) -> FlaggedRows:
    tested = np.flatnonzero(~known)
    values = conformal_p(p[tested], p[known])
    rejected = benjamini_hochberg(values, rate) & (p[tested] > 0)
    listed = np.zeros(len(p), bool)
    listed[tested[rejected]] = True
    expected = len(tested) * float(values[rejected].max()) if rejected.any() else 0.0
    return _ordered(p, listed, expected, "conformal")


def thresholds(probability: ArrayLike, rates: Sequence[float]) -> dict[float, float]:
    """``flagged_rows(probability, rate).threshold`` for each rate, from one sort."""
    p = np.asarray(probability, np.float64)
    for rate in rates:
        _checked(p, rate)
    levels = _levels(p)
    return {rate: _lowest_passing_threshold(*levels, rate)[0] for rate in rates}


def _levels(p: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Probabilities above 0, descending; the number of samples at each; the expected false flags down to it."""
    levels, counts = np.unique(p[p > 0], return_counts=True)
    levels, counts = levels[::-1], counts[::-1]
    return levels, counts, np.cumsum((1.0 - levels) * counts)


def _lowest_passing_threshold(
    thresholds: NDArray[np.float64], counts: NDArray[np.int64], expected_false: NDArray[np.float64], rate: float
) -> tuple[float, float]:
    """The lowest threshold whose list keeps the rate, and its expected false flags; infinite and 0 where none does."""
    # the mean of 1 − p rises along the list, so the last threshold that passes is the lowest
    passing = np.flatnonzero(expected_false <= rate * np.cumsum(counts) + 1e-12)
    if len(passing) == 0:
        return float("inf"), 0.0
    return float(thresholds[passing[-1]]), float(expected_false[passing[-1]])


def _by_posterior(p: NDArray[np.float64], rate: float) -> FlaggedRows:
    threshold, expected = _lowest_passing_threshold(*_levels(p), rate)
    return _ordered(p, p >= threshold, expected, "posterior")


def _ordered(p: NDArray[np.float64], listed: Bool, expected: float, method: Method) -> FlaggedRows:
    rows = np.flatnonzero(listed)
    rows = rows[np.argsort(-p[rows], kind="stable")]
    if len(rows) == 0:
        return FlaggedRows(rows, float("inf"), 0.0, 1.0, method)
    return FlaggedRows(rows, float(p[rows].min()), expected, 1.0 - expected / len(rows), method)
