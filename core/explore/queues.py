"""Queues worth working through: what to look at next, beyond a plain filter, and how long it takes.

A **pick** chooses and orders samples that nobody has decided yet, within any filter. ``Filter.pick`` names it, so
that a queue is a link; the same decisions give the same queue in every browser. A new pick is one entry of
:data:`PICKS`: a title, a sentence, and a SELECT of ``(row, place)`` from the relation ``open``:

    open(row, label, suggested, verdict, confidence, cluster, <kind>, <kind>_flag …)   the undecided, matching samples
    verdicts                                                                          all samples of the scan
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median

import numpy as np
import pyarrow as pa

from ..detection.fdr import LEAST_PRECISION, LOOKED_AT, WORTH_A_LOOK
from ..errors import QueryError, choices
from ..types import ISSUE_KINDS, PROBLEMS, Decision, Float32, Kind

CLICKS = 30
"""Decisions in the pick "thirty"."""

DOUBT = 0.15
"""How far from its threshold a probability may lie to be uncertain."""

USUAL_SECONDS = 3.0
"""Seconds for one decision where nothing is known about a person's pace."""

_PAUSE = 30.0
_ENOUGH = 12


@dataclass(frozen=True, slots=True)
class Pick:
    """One way to choose and order undecided samples. ``sql`` continues ``WITH open AS (…)``: see the module."""

    name: str
    title: str
    explain: str
    sql: str


_THIRTY = f"""
, flagged AS (
    SELECT row, verdict, confidence AS p,
           CASE WHEN verdict = 'noisy_label' THEN concat_ws(chr(31), label, suggested) ELSE cluster::VARCHAR END
               AS "group"
    FROM open WHERE verdict IN ({", ".join(f"'{k.value}'" for k in PROBLEMS)})
), seats AS (
    SELECT row, verdict, p * sum(p) OVER (PARTITION BY verdict, "group")
           / row_number() OVER (PARTITION BY verdict, "group" ORDER BY p DESC, row) AS gain
    FROM flagged
), turns AS (
    SELECT row, gain, row_number() OVER (PARTITION BY verdict ORDER BY gain DESC, row) AS turn FROM seats
)
SELECT row, row_number() OVER (ORDER BY turn, gain DESC, row) AS place FROM turns QUALIFY place <= {CLICKS}
"""

_DOUBT = f"""
, threshold AS (
    SELECT coalesce(min(noisy_label) FILTER (WHERE noisy_label_flag), 0.5) AS noisy,
           coalesce(min(ood) FILTER (WHERE ood_flag), 0.5) AS odd
    FROM verdicts
), near AS (
    SELECT row, label, least(abs(noisy_label - noisy), abs(ood - odd)) AS margin FROM open, threshold
), turns AS (
    SELECT row, margin, row_number() OVER (PARTITION BY label ORDER BY margin, row) AS turn
    FROM near WHERE margin <= {DOUBT}
)
SELECT row, row_number() OVER (ORDER BY turn, margin, row) AS place FROM turns
"""

_NEXT = " UNION ALL ".join(
    f"(SELECT row, {k.value} AS p FROM open WHERE NOT {k.value}_flag AND {k.value} >= {LEAST_PRECISION} "
    f"ORDER BY p DESC, row LIMIT (SELECT greatest({WORTH_A_LOOK}, count(*)) FROM verdicts WHERE {k.value}_flag))"
    for k in LOOKED_AT
)
_LOOK = f"""
, next AS ({_NEXT}), best AS (SELECT row, max(p) AS p FROM next GROUP BY row)
SELECT row, row_number() OVER (ORDER BY p DESC, row) AS place FROM best JOIN open USING (row)
WHERE verdict NOT IN ({", ".join(f"'{k.value}'" for k in PROBLEMS)})
"""

