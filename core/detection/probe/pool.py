"""Temperature and the logarithmic opinion pool: how several models' scores become one probability.

Everything here is chosen by the out-of-sample likelihood of the *given* labels. That is consistent for P(given label
| sample) under any noise, and needs no truth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar

from ...types import Bool, Float32, Int32
from ..arithmetic import softmax

Float64 = NDArray[np.float64]

_EQUAL = 0.02
"""Pull towards equal weights, in nats: nearly equal views share the weight, a useless one loses it."""
_FIT_ROWS = 20_000
_LEAST_ROWS = 500
"""Fewer rows that all views know do not suffice to weigh them."""
_FIT_CELLS = 30_000_000
"""Most rows, and most cells (rows × classes × views), that the pool's few parameters are fitted on."""


def log_likelihood(logits: Float32, labels: Int32) -> float:
    """Mean log probability of the labels under softmax(logits): logits (n, C), labels (n,)."""
    z = torch.from_numpy(np.ascontiguousarray(logits))
    own = torch.from_numpy(labels.astype(np.int64))
    return -float(torch.nn.functional.cross_entropy(z, own))


def best_temperature(scores: Float32, labels: Int32, low: float = 0.05, high: float = 200.0) -> float:
    """The factor s > 0 for which softmax(s · scores) is likeliest; 1/s is the temperature of Guo et al. (2017)."""
    if len(scores) == 0:
        return 1.0
    optimum = minimize_scalar(
        lambda u: -log_likelihood(scores * np.float32(np.exp(u)), labels),
        bounds=(np.log(low), np.log(high)),
        method="bounded",
        options={"xatol": 0.02},
    )
    return float(np.exp(optimum.x))


def _loss(raw: Float64, stack: torch.Tensor, own: torch.Tensor, given: torch.Tensor | None) -> tuple[float, Float64]:
    """Mean negative log-likelihood under weights exp(raw), with the pull towards equal ones, and its gradient (V,).

    ``stack`` (V, rows, C) logits, ``own`` (rows,) labels, ``given`` (rows, C) the probability of each label under every
    true class, None = labels are true. What ``raw`` holds beyond the V weights are intercepts (C,), with a standard
    normal prior.
    """
    views = len(stack)
    weights, intercepts = np.exp(raw[:views]), raw[views:]
    logits = torch.einsum("v,vnc->nc", torch.from_numpy(weights).to(stack.dtype), stack)
    if len(intercepts):
        logits += torch.from_numpy(intercepts).to(stack.dtype)
    log_p = torch.log_softmax(logits, 1)
    if given is None:
        likelihood = log_p.gather(1, own[:, None]).mean()
        slope = log_p.exp_()
        slope[torch.arange(len(own)), own] -= 1
    else:
        slope = log_p.exp_()
        true = slope * given
        total = true.sum(1, keepdim=True).clamp_min(1e-12)
        likelihood = total.log().mean()
        slope -= true / total
    apart = raw[:views] - raw[:views].mean()
    gradient = torch.einsum("nc,vnc->v", slope, stack).numpy() / len(own) * weights + 2 * _EQUAL * apart / views
    loss = float(-likelihood) + _EQUAL * float(np.mean(apart**2))
    if len(intercepts):
        loss += float(np.sum(intercepts**2)) / (2 * len(own))
        gradient = np.concatenate([gradient, (slope.sum(0).numpy() + intercepts) / len(own)])
    return loss, gradient.astype(np.float64)


