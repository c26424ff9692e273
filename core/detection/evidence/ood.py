"""Does the sample belong to the dataset at all? Far, near and neighbourhood views, weighed by how coherent outliers are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from ...types import Bool, Float32, Kind, KindEvidence, SignalInputs, SignalResult, Strings
from .broken import broken

FEATURES = {"ood_knn": 0.7, "ood_mahalanobis": 0.6, "ood_whitened": 1.0, "ood_relative": 1.0}
BELIEF = {"ood_entropy": 1.0}
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
_LOCAL_RATE = 0.5
"""Local false discovery rate up to which a sample is flagged. The exponential tail over-states strangers: on worlds with
known outliers the lists cut here were nine tenths right or better."""
_SUPPORT = 1.5
"""Beliefs, labels and neighbours together count at most so many times what the sample's own features say: a sample between
two classes, or with a wrong label, is not out of distribution when it lies where others do."""
_RARE = 5
_BY_CLASS = ("ood_mahalanobis", "ood_whitened", "ood_relative", "ood_entropy", "ood_unsupported")
"""Views that cannot know a class of fewer than five samples: left out for its members, or rare would mean foreign."""


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
    views = {
        name: _t(results[name]) for name in (FEATURES | BELIEF | LABEL | NEIGHBOURHOOD | OWN_CLASS) if name in results
    }
    nothing = KindEvidence(
        Kind.OOD, np.zeros(n, np.float32), np.zeros(n, bool), np.full(n, "", object), info={"signals": []}
    )
    if not views or here.sum() < 3:
        return nothing
    rare = _rare(inputs)
    for name in _BY_CLASS:
        if name in views:
            views[name][rare] = np.nan
    coherence = _coherence(inputs, _mean(views, FEATURES | BELIEF, n), here)
    group = float(np.clip((coherence - _COHERENT[0]) / (_COHERENT[1] - _COHERENT[0]), 0.0, 1.0))
    around = _SHY + (1.0 - _SHY) * group
    others = BELIEF | LABEL
    others |= {name: w * around for name, w in NEIGHBOURHOOD.items()}
    others |= {name: w * group for name, w in OWN_CLASS.items()}
    weights = FEATURES | others
    value = _mean(views, weights, n)
    share = _mass(views, FEATURES, n)
    own, rest = share * _mean(views, FEATURES, n), (1.0 - share) * _mean(views, others, n)
    supported = own + np.where(share > 0, np.minimum(rest, _SUPPORT * own), rest)
    likely, fit = _one_minus_lfdr(supported, here)
    flag = here & (likely >= 1.0 - _LOCAL_RATE)
    probability = _joined(likely, value, flag, here)
    info = {
        "signals": sorted(views),
        "coherence": round(coherence, 4),
        "threshold": _CUT,
        "estimated_rate": float(likely[here].mean()),
        "flagged": int(flag.sum()),
        **fit,
    }
    return KindEvidence(Kind.OOD, probability, flag, _reasons(views, weights, probability), info=info)


def _rare(inputs: SignalInputs) -> Bool:
    """(n,) labelled members of classes that have fewer than five samples."""
    known = inputs.labelled
    if not known.any():
        return np.zeros(inputs.n, bool)
    size = np.bincount(inputs.labels[known], minlength=inputs.n_classes)
    return np.asarray(known & (size < _RARE)[np.maximum(inputs.labels, 0)], bool)


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


def _mass(views: Mapping[str, NDArray[np.float64]], weights: Mapping[str, float], n: int) -> NDArray[np.float64]:
    """(n,) share of all voting weight that the named views hold for a sample, in [0, 1]."""
    voters = FEATURES | BELIEF | LABEL | NEIGHBOURHOOD
    named, total = np.zeros(n), np.zeros(n)
    for name, view in views.items():
        seen = np.isfinite(view)
        total[seen] += voters.get(name, 0.0)
        named[seen] += weights.get(name, 0.0)
    return np.asarray(named / np.maximum(total, 1e-9))


def _one_minus_lfdr(value: NDArray[np.float64], here: Bool) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """(n,) 1 − lfdr, rising with the value; 0 outside ``here`` and up to the ninth decile, which the fit calls normal.

    The local rate is never put below the rate of the whole list that would be cut at that sample.
    """
    out = np.zeros(len(value))
    rows = np.flatnonzero(here)
    v = value[rows]
    middle, high = np.quantile(v, (0.5, 0.9))
    scale = max(float(high - middle) / np.log(5.0), 1e-3)
    fit = {"tail_from": float(middle), "tail_scale": float(scale)}
    tail = rows[v > high]
    tail = tail[np.argsort(-value[tail], kind="stable")]
    if len(tail) == 0:
        return out, fit
    expected = len(v) * 0.5 * np.exp(-(value[tail] - middle) / scale)
    ties = np.unique(value[tail], return_inverse=True)[1]
    last = np.zeros(ties.max() + 1)
    np.maximum.at(last, ties, np.arange(1, len(tail) + 1))
    whole = np.minimum.accumulate((expected / last[ties])[::-1])[::-1]  # q-values, Storey 2002
    # what the tail would leave between one sample and the next: the local rate, one sample at a time
    step = np.diff(expected, prepend=0.0)
    step = (np.bincount(ties, weights=step) / np.bincount(ties))[ties]
    local = IsotonicRegression().fit_transform(np.arange(len(tail)), np.minimum(step, 50.0))
    out[tail] = 1.0 - np.clip(np.maximum(local, whole), 0.0, 1.0)
    return out, fit


def _joined(likely: NDArray[np.float64], value: NDArray[np.float64], flag: Bool, here: Bool) -> Float32:
    """(n,) flagged samples from one half up, the others below; in the order of the mean of all views."""
    order = value / (value + 1.0)
    return np.asarray(np.where(here, np.where(flag, 0.5 + 0.25 * (likely + order), 0.499 * order), 0.0), np.float32)


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
