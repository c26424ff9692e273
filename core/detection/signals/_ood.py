"""What the out-of-distribution signals share: which rows to trust, uncentred Gaussian fits, one scale for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...types import Bool, Float32, Int32, Kind, Neighbors, SignalInputs, SignalResult
from ..arithmetic import MANY_CLASSES
from .base import BaseSignal

_FIT_ROWS = 50_000
_BLOCK = 16_384
CELLS = 1 << 24
"""Distances to classes that are held at once; fewer than 256 rows are never taken together."""
_SHRINK = 0.1
_RANK = 256


class OutlierSignal(BaseSignal):
    """A value that is high for outliers, on the common scale of :func:`robust_scale`."""

    kind = Kind.OOD

    def value(self, inputs: SignalInputs) -> NDArray[Any]:
        """(n,) the value, NaN where there is none."""
        raise NotImplementedError

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the readable samples."""
        return SignalResult(robust_scale(self.value(inputs), inputs.ok))


def robust_scale(value: NDArray[Any], ok: Bool) -> Float32:
    """(n,) values on a scale in (0, 1) that is the same for every signal, float32; NaN where not ``ok``.

    Notes
    -----
    Formula: ½ + ½·u/(1 + |u|), u = t − 2, t = (v − q₅₀)/(q₉₀ − q₅₀). t is the distance above the median in units of
    the distance from the median to the ninth decile: one sample in ten has t ≥ 1. The score is ½ at t = 2.
    :func:`inverse_robust_scale` gives t back.
    """
    out = np.full(len(value), np.nan, np.float32)
    known = ok & np.isfinite(value)
    if not known.any():
        return out
    v = value[known].astype(np.float64)
    middle, high = np.quantile(v, (0.5, 0.9))
    unit = max(float(high - middle), 1e-6 * max(1.0, abs(float(middle))))
    u = (v - middle) / unit - 2.0
    out[known] = 0.5 + 0.5 * u / (1.0 + np.abs(u))
    return out


def inverse_robust_scale(score: NDArray[Any]) -> NDArray[np.float64]:
    """(n,) t of :func:`robust_scale`: 0 at the median, 1 at the ninth decile; NaN stays NaN."""
    u = 2.0 * np.asarray(score, np.float64) - 1.0
    return np.asarray(u / np.maximum(1.0 - np.abs(u), 1e-6) + 2.0, np.float64)


