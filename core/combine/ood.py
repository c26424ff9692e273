"""Does the sample belong to the dataset at all? Far, near and neighbourhood views, weighed by how coherent outliers are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from ..types import Bool, Float32, Kind, KindEvidence, SignalInputs, SignalResult, Strings
from .broken import broken

FAR = {"ood_knn": 0.7, "ood_mahalanobis": 0.6}
NEAR = {"ood_whitened": 1.0, "ood_relative": 1.0, "ood_entropy": 1.0}
LABEL = {"ood_unsupported": 2.0}
NEIGHBOURHOOD = {"ood_incoherence": 1.0, "ood_surroundings": 1.0, "ood_estranged": 1.0}
OWN_CLASS = {"ood_unknown": 1.5}
"""Weights of the views. Those that are not named here are shown and measured but do not vote: they repeat others."""

_CAP = 6.0
"""t of a view beyond which more is no more evidence: one wild view must not decide alone."""
_COHERENT = (0.25, 0.5)
_SHY = 0.25
_SEEDS = 0.02
_NEIGHBORS = 10
_CUT = 0.5


def ood(inputs: SignalInputs, results: Mapping[str, SignalResult]) -> KindEvidence:
    """Probability that a sample is out of distribution.

    Every view is put on one scale t (0 at its median, 1 at its ninth decile; see ``signals/_ood.squash``) and cut to
    [0, 6]: a view that finds nothing says nothing, so that far and near outliers do not cancel each other. Views are
    averaged with the weights above. Views of the neighbourhood count a quarter where suspicious samples are scattered
    and fully where they lie together; the K+1 view counts only then. Coherence is the share of the ten nearest of the
    2% most suspicious that are among those 2% themselves: .02 by chance, .5 for a group of its own.

    The probability is 1 − local false discovery rate (Efron 2004): what is seen at a score against what an exponential
    tail, fitted between the median and the ninth decile of all samples, would leave there. Monotone by isotonic
    regression (Grenander 1956). Without outliers the tail explains itself and nothing is flagged. Above a tenth of
    outliers the estimate turns careful. Broken samples are not outliers.
    """
    n = inputs.n
    here = inputs.ok & ~broken(inputs, results).flag
    views = {name: _t(results[name]) for name in (FAR | NEAR | LABEL | NEIGHBOURHOOD | OWN_CLASS) if name in results}
    nothing = KindEvidence(
        Kind.OOD, np.zeros(n, np.float32), np.zeros(n, bool), np.full(n, "", object), info={"signals": []}
    )
    if not views or here.sum() < 3:
        return nothing
    pointwise = _mean(views, FAR | NEAR, n)
    coherence = _coherence(inputs, pointwise, here)
    group = float(np.clip((coherence - _COHERENT[0]) / (_COHERENT[1] - _COHERENT[0]), 0.0, 1.0))
    around = _SHY + (1.0 - _SHY) * group
    weights = FAR | NEAR | LABEL
    weights |= {name: w * around for name, w in NEIGHBOURHOOD.items()}
    weights |= {name: w * group for name, w in OWN_CLASS.items()}
    value = _mean(views, weights, n)
    probability, fit = _probability(value, here)
    flag = probability >= _CUT
    info = {
        "signals": sorted(views),
        "coherence": round(coherence, 4),
        "threshold": _CUT,
        "estimated_rate": float(probability[here].mean()) if here.any() else 0.0,
        "flagged": int(flag.sum()),
        **fit,
    }
    return KindEvidence(Kind.OOD, probability, flag, _reasons(views, weights, probability), info=info)


def _t(result: SignalResult) -> NDArray[np.float64]:
    """The view on the common scale, cut to [0, cap]; NaN where not scored."""
    u = 2.0 * np.asarray(result.score, np.float64) - 1.0
    return np.asarray(np.clip(u / np.maximum(1.0 - np.abs(u), 1e-6) + 2.0, 0.0, _CAP), np.float64)


def _mean(views: Mapping[str, NDArray[np.float64]], weights: Mapping[str, float], n: int) -> NDArray[np.float64]:
    """(n,) weighted mean over the views that scored the sample; 0 where none did."""
    total, mass = np.zeros(n), np.zeros(n)
    for name, weight in weights.items():
        if name in views and weight > 0:
            seen = np.isfinite(views[name])
            total[seen] += weight * views[name][seen]
            mass[seen] += weight
    return np.asarray(total / np.maximum(mass, 1e-9))


def _coherence(inputs: SignalInputs, value: NDArray[np.float64], here: Bool) -> float:
    """Share of the nearest ten of the most suspicious that are themselves among the most suspicious."""
    graph = inputs.label_neighbors if inputs.label_neighbors is not None else inputs.neighbors
    rows = np.flatnonzero(here)
    count = int(_SEEDS * len(rows))
    if graph is None or count < 5:
        return 0.0
    top = np.zeros(inputs.n, bool)
    top[rows[np.argsort(-value[rows], kind="stable")[:count]]] = True
    near = graph.indices[top, :_NEIGHBORS]
    there = near >= 0
    return float((top[np.maximum(near, 0)] & there).sum() / max(1, there.sum()))


def _probability(value: NDArray[np.float64], here: Bool) -> tuple[Float32, dict[str, Any]]:
    """(n,) 1 − lfdr, strictly rising with the value; 0 outside ``here``."""
    out = np.zeros(len(value), np.float32)
    rows = np.flatnonzero(here)
    v = value[rows]
    middle, high = np.quantile(v, (0.5, 0.9))
    scale = max(float(high - middle) / np.log(5.0), 1e-3)
    order = np.argsort(-v, kind="stable")
    expected = len(v) * 0.5 * np.exp(-(v[order] - middle) / scale)
    # what the tail would leave between one sample and the next: the local rate, one sample at a time
    step = np.diff(expected, prepend=0.0)
    ties = np.unique(v[order], return_inverse=True)[1]
    step = (np.bincount(ties, weights=step) / np.bincount(ties))[ties]
    local = IsotonicRegression(y_min=0.0, y_max=1.0).fit_transform(np.arange(len(v)), np.minimum(step, 50.0))
    p = np.where(v[order] > middle, 1.0 - local, 0.0)
    rank = np.log1p(np.maximum(v[order], 0.0)) / np.log1p(_CAP)
    out[rows[order]] = np.clip(0.98 * p + 0.02 * rank, 0.0, 1.0)
    return out, {"tail_from": float(middle), "tail_scale": float(scale)}


_SAID = {
    "ood_knn": "far from its nearest samples",
    "ood_mahalanobis": "far from every class",
    "ood_whitened": "unlike every class in detail",
    "ood_relative": "no class fits",
    "ood_entropy": "no class is likely",
    "ood_unsupported": "its label has no support",
    "ood_incoherence": "the most similar samples carry all kinds of labels",
    "ood_surroundings": "the most similar samples fit no class either",
    "ood_estranged": "labels do not hold around it",
    "ood_unknown": "it resembles the samples that fit least",
}


def _reasons(views: Mapping[str, NDArray[np.float64]], weights: Mapping[str, float], probability: Float32) -> Strings:
    """The three views that weigh most, with how many times as far out as one sample in ten they put it."""
    reasons = np.full(len(probability), "", object)
    names = [name for name in views if weights.get(name, 0.0) > 0]
    for row in np.flatnonzero(probability >= 0.2):
        pull = {name: weights[name] * views[name][row] for name in names if np.isfinite(views[name][row])}
        top = sorted(pull, key=lambda name, pull=pull: (-pull[name], name))[:3]  # type: ignore[misc]  # bound at once
        said = [f"{_SAID[name]} ({views[name][row]:.1f}×)" for name in top if views[name][row] >= 1.0]
        if said:
            reasons[row] = f"{', '.join(said)}; × = distance from the median in units of the ninth decile's"
    return reasons
