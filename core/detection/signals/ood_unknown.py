"""One more class: the unknown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...types import Float32, Input, Int64, SignalInputs, SignalResult
from ..arithmetic import unit_rows
from ._ood import OutlierSignal, entropy, gaussians, over_neighbors, robust_scale, sorted_by_content
from .base import SIGNALS, skipped

_SEEDS = 0.01
_FOLDS = 5
_RIDGE = 0.02
_MIXED = 2
_NEAREST = 20
_MOMENT_ROWS = 62_500


class OodUnknown(OutlierSignal):
    """A class K+1 learned from the samples that look least like the others, or from those that a person confirmed.

    Notes
    -----
    Formula: v = wᵀz + b of a ridge discriminant between seeds and the rest on half-whitened rows z, scored out of fold
    (5 folds). Seeds: the 1% of largest summed ranks of Mahalanobis distance (raw and half-whitened) and entropy (own
    and of the 20 nearest), without those that a person keeps (``config["confirmed_in"]``: rows); confirmed outliers
    (``config["confirmed_ood"]``) join them, from five on each with two mixtures normalise(.7·z + .3·z') towards random
    normal samples z'. The score is :func:`._ood.robust_scale` of v.

    References
    ----------
    K+1 detection with pseudo-outliers, Vernekar et al. (2019), arXiv:1910.04241; mixing of confirmed outliers: MixOE,
    Zhang et al. (2023), WACV; learning from positive and unlabelled data: Mordelet and Vert (2014), bagging.
    """

    name = "ood_unknown"
    version = 3
    title = "Unknown class (K+1)"
    explain = "A discriminant of outliers from the rest: similar to the clearest or the confirmed outliers."
    requires = frozenset({Input.VECTORS, Input.LABEL_NEIGHBORS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the readable samples."""
        z = inputs.whitened if inputs.whitened is not None else inputs.vectors
        assert z is not None
        rows = np.flatnonzero(inputs.ok).astype(np.int64)
        confirmed = np.unique(np.asarray(inputs.config.get("confirmed_ood", ()), np.int64))
        learned = len(confirmed) >= _FOLDS
        kept = np.asarray(inputs.config.get("confirmed_in", ()), np.int64)
        seeds = np.union1d(np.setdiff1d(_seeds(inputs, rows), kept), confirmed)
        if len(rows) < 20 or len(seeds) < 2:
            return skipped(inputs, "too few samples")
        fold = _folds(sorted_by_content(z, seeds), sorted_by_content(z, rows), inputs.n)
        value = np.zeros(inputs.n)
        moments = _Moments(z, rows, fold)
        for f in range(_FOLDS):
            positive, rest = seeds[fold[seeds] != f], rows[fold[rows] != f]
            w, b = _discriminant(z, positive, rest, *moments.without(f), mixed=_MIXED if learned else 0)
            held = rows[fold[rows] == f]
            value[held] = z[held] @ w + b
        return SignalResult(robust_scale(value, inputs.ok), info={"seeds": len(seeds), "confirmed": bool(learned)})


def _seeds(inputs: SignalInputs, rows: Int64) -> Int64:
    """The rows that look least like the others to four simple views."""
    views: list[NDArray[np.float64]] = [gaussians(inputs, "vectors").to_class]
    if inputs.whitened is not None:
        views.append(gaussians(inputs, "whitened").to_class)
    if inputs.beliefs is not None and inputs.label_neighbors is not None:
        doubt = entropy(inputs.beliefs.probs)
        views += [doubt, over_neighbors(inputs.label_neighbors, doubt, inputs.ok, _NEAREST)]
    total = np.zeros(len(rows))
    for view in views:
        rank = np.argsort(np.argsort(np.nan_to_num(view[rows]), kind="stable"), kind="stable")
        total -= np.log1p(-rank / len(rows))
    count = max(5, int(_SEEDS * len(rows)))
    return np.sort(rows[np.argsort(-total, kind="stable")[:count]])


def _folds(seeds: Int64, rows: Int64, n: int) -> NDArray[np.int8]:
    """(n,) fold of every row: seeds and others each dealt out in turn."""
    fold = np.zeros(n, np.int8)
    fold[rows] = np.arange(len(rows)) % _FOLDS
    fold[seeds] = np.arange(len(seeds)) % _FOLDS
    return fold


class _Moments:
    """Mean and scatter of the rows outside each fold, from one pass over at most 62,500 of them."""

    def __init__(self, z: Float32, rows: Int64, fold: NDArray[np.int8]) -> None:
        if len(rows) > _MOMENT_ROWS:
            rows = np.sort(np.random.default_rng(0).choice(rows, _MOMENT_ROWS, replace=False))
        parts = [z[rows[fold[rows] == f]].astype(np.float64) for f in range(_FOLDS)]
        self._count = np.array([len(x) for x in parts])
        self._sum = np.array([x.sum(axis=0) for x in parts])
        self._square = np.array([x.T @ x for x in parts])

    def without(self, f: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(r,) mean and (r, r) scatter about it of the rows of all folds but f."""
        n = max(int(self._count.sum() - self._count[f]), 1)
        mean = (self._sum.sum(axis=0) - self._sum[f]) / n
        return mean, (self._square.sum(axis=0) - self._square[f]) / n - np.outer(mean, mean)


def _discriminant(
    z: Float32, seeds: Int64, rows: Int64, mean: NDArray[np.float64], scatter: NDArray[np.float64], mixed: int
) -> tuple[NDArray[np.float64], float]:
    """The discriminant w = (S + ρ·tr(S)/r·I)⁻¹(μ₁ − μ₀), S the rows' scatter about their mean μ₀; b puts 0 half-way."""
    random = np.random.default_rng(0)
    positive = z[seeds].astype(np.float64)
    for _ in range(mixed):
        blend = 0.7 * z[seeds] + 0.3 * z[random.choice(sorted_by_content(z, rows), len(seeds))]
        positive = np.concatenate([positive, unit_rows(blend)])
    r = scatter.shape[0]
    gap = positive.mean(axis=0) - mean
    w = np.linalg.solve(scatter + (_RIDGE * np.trace(scatter) / r + 1e-9) * np.eye(r), gap)
    return w, -float(w @ (mean + positive.mean(axis=0)) / 2.0)


SIGNALS.register(OodUnknown.name)(OodUnknown())