PICKS: dict[str, Pick] = {
    pick.name: pick
    for pick in (
        Pick(
            "thirty",
            f"Top {CLICKS}",
            f"The {CLICKS} decisions worth most: every kind of problem in turn, and within a kind the surest of each "
            "confusion or cluster, the larger ones more often.",
            _THIRTY,
        ),
        Pick(
            "doubt",
            "Uncertain",
            "Samples that could go either way: a label or a place in the dataset that is neither clearly wrong nor "
            "clearly right, every class in turn.",
            _DOUBT,
        ),
        Pick(
            "look",
            "Worth a look",
            "The next in rank below the verdicts, as far down as one in twenty is expected to be what its score says.",
            _LOOK,
        ),
    )
}
"""Name → pick.

``thirty``: the gain of a decision is p · S / r, where p is the probability of the sample's verdict, S the expected
number of problems (Σp) of its group (the pair given → suggested, or the cluster), and r the sample's rank by p there.
Dividing by the rank is D'Hondt's rule: groups get places in proportion to the problems expected in them. Kinds take
turns.

``doubt``: margin sampling (Settles, "Active Learning Literature Survey", 2009, §2.1): the distance of the probability
of ``noisy_label`` or ``ood``, as re-estimated from the decisions, from the least probability that the scan flagged,
whichever is nearer; classes take turns.

``look``: of outliers, noisy labels and duplicates, those next in rank below the verdict, as many as are flagged and at
least 50, with a probability of .05 or more (:func:`winnow.core.detection.fdr.next_in_rank`), without those that have
the verdict of another problem.
"""


def check_pick(name: str) -> str:
    """The pick's name.

    Raises
    ------
    QueryError
        There is no such pick; the message names the choices.
    """
    if name not in PICKS:
        raise QueryError(f"No queue is called {name!r}. There are: {choices(PICKS)}.")
    return name


def revised_table(probability: Mapping[Kind, Float32], n_decisions: Mapping[Kind, int]) -> pa.Table | None:
    """The re-estimated probabilities for :func:`pick_sql`: row and a column per kind. None before any decision.

    Parameters
    ----------
    probability
        kind → (n,) in [0, 1].
    n_decisions
        kind → how many decisions it was learnt from: see
        :class:`winnow.core.review.active_learning.estimate.RevisedBeliefs`.
    """
    if not any(n_decisions.values()):
        return None
    n = len(next(iter(probability.values())))
    columns = {kind.value: pa.array(p, pa.float32()) for kind, p in probability.items()}
    return pa.table({"row": pa.array(np.arange(n, dtype=np.int32)), **columns})


def pick_sql(name: str, source: str, where: str, revised: Sequence[str] = ()) -> str:
    """The SELECT of (row, place) of a pick.

    Parameters
    ----------
    name
        The pick.
    source
        ``FROM …`` with aliases d (dataset), v (verdicts) and s (decisions in force).
    where
        ``WHERE …`` or "".
    revised
        Kinds whose probability the relation ``revised`` holds (:func:`revised_table`); for the others the scan's
        counts.
    """
    current = {k.value: f"l.{k.value}" if k.value in revised else f"v.{k.value}" for k in ISSUE_KINDS}
    kinds = ", ".join(f"{current[k.value]} AS {k.value}, v.{k.value}_flag" for k in ISSUE_KINDS)
    sure = " ".join(f"WHEN '{k}' THEN {current[k]}" for k in revised if k in current)
    confidence = f"CASE v.verdict {sure} ELSE v.confidence END" if sure else "v.confidence"
    undecided = f"{where} AND s.state IS NULL" if where else "WHERE s.state IS NULL"
    columns = "d.row, d.label, v.suggested_label AS suggested, v.verdict"
    head = f"SELECT {columns}, {confidence} AS confidence, v.cluster, {kinds}"
    join = " JOIN revised l ON l.row = d.row" if revised else ""
    return f"WITH open AS ({head} {source}{join} {undecided}){PICKS[check_pick(name)].sql}"


def seconds_per_decision(decisions: Iterable[Decision]) -> float:
    """A person's pace: the median seconds between two single decisions, pauses and bulk verdicts left out.

    Pauses are gaps of over 30 s. USUAL_SECONDS where fewer than 12 gaps are known.

    Parameters
    ----------
    decisions
        One person's rows of the log, in any order.
    """
    at = sorted(datetime.fromisoformat(d.at).timestamp() for d in decisions if d.batch_id is None)
    gaps = _working(at)
    return max(0.2, median(gaps)) if len(gaps) >= _ENOUGH else USUAL_SECONDS


def _working(at: Sequence[float]) -> list[float]:
    return [b - a for a, b in pairwise(at) if 0 < b - a <= _PAUSE]
