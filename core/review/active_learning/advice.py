"""What the decisions so far say about the flags: their precision, how much is left, and when to stop."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import plural
from ...types import PROBLEMS, Bool, Kind
from .audit_estimate import LEVEL, IntervalEstimate
from .correction_model import log_odds, sigmoid
from .estimate import RevisedBeliefs
from .scan_arrays import ScanArrays

NEXT = 50
STOP_SHARE = 0.2
"""Stopping is suggested when fewer than this share of the next cards is expected to be confirmed."""
ENOUGH = 50
"""Decisions before a suggestion to stop is made."""
_Z = 1.96
_UNSURE = 0.5
"""Prior standard deviation of the common error, in log-odds, of the scan's probabilities."""


@dataclass(frozen=True)
class Precision:
    """How often a kind of flag was right among those decided: ``right`` of ``decided``, with a Jeffreys interval."""

    kind: str
    decided: int
    right: int
    share: float
    low: float
    high: float
    flagged: int

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Advice:
    """What lies ahead in one queue.

    Attributes
    ----------
    left
        Open samples.
    issues
        Estimated issues among them.
    next
        Expected confirmations in the next ``ahead`` cards.
    recent
        Confirmations among the last ``of`` decisions of the queue.
    stop
        Whether stopping is sensible.
    """

    left: int
    issues: IntervalEstimate
    ahead: int
    next: IntervalEstimate
    recent: int
    of: int
    stop: bool
    words: str

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "issues": self.issues.as_json(), "next": self.next.as_json()}


def jeffreys(right: int, decided: int, level: float = LEVEL) -> tuple[float, float]:
    """Jeffreys interval for a share: quantiles of Beta(right + ½, wrong + ½), with 0 and 1 at the ends.

    References
    ----------
    Brown, Cai, DasGupta, "Interval Estimation for a Binomial Proportion", Statistical Science 2001.
    """
    from scipy.stats import beta

    if not decided:
        return 0.0, 1.0
    tail = (1.0 - level) / 2
    low = 0.0 if right == 0 else float(beta.ppf(tail, right + 0.5, decided - right + 0.5))
    high = 1.0 if right == decided else float(beta.ppf(1 - tail, right + 0.5, decided - right + 0.5))
    return low, high


def precision(scan: ScanArrays, now: RevisedBeliefs) -> list[Precision]:
    """Measured precision of the flags of each kind, in the order of PROBLEMS.

    The decided samples are the most suspicious ones, not a random draw: the share describes what was reviewed, and the
    remaining flags are right less often.
    """
    out = []
    for kind in PROBLEMS:
        observed, right = now.decided.outcome(kind, scan)
        flagged = scan.flag[kind][now.decided.rows[observed]]
        m, good = int(flagged.sum()), int(right[flagged].sum())
        low, high = jeffreys(good, m)
        share = good / m if m else float("nan")
        out.append(Precision(kind.value, m, good, share, low, high, int(scan.flag[kind].sum())))
    return out


def expected(now: RevisedBeliefs, kind: Kind, rows: NDArray[np.int64], scan: ScanArrays) -> IntervalEstimate:
    """How many of ``rows`` are of the kind: the sum of their probabilities.

    Notes
    -----
    The interval covers chance, Σ p(1 − p), and errors that the probabilities share: the posterior variance of the
    correction model (delta method), and a shift common to all log-odds with standard deviation ½, which the decisions
    narrow.
    """
    p = now.probability[kind][rows].astype(np.float64)
    observed, _ = now.decided.outcome(kind, scan)
    seen = sigmoid(log_odds(scan.probability[kind][now.decided.rows[observed]]))
    common = 1.0 / (1.0 / _UNSURE**2 + float((seen * (1 - seen)).sum()))
    return _amount(p, common, now.variance(kind, rows, p * (1 - p)))


def _amount(p: NDArray[np.float64], common: float, model_variance: float | None = None) -> IntervalEstimate:
    """Σ p with its interval.

    Parameters
    ----------
    p
        (m,) probabilities.
    common
        Variance of a shift of the log-odds that all of ``p`` share.
    model_variance
        Variance of Σ p by what the correction model does not know yet.
    """
    bernoulli_variance = float((p * (1 - p)).sum())
    sd = float(np.sqrt(bernoulli_variance + common * bernoulli_variance**2 + (model_variance or 0.0)))
    value = float(p.sum())
    return IntervalEstimate(value, max(0.0, value - _Z * sd), min(float(len(p)), value + _Z * sd))


