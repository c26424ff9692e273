"""Faults of every pair of sample and tag: a given tag that is one too many, an absent one that is missing.

The logits of :mod:`.beliefs` look at the sample alone. Three things are added to them:

- **lift**: log((O + a) / (E + a)) for every other tag that the sample was given, where O counts how often the two tags
  are given together, the sample itself left out, and E how often the models expect it. So only what the features do not
  already explain counts.
- **surplus**: half of (tags given − tags expected) of the whole sample, against each of its tags. Who carries three
  tags where the models expect 1.2 has probably one too many; who carries fewer than expected, one too few.
- **the only tag** of a sample is one too many only as far as another is likelier instead: its odds of being wrong are
  multiplied by the best odds among the others (at most 1) plus the share of samples that carry none at all.

On the scale z that this gives, less a quarter of the logit of the tag's frequency, the chance that a tag is given is
ε + (1 − ε − μ)·τ(α + βz), where τ mixes a logistic curve with one half as steep, for difficult pairs. ε is the rate of
tags too many among samples that should not carry them, μ the rate of missing ones among those that should. The five
numbers are fitted by maximum likelihood to all pairs. Where the curve has no floor (or no ceiling), the difficult pairs
explain everything, and nothing is called wrong. Bayes' rule then gives the probability that a pair is wrong; it has a
rate of its own for either fault and needs no pair known to be right.

Notes
-----
Not as in one paper. The floor and the ceiling are the label noise of Natarajan et al. (2013, "Learning with noisy
labels"), the missing side that of Elkan and Noto (2008, "Learning classifiers from only positive and unlabeled data");
the conditional on the other tags is what classifier chains learn (Read et al. 2011), in closed form. The constants (a,
½, ¼) were chosen on comments with 28 emotions and tested on pictures of several digits. There, lists at a stated rate
of false flags hold it within 1.5 times for tags too many, and within 2 times for missing ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import expit, logit

from ...types import Bool, Float32, Int64, ProgressFn, quiet
from ..arithmetic import row_blocks
from .beliefs import TagBeliefs, TagInputs, known_pairs, tag_beliefs

TAGS_VERSION = 1
"""Raised when the numbers change."""
FLAGGED_FROM = 0.5
"""A pair is flagged where it is likelier wrong than right."""
_SURPLUS = 0.5
_FREQUENCY = 0.25
_PSEUDO = 10.0
"""a: pairs of tags seen together less often say little."""
_LEAST_ODDS = 1e-3
_BINS = 400
_FIT_PAIRS = 4_000_000
_QUOTED = 10
_OFTEN = float(np.log(2.0))


@dataclass(frozen=True)
class TagEvidence:
    """What is believed about every pair of n samples and T tags.

    Attributes
    ----------
    belief
        (n, T) float32 in [0, 1]: probability that the sample carries the tag, from everything but whether it was given;
        NaN where it is not modelled or the sample has no features.
    wrong
        (n, T) float32 in [0, 1]: probability that a given tag is one too many, or an absent one missing; 0 where there
        is nothing to say.
    flag
        (n, T) bool, ``wrong`` ≥ ½.
    rate_extra
        (T,) float32: share of the given tags that are one too many.
    rate_missing
        (T,) float32: share of the samples that should carry the tag and do not.
    info
        Plain values: weights of the views, ε, μ, how many tags have a model.
    lift
        (T, T) float32, [j, l] = log((O + a) / (E + a)) of tags j and l; 0 where not modelled.
    """

    belief: Float32
    wrong: Float32
    flag: Bool
    rate_extra: Float32
    rate_missing: Float32
    info: Mapping[str, Any] = field(default_factory=dict)
    lift: Float32 = field(default_factory=lambda: np.zeros((0, 0), np.float32))


def judge_tags(inputs: TagInputs, progress: ProgressFn = quiet) -> TagEvidence:
    """Judge every pair of sample and tag.

    Parameters
    ----------
    inputs
        The tags and features.
    progress
        Called as the stage "tags"; may raise ``Cancelled``.

    Returns
    -------
    TagEvidence
        Without any belief (all NaN, nothing flagged) where there is nothing to learn from.
    """
    n, total = inputs.tags.shape
    belief = np.full((n, total), np.nan, np.float32)
    wrong = np.zeros((n, total), np.float32)
    rates = np.zeros((2, total), np.float32)
    lift = np.zeros((total, total), np.float32)
    info: dict[str, Any] = {"modelled": 0, "extra": 0.0, "missing": 0.0, "weights": {}}
    models = tag_beliefs(inputs, progress)
    if models is not None:
        m = models.modelled
        y = csr_array(inputs.tags[:, m] * inputs.ok[:, None])
        lift[np.ix_(m, m)], z = _in_context(models, y, inputs)
        belief[np.ix_(inputs.ok, m)] = expit(z[inputs.ok])
        z -= _only_tag(z, y, inputs.ok)
        frequency = np.clip(y.sum(0) / max(int(inputs.ok.sum()), 1), 1e-5, 1 - 1e-5)
        z -= np.asarray(_FREQUENCY * logit(frequency), np.float32)
        curve = _fit(z, y, inputs, m)
        for block in row_blocks(n, len(m)):
            given = y[block].toarray()
            p = curve.wrong(z[block], given)
            p[~known_pairs(inputs, m, block)] = 0
            wrong[block, m] = p
            rates[0, m] += (p * given).sum(0)
            rates[1, m] += (p * ~given).sum(0)
        given_count = np.asarray(y.sum(0))
        rates[1, m] /= np.maximum(given_count - rates[0, m] + rates[1, m], 1e-9)
        rates[0, m] /= np.maximum(given_count, 1)
        info = {
            "modelled": len(m),
            "extra": curve.extra,
            "missing": curve.missing,
            "weights": models.weights,
        }
    return TagEvidence(belief, wrong, wrong >= FLAGGED_FROM, rates[0], rates[1], info, lift)


def _in_context(models: TagBeliefs, y: csr_array, inputs: TagInputs) -> tuple[Float32, Float32]:
    """The lift of pairs of tags (m, m), and the logits with lift and surplus added (n, m)."""
    logits = models.logits
    together = (y.astype(np.float32).T @ y.astype(np.float32)).toarray()
    expected = np.zeros_like(together)
    for block in row_blocks(len(logits), logits.shape[1]):
        expected += y[block].astype(np.float32).T @ expit(logits[block])
    lift = np.log((together + _PSEUDO) / (expected + _PSEUDO))
    np.fill_diagonal(lift, 0)
    z = logits.copy()
    count = np.diff(y.indptr)
    for block in _given_blocks(count, logits.shape[1]):
        some = y[block]
        row = np.repeat(np.arange(some.shape[0]), np.diff(some.indptr))
        given, p = some.toarray(), expit(logits[block])
        # without the sample itself
        own = np.log((together[some.indices] - given[row] + _PSEUDO) / (expected[some.indices] - p[row] + _PSEUDO))
        own[np.arange(len(row)), some.indices] = 0
        np.add.at(z[block], row, own)
    for block in row_blocks(len(z), z.shape[1]):
        known = known_pairs(inputs, models.modelled, block)
        surplus = count[block] - (expit(z[block]) * known).sum(1)
        z[block] -= np.asarray(_SURPLUS * surplus, np.float32)[:, None]
    return lift, z


def _given_blocks(count: NDArray[Any], columns: int) -> Iterator[slice]:
    """Slices of rows in which the given tags × columns are at most 2²⁴ (of one row, however many)."""
    most = max((1 << 24) // max(columns, 1), 1)
    ends = np.concatenate([[0], np.cumsum(count)])
    start = 0
    while start < len(count):
        stop = max(int(np.searchsorted(ends, ends[start] + most, "right")) - 1, start + 1)
        yield slice(start, stop)
        start = stop


def _only_tag(z: Float32, y: csr_array, ok: Bool) -> csr_array:
    """What the logit of a sample's only tag rises by, negative numbers at those pairs: :mod:`.evidence`, third rule."""
    rows = np.flatnonzero((np.diff(y.indptr) == 1) & ok)
    column = y.indices[y.indptr[rows]]
    others = z[rows].copy()
    others[np.arange(len(rows)), column] = -np.inf
    best = np.exp(np.minimum(others.max(1, initial=-np.inf), 0))
    none = float((np.diff(y.indptr)[ok] == 0).mean()) if ok.any() else 0.0
    change = np.log(np.clip(best + none, _LEAST_ODDS, 1.0)).astype(np.float32)
    return csr_array((change, (rows, column)), shape=z.shape)