def pool(
    views: Mapping[str, Float32],
    labels: Int32,
    usable: np.ndarray,
    seed: int,
    present: Mapping[str, Bool] | None = None,
    intercepts: bool = False,
    transition: Float64 | None = None,
) -> tuple[Float32, dict[str, float]]:
    """Logarithmic opinion pool of several models.

    Parameters
    ----------
    views
        name → (n, C) float32 out-of-sample logits (log-probabilities, or regression scores).
    labels
        (n,) int32 class codes.
    usable
        (n,) bool, rows with a label.
    seed
        Seed of the sample of rows that the weights are fitted on.
    present
        name → (n,) bool, the rows that a view can say something about; a view that is not named knows all. In other
        rows the view's weight goes to those that are there, in proportion; the weights are fitted where all are.
    intercepts
        Whether every class has an intercept, which corrects what all views together give it too much or too little.
    transition
        (C, C) P(given j | true k) in row k. With it the pool is a belief about the true class instead of the given
        label. None = labels are taken as they are.

    Returns
    -------
    probs : (n, C) float32
        Pooled probabilities.
    weights : dict
        The weight of each view, ≥ 0.

    Notes
    -----
    Formula: q = softmax(Σ_v w_v · z_v + b) with w ≥ 0 by maximum likelihood of the given labels, Π q_y, or Π (q·T)_y
    with a transition T; b = 0 without intercepts. The likelihood of noisy labels favours views that have learned the
    noise; under T, those that know the true class.

    References
    ----------
    Genest & Zidek (1986); Satopää et al. (2014). The forward correction of Patrini et al. (CVPR 2017).
    """
    names = list(views)
    absent = {k: ~there for k, there in (present or {}).items() if k in views and not there.all()}
    rows = np.flatnonzero(usable & ~np.any(list(absent.values()), axis=0)) if absent else np.flatnonzero(usable)
    if absent and len(rows) < _LEAST_ROWS:
        rows = np.flatnonzero(usable)
    most = min(_FIT_ROWS, max(500, _FIT_CELLS // max(len(names) * views[names[0]].shape[1], 1)))
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    stack = torch.stack([torch.from_numpy(views[k][rows]) for k in names])  # (V, rows, C)
    own = torch.from_numpy(labels[rows].astype(np.int64))
    given = None if transition is None else torch.from_numpy(transition.T[labels[rows]].astype(np.float32))
    classes = views[names[0]].shape[1] if intercepts else 0
    start = np.concatenate([np.full(len(names), np.log(1 / len(names))), np.zeros(classes)])
    # not torch's LBFGS: its first step loads the compiler, which takes a second of every scan
    optimum = minimize(_loss, start, args=(stack, own, given), jac=True, method="L-BFGS-B", options={"maxiter": 60})
    weights = np.exp(optimum.x[: len(names)])
    logits = np.zeros_like(views[names[0]])
    for k, w in zip(names, weights, strict=True):
        logits += np.float32(w) * views[k]
    for k, w in zip(names, weights, strict=True):
        if k in absent:
            logits[absent[k]] -= np.float32(w) * views[k][absent[k]]
    if absent:
        left = sum(weights) - sum(w * absent[k] for k, w in zip(names, weights, strict=True) if k in absent)
        logits *= (sum(weights) / np.maximum(left, 1e-9))[:, None].astype(np.float32)
    if intercepts:
        logits += optimum.x[len(names) :].astype(np.float32)
    return np.asarray(softmax(logits), np.float32), {k: float(w) for k, w in zip(names, weights, strict=True)}


def encoder_shares(votes: Sequence[Float32], labels: Int32, usable: Sequence[Bool], seed: int) -> list[float]:
    """How much each of several encoders counts beside the others, by what its neighbours say about the labels.

    Parameters
    ----------
    votes
        (n, C) float32 each: the votes of the neighbours in each encoder's graph.
    labels
        (n,) int32 class codes.
    usable
        (n,) bool each, labelled rows that the encoder has.
    seed
        As of :func:`pool`.

    Returns
    -------
    list of float
        Shares that sum to 1, in steps of a tenth, so that a few changed labels change nothing; at least a tenth each.
        Equal where fewer than 500 labelled rows are known to all.
    """
    equal = [1.0 / len(votes)] * len(votes)
    known = np.asarray(np.all(usable, axis=0))
    if votes[0].shape[1] < 2 or known.sum() < _LEAST_ROWS or len(np.unique(labels[known])) < 2:
        return equal
    views = {str(i): np.log(np.maximum(v, 1e-6)).astype(np.float32) for i, v in enumerate(votes)}
    weight = np.array(list(pool(views, labels, known, seed)[1].values()))
    tenths = np.maximum(1.0, np.round(10 * weight / max(weight.sum(), 1e-9)))
    return [float(t) for t in tenths / tenths.sum()]