def together(amounts: Iterable[IntervalEstimate]) -> IntervalEstimate:
    """The sum of independent amounts."""
    amounts = list(amounts)
    value = sum(a.value for a in amounts)
    down = float(np.sqrt(sum((a.value - a.low) ** 2 for a in amounts)))
    up = float(np.sqrt(sum((a.high - a.value) ** 2 for a in amounts)))
    return IntervalEstimate(value, max(0.0, value - down), value + up)


def noise_rate(scan: ScanArrays, now: RevisedBeliefs) -> IntervalEstimate:
    """Share of labelled samples whose label is wrong, corrected by the decisions. Without any, the scan's estimate.

    Notes
    -----
    The sum of three parts: wrong labels confirmed so far; open flagged samples, by their re-estimated probabilities;
    and samples without a flag, by the scan's probabilities, because reviewing flags teaches nothing about how many
    wrong labels were never flagged. The interval therefore keeps the full prior uncertainty of the last part, however
    many decisions there are.
    """
    labelled = scan.labels >= 0
    n = max(int(labelled.sum()), 1)
    observed, right = now.decided.outcome(Kind.NOISY_LABEL, scan)
    unseen = labelled.copy()
    unseen[now.decided.rows[observed]] = False
    flagged = scan.flag[Kind.NOISY_LABEL]
    known = float(right.sum())
    open_flags = expected(now, Kind.NOISY_LABEL, np.flatnonzero(unseen & flagged), scan)
    p = scan.probability[Kind.NOISY_LABEL][unseen & ~flagged].astype(np.float64)
    never = _amount(p, _UNSURE**2)
    total = together([IntervalEstimate(known, known, known), open_flags, never])
    return IntervalEstimate(total.value / n, total.low / n, min(total.high / n, 1.0))


def advice(
    scan: ScanArrays, now: RevisedBeliefs, rows: NDArray[np.int64], queue: Bool, kind: NDArray[np.int8]
) -> Advice:
    """What is left of a queue.

    Parameters
    ----------
    rows
        Open rows in the order in which they will be shown.
    queue
        (n,) bool, the queue's samples, decided or not.
    kind
        (n,) int8 index into ``PROBLEMS`` of what is asked about each sample, −1 = nothing; a queue that asks nothing
        has no words.
    """

    def amount(some: NDArray[np.int64]) -> IntervalEstimate:
        return together(expected(now, k, some[kind[some] == i], scan) for i, k in enumerate(PROBLEMS))

    ahead = rows[:NEXT]
    left, soon = amount(rows), amount(ahead)
    evidence = []
    for i, k in enumerate(PROBLEMS):
        at, right = now.decided.outcome(k, scan)
        of_kind = kind[now.decided.rows[at]] == i
        evidence += list(zip(at[of_kind].tolist(), right[of_kind].tolist(), strict=True))
    recent = [good for at, good in sorted(evidence) if queue[now.decided.rows[at]]][-NEXT:]
    enough = now.decided.m >= ENOUGH or not len(rows)
    in_doubt = bool((kind[ahead] >= 0).any())
    stop = enough and soon.value < STOP_SHARE * max(len(ahead), 1) and (in_doubt or not len(rows))
    words = (
        _words(len(rows), left, len(ahead), soon, int(sum(recent)), len(recent), stop)
        if in_doubt or not len(rows)
        else ""
    )
    return Advice(len(rows), left, len(ahead), soon, int(sum(recent)), len(recent), stop, words)


def _words(
    left: int, issues: IntervalEstimate, ahead: int, soon: IntervalEstimate, recent: int, of: int, stop: bool
) -> str:
    if not left:
        return "Nothing is left in this queue."
    text = f"About {soon.value:.0f} of the next {ahead} are expected to be real ({soon.low:.0f} to {soon.high:.0f})"
    text += f"; of your last {of}, {recent} were." if of else "."
    if stop:
        text += f" Stopping here is sensible: about {issues.value:.0f} issues are left among {plural(left, 'sample')}."
    return text