def _carried(x: NDArray[Any], difficult: float) -> NDArray[Any]:
    """(1 − δ)·σ(x) + δ·σ(x / 2): a share δ of the pairs is difficult, and the models are half as sure of those."""
    return np.asarray((1 - difficult) * expit(x) + difficult * expit(x / 2))


@dataclass(frozen=True)
class _Curve:
    """P(given | z) = ε + (1 − ε − μ)·τ(α + βz); ``difficult`` is δ of :func:`_carried`."""

    alpha: float
    beta: float
    extra: float
    missing: float
    difficult: float

    def wrong(self, z: Float32, given: Bool) -> Float32:
        """The probability that each pair is wrong."""
        t = _carried(self.alpha + self.beta * z, self.difficult)
        e, m = self.extra, self.missing
        too_many = e * (1 - t) / np.maximum(e * (1 - t) + (1 - m) * t, 1e-12)
        lacking = m * t / np.maximum(m * t + (1 - e) * (1 - t), 1e-12)
        return np.where(given, too_many, lacking).astype(np.float32)


def _fit(z: Float32, y: csr_array, inputs: TagInputs, columns: Int64) -> _Curve:
    """The curve that makes the given tags likeliest, over quantiles of z."""
    step = max(1, z.size // _FIT_PAIRS)
    rows = np.flatnonzero(inputs.ok)
    rows = rows[np.random.default_rng(inputs.seed).permutation(len(rows))[: max(1, len(rows) // step)]]
    known = known_pairs(inputs, columns, rows)
    at, given = z[rows][known].astype(np.float64), y[rows].toarray()[known]
    parts = np.array_split(np.argsort(at, kind="stable"), min(_BINS, len(at)))
    x = np.array([at[p].mean() for p in parts])
    hits, size = np.array([given[p].sum() for p in parts]), np.array([len(p) for p in parts])

    def loss(raw: NDArray[np.float64]) -> float:
        alpha, log_beta, log_extra, log_missing, difficult = raw
        t = _carried(alpha + np.exp(log_beta) * x, expit(difficult))
        e, m = np.exp(log_extra), np.exp(log_missing)
        p = np.clip(e * (1 - t) + (1 - m) * t, 1e-9, 1 - 1e-9)
        return float(
            -(hits * np.log(p) + (size - hits) * np.log1p(-p)).sum() + log_beta**2 / 2 + (difficult + 1) ** 2 / 2
        )

    bounds = [(-5, 5), (-1.5, 1.5), (np.log(1e-6), np.log(0.2)), (np.log(1e-6), np.log(0.7)), (-6, 1)]
    starts = [[0.0, 0.0, e, m, -1.0] for e in (-7.0, -4.0) for m in (-5.0, -1.5)]
    fits = [minimize(loss, start, method="L-BFGS-B", bounds=bounds) for start in starts]
    alpha, log_beta, log_extra, log_missing, difficult = min(fits, key=lambda r: float(r.fun)).x
    return _Curve(
        float(alpha),
        float(np.exp(log_beta)),
        float(np.exp(log_extra)),
        float(np.exp(log_missing)),
        float(expit(difficult)),
    )


def tag_reasons(inputs: TagInputs, evidence: TagEvidence, row: int, tag: int) -> str:
    """Say in a sentence with its numbers why a tag is doubted, or suggested, for a sample."""
    given = set(inputs.tags[[row]].indices.tolist())
    name = inputs.tag_names[tag]
    parts = []
    near = inputs.neighbors.indices[row][: min(_QUOTED, inputs.neighbors.k)] if inputs.neighbors is not None else []
    near = [int(i) for i in near if i >= 0]
    if near:
        carry = int(inputs.tags[near][:, [tag]].sum())
        parts.append(f"{carry} of {len(near)} nearest samples carry “{name}”")
    parts.append(f"the models give it {evidence.belief[row, tag]:.2f}")
    others = [o for o in given if o != tag]
    if others:
        strongest = max(others, key=lambda o: abs(float(evidence.lift[o, tag])))
        lift = float(evidence.lift[strongest, tag])
        if abs(lift) >= _OFTEN:
            often = "often" if lift > 0 else "rarely"
            parts.append(f"it {often} comes with “{inputs.tag_names[strongest]}”")
    return "; ".join(parts) + "."