def trusted(inputs: SignalInputs) -> Bool:
    """(n,) bool, the rows that "normal" may be learned from.

    A row is trusted where it is readable, no person has confirmed it as an outlier (``config["confirmed_ood"]``: rows)
    and, where there are labels and beliefs, the out-of-sample belief agrees with its label. Outliers rarely pass that,
    whichever label they carry. Classes of which fewer than five rows or a quarter pass are kept whole. Where fewer
    than a quarter of all rows pass, or there are no labels, every readable row that is not a confirmed outlier counts.
    """
    confirmed = np.zeros(inputs.n, bool)
    confirmed[np.asarray(inputs.config.get("confirmed_ood", ()), np.int64)] = True
    rows = inputs.ok & ~confirmed
    if inputs.beliefs is not None and inputs.n_classes >= 2:
        given = rows & (inputs.labels >= 0)
        agrees = given & (inputs.beliefs.probs.argmax(axis=1) == inputs.labels)
        size = np.bincount(inputs.labels[given], minlength=inputs.n_classes)
        kept = np.bincount(inputs.labels[agrees], minlength=inputs.n_classes)
        # the probe hardly ever recognises a class of a handful of samples: its labels are believed
        agrees |= given & (kept < np.maximum(5, size / 4))[np.maximum(inputs.labels, 0)]
        if agrees.sum() >= max(4, rows.sum() // 4):
            return np.asarray(agrees, bool)
    return np.asarray(rows, bool)


def classes_of(inputs: SignalInputs, rows: Bool) -> Int32:
    """(n,) class of each of ``rows``; −1 elsewhere.

    The label, or a k-means cluster where nothing is labelled, or where more than 1,000 classes have fewer than five
    samples on average: no distribution can be fitted to them.
    """
    import faiss

    given = np.count_nonzero(inputs.labels[rows] >= 0)
    if inputs.n_classes >= 2 and given and (inputs.n_classes <= MANY_CLASSES or given >= 5 * inputs.n_classes):
        return np.where(rows, inputs.labels, -1).astype(np.int32)
    out = np.full(inputs.n, -1, np.int32)
    space = inputs.whitened if inputs.whitened is not None else inputs.vectors
    members = np.flatnonzero(rows)
    if space is None or len(members) == 0:
        return out
    count = int(np.clip(np.sqrt(len(members) / 20), 1, 64))
    if count == 1:
        out[members] = 0
        return out
    members = sorted_by_content(space, members)
    x = np.ascontiguousarray(space[members], np.float32)
    kmeans = faiss.Kmeans(x.shape[1], count, niter=15, seed=0, max_points_per_centroid=1000, min_points_per_centroid=1)
    kmeans.train(x)
    out[members] = kmeans.index.search(x, 1)[1][:, 0]
    return out


def sorted_by_content(space: Float32, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows sorted by their content, so that a draw from them does not depend on the dataset's order."""
    return rows[np.lexsort(space[rows][:, : min(3, space.shape[1])].T[::-1])]


@dataclass(frozen=True)
class Gaussians:
    """Distances from class Gaussians, (n,) each; zeros where not ok.

    Attributes
    ----------
    to_class
        Squared Mahalanobis distance to the nearest class mean.
    to_all
        Squared Mahalanobis distance to the mean of all rows.
    residual
        Length of the part outside the first components (at most half of all dimensions).
    """

    to_class: NDArray[np.float64]
    to_all: NDArray[np.float64]
    residual: NDArray[np.float64]


def gaussians(inputs: SignalInputs, space: str) -> Gaussians:
    """Class Gaussians with one shrunk covariance, fitted on :func:`trusted` rows of "vectors" or "whitened"."""

    def fit() -> Gaussians:
        x = inputs.vectors if space == "vectors" else inputs.whitened
        assert x is not None
        rows = trusted(inputs)
        return _fit(x, inputs.ok, rows, classes_of(inputs, rows))

    return inputs.cache.get(f"gaussians {space}", fit)


def _fit(x: Float32, ok: Bool, rows: Bool, label: Int32) -> Gaussians:
    """Uncentred principal axes, class means, tied covariance (1 − α)Σ + α·tr(Σ)/r·I with α = .1.

    A row's distance to its own class leaves the row out of the mean: x − μ₋ᵢ = (x − μ)·m/(m − 1), or a class
    of five would call each of its members normal.
    """
    n, d = x.shape
    zero = np.zeros(n)
    fit = np.flatnonzero(rows & (label >= 0))
    if len(fit) < 3:
        return Gaussians(zero, zero.copy(), zero.copy())
    if len(fit) > _FIT_ROWS:
        fit = np.sort(np.random.default_rng(0).choice(fit, _FIT_ROWS, replace=False))
    sample = x[fit]
    moment = (sample.T @ sample).astype(np.float64) / len(fit)
    axes = np.linalg.eigh(moment)[1]
    keep = int(min(_RANK, d, max(2, len(fit) // 4)))
    axes = axes[:, ::-1][:, :keep].astype(np.float32)
    z = (sample @ axes).astype(np.float64)
    present, code, size = np.unique(label[fit], return_inverse=True, return_counts=True)
    means = np.zeros((len(present), keep))
    np.add.at(means, code, z)
    means /= size[:, None]
    within = _root(z - means[code])
    overall = z.mean(axis=0)
    total = _root(z - overall)
    own = np.full(n, -1, np.int64)
    own[fit] = code
    out = Gaussians(zero, np.zeros(n), np.zeros(n))
    # fitted in float64; a distance in 256 directions keeps six digits in float32, at half the time
    centre, to_white, to_class = (a.astype(np.float32) for a in (overall, total, within))
    centres = means.astype(np.float32) @ to_class
    norms = (centres**2).sum(axis=1)
    step = min(_BLOCK, max(256, CELLS // len(centres)))
    for start in range(0, n, step):
        part = slice(start, min(n, start + step))
        block = x[part] @ axes
        kept = block[:, : max(1, min(keep, d // 2))]
        length = np.einsum("ij,ij->i", x[part], x[part]) - np.einsum("ij,ij->i", kept, kept)
        out.residual[part] = np.sqrt(np.maximum(length, 0.0))
        out.to_all[part] = (((block - centre) @ to_white) ** 2).sum(axis=1)
        white = block @ to_class
        away = np.maximum((white**2).sum(axis=1)[:, None] + norms[None, :] - 2.0 * white @ centres.T, 0.0)
        fitted = np.flatnonzero(own[part] >= 0)
        of = own[part][fitted]
        m = size[of].astype(np.float32)
        left_out = away[fitted, of] * (m / np.maximum(m - 1, 1)) ** 2
        away[fitted, of] = np.where(m > 1, left_out, np.inf)
        nearest = away.min(axis=1)
        out.to_class[part] = np.where(np.isfinite(nearest), nearest, (white**2).sum(axis=1))
    for array in (out.to_class, out.to_all, out.residual):
        array[~ok] = 0.0
    return out


def _root(residual: NDArray[np.float64]) -> NDArray[np.float64]:
    """W with ‖rW‖² = rᵀ Σ⁻¹ r for the shrunk covariance Σ of the residuals."""
    r = residual.shape[1]
    covariance = residual.T @ residual / len(residual)
    covariance = (1 - _SHRINK) * covariance + (_SHRINK * np.trace(covariance) / r + 1e-9) * np.eye(r)
    return np.asarray(np.linalg.inv(np.linalg.cholesky(covariance)).T)


def entropy(p: NDArray[Any]) -> NDArray[np.float64]:
    """(n,) Shannon entropy of rows that sum to 1, as a share of the largest possible, in [0, 1]."""
    q = np.maximum(p, 1e-12)
    return np.asarray(-(p * np.log(q)).sum(axis=1) / max(np.log(p.shape[1]), 1e-12), np.float64)


def over_neighbors(graph: Neighbors, value: NDArray[Any], usable: Bool, k: int) -> NDArray[np.float64]:
    """(n,) mean of ``value`` over the nearest k that are usable; NaN where there is none."""
    near = np.maximum(graph.indices[:, :k], 0)
    counted = (graph.indices[:, :k] >= 0) & usable[near]
    total = np.where(counted, value[near], 0.0).sum(axis=1)
    count = counted.sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
