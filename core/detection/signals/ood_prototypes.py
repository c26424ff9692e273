"""Unlike every prototype of every class."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...types import Bool, Float32, Input, Int32, Kind, SignalInputs, SignalResult
from ._ood import classes_of, memoize, ordered_map, robust_scale, trusted
from .base import SIGNALS

_PER_CLASS = 4
_ROWS_EACH = 30
"""A prototype stands for at least this many rows: a class of 60 has two, a class of 25 its mean."""
_TEMPERATURE = 0.1


class OodPrototypes:
    """How far a sample is from a mixture of prototypes per class; without labels, from k-means prototypes.

    Formula: v = −τ·ln Σ_m w_m exp(⟨z, c_m⟩/τ), τ = .1: c_m the unit centres of spherical k-means within each class (one for
    every 30 trusted rows, at most four), w_m their shares, z half-whitened unit rows (raw ones where there are none).
    The score is ``_ood.squash`` of that: ½ where it lies twice as far above the median as the ninth decile does.

    Source: PALM, Lu et al. (2024), "Learning with mixture of prototypes for out-of-distribution detection", ICLR
    (von Mises–Fisher mixtures; here on a frozen space).
    """

    name: ClassVar[str] = "ood_prototypes"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.OOD
    title: ClassVar[str] = "Unlike every prototype"
    explain: ClassVar[str] = "It resembles none of the typical forms of any class."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.VECTORS})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        space = inputs.whitened if inputs.whitened is not None else inputs.vectors
        assert space is not None
        rows = trusted(inputs)
        label = memoize(inputs, "classes", lambda: classes_of(inputs, rows))
        centres, share = _prototypes(space, rows, label)
        if len(centres) == 0:
            return SignalResult(np.full(inputs.n, np.nan, np.float32), info={"skipped": "too few trusted samples"})
        value = np.empty(inputs.n)
        for start in range(0, inputs.n, 16_384):
            logit = space[start : start + 16_384] @ centres.T / _TEMPERATURE + np.log(share)
            top = logit.max(axis=1)
            value[start : start + 16_384] = -_TEMPERATURE * (top + np.log(np.exp(logit - top[:, None]).sum(axis=1)))
        return SignalResult(robust_scale(value, inputs.ok), info={"prototypes": len(centres)})


def _prototypes(space: Float32, rows: Bool, label: Int32) -> tuple[Float32, NDArray[np.float32]]:
    """Unit centres (m, d) and their shares (m,) of the trusted rows."""
    import faiss

    centres: list[Float32] = []
    counts: list[float] = []
    here = np.flatnonzero(rows & (label >= 0))
    here = here[np.argsort(label[here], kind="stable")]
    for members in np.split(here, np.flatnonzero(np.diff(label[here])) + 1) if len(here) else []:
        x = np.ascontiguousarray(space[ordered_map(space, members)], np.float32)
        k = int(np.clip(len(members) // _ROWS_EACH, 1, _PER_CLASS))
        if k == 1:
            centres.append(x.mean(axis=0, keepdims=True))
            counts.append(float(len(x)))
            continue
        kmeans = faiss.Kmeans(
            x.shape[1], k, niter=10, seed=0, spherical=True, max_points_per_centroid=2000, min_points_per_centroid=1
        )
        kmeans.train(x)
        centres.append(np.asarray(kmeans.centroids, np.float32).reshape(k, -1))
        counts.extend(np.bincount(kmeans.index.search(x, 1)[1][:, 0], minlength=k) + 1e-3)
    if not centres:
        return np.zeros((0, space.shape[1]), np.float32), np.zeros(0, np.float32)
    found = np.concatenate(centres)
    found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)
    share = np.asarray(counts, np.float32)
    return found, share / share.sum()


SIGNALS.register(OodPrototypes.name)(OodPrototypes())
