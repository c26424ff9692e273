"""What the out-of-distribution signals share: whom to trust, Gaussian fits without centring, one scale for all."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...types import Bool, Float32, Int32, Neighbors, SignalInputs

T = TypeVar("T")

_FIT_ROWS = 50_000
_BLOCK = 16_384
_SHRINK = 0.1
_RANK = 256

_last: list[tuple[weakref.ref[SignalInputs], dict[str, Future[Any]]]] = []
"""The fits of the inputs seen last: three signals share one decomposition. Keyed by identity, gone with the inputs."""
_guard = Lock()


def memoize(inputs: SignalInputs, name: str, make: Callable[[], T]) -> T:
    """``make()``, remembered under ``name`` for as long as these very inputs are in use. A second signal that asks meanwhile
    waits for the first one's answer.
    """
    with _guard:
        if not _last or _last[0][0]() is not inputs:
            _last[:] = [(weakref.ref(inputs), {})]
        memory = _last[0][1]
        first = name not in memory
        answer = memory.setdefault(name, Future())
    if first:
        try:
            answer.set_result(make())
        except BaseException as error:
            answer.set_exception(error)
            raise
    found: T = answer.result()
    return found


def robust_scale(value: NDArray[Any], ok: Bool) -> Float32:
    """(n,) float32 in (0, 1), NaN where not ``ok``: ½ + ½·u/(1 + |u|), u = t − 2, t = (v − q₅₀)/(q₉₀ − q₅₀).

    t says how far above the middle a value is, in units of the distance to the ninth decile: 1 for one sample in
    ten, whatever the signal. ½ lies at t = 2. :func:`unsquash` gives t back.
    """
    out = np.full(len(value), np.nan, np.float32)
    seen = ok & np.isfinite(value)
    if not seen.any():
        return out
    v = value[seen].astype(np.float64)
    middle, high = np.quantile(v, (0.5, 0.9))
    unit = max(float(high - middle), 1e-6 * max(1.0, abs(float(middle))))
    u = (v - middle) / unit - 2.0
    out[seen] = 0.5 + 0.5 * u / (1.0 + np.abs(u))
    return out


def trusted(inputs: SignalInputs) -> Bool:
    """(n,) rows that a picture of "normal" may be drawn from.

    Readable, not confirmed as an outlier by a person (``config["confirmed_ood"]``: rows) and, where there are labels
    and beliefs, labelled as the out-of-sample belief says: an outlier with whatever label rarely passes that
    (classes of which fewer than five or a quarter pass are kept whole). Where fewer than a quarter pass (or there are no labels), all readable rows are taken.
    """
    confirmed = np.zeros(inputs.n, bool)
    confirmed[np.asarray(inputs.config.get("confirmed_ood", ()), np.int64)] = True
    rows = inputs.ok & ~confirmed
    if inputs.beliefs is not None and inputs.n_classes >= 2:
        given = rows & (inputs.labels >= 0)
        agrees = given & (inputs.beliefs.probs.argmax(axis=1) == inputs.labels)
        have = np.bincount(inputs.labels[given], minlength=inputs.n_classes)
        kept = np.bincount(inputs.labels[agrees], minlength=inputs.n_classes)
        # a class that the probe hardly ever recognises (a handful of samples) is taken at its word
        agrees |= given & (kept < np.maximum(5, have / 4))[np.maximum(inputs.labels, 0)]
        if agrees.sum() >= max(4, rows.sum() // 4):
            return np.asarray(agrees, bool)
    return np.asarray(rows, bool)


def classes_of(inputs: SignalInputs, rows: Bool) -> Int32:
    """(n,) class of each of ``rows``: the label, or a k-means cluster where nothing is labelled; −1 elsewhere."""
    import faiss

    if inputs.n_classes >= 2 and (inputs.labels[rows] >= 0).any():
        return np.where(rows, inputs.labels, -1).astype(np.int32)
    out = np.full(inputs.n, -1, np.int32)
    space = inputs.whitened if inputs.whitened is not None else inputs.vectors
    here = np.flatnonzero(rows)
    if space is None or len(here) == 0:
        return out
    count = int(np.clip(np.sqrt(len(here) / 20), 1, 64))
    if count == 1:
        out[here] = 0
        return out
    here = ordered_map(space, here)
    x = np.ascontiguousarray(space[here], np.float32)
    kmeans = faiss.Kmeans(x.shape[1], count, niter=15, seed=0, max_points_per_centroid=1000, min_points_per_centroid=1)
    kmeans.train(x)
    out[here] = kmeans.index.search(x, 1)[1][:, 0]
    return out


def unsquash(score: NDArray[Any]) -> NDArray[np.float64]:
    """T of :func:`robust_scale`: 0 at the median, 1 at the ninth decile; NaN stays NaN."""
    u = 2.0 * np.asarray(score, np.float64) - 1.0
    return np.asarray(u / np.maximum(1.0 - np.abs(u), 1e-6) + 2.0, np.float64)


def ordered_map(space: Float32, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows sorted by their content, so that what is drawn from them does not depend on the dataset's order."""
    return rows[np.lexsort(space[rows][:, : min(3, space.shape[1])].T[::-1])]


@dataclass(frozen=True)
class Gaussians:
    """to_class : (n,) squared Mahalanobis distance to the nearest class mean. to_all : (n,) to the mean of all.

    Attributes
    ----------
    residual
        (n,) length of what the first components (at most half of all) leave out. Zeros where not ok.
    """

    to_class: NDArray[np.float64]
    to_all: NDArray[np.float64]
    residual: NDArray[np.float64]


def gaussians(inputs: SignalInputs, space: str) -> Gaussians:
    """Class Gaussians with one shrunk covariance, fitted on :func:`trusted` rows of "vectors" or "whitened"."""

    def make() -> Gaussians:
        x = inputs.vectors if space == "vectors" else inputs.whitened
        assert x is not None
        rows = trusted(inputs)
        return _fit(x, inputs.ok, rows, classes_of(inputs, rows))

    return memoize(inputs, f"gaussians {space}", make)


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
    for start in range(0, n, _BLOCK):
        part = slice(start, min(n, start + _BLOCK))
        block = x[part] @ axes
        kept = block[:, : max(1, min(keep, d // 2))]
        length = np.einsum("ij,ij->i", x[part], x[part]) - np.einsum("ij,ij->i", kept, kept)
        out.residual[part] = np.sqrt(np.maximum(length, 0.0))
        out.to_all[part] = (((block - centre) @ to_white) ** 2).sum(axis=1)
        white = block @ to_class
        away = np.maximum((white**2).sum(axis=1)[:, None] + norms[None, :] - 2.0 * white @ centres.T, 0.0)
        mine = own[part]
        inside = np.flatnonzero(mine >= 0)
        m = size[mine[inside]].astype(np.float32)
        spread = away[inside, mine[inside]] * (m / np.maximum(m - 1, 1)) ** 2
        away[inside, mine[inside]] = np.where(m > 1, spread, np.inf)
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
    near = graph.indices[:, :k]
    there = (near >= 0) & usable[np.maximum(near, 0)]
    total = np.where(there, value[np.maximum(near, 0)], 0.0).sum(axis=1)
    count = there.sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
