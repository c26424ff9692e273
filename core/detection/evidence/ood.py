"""Evidence that a sample is out of distribution: far, near and neighbourhood views, weighed by coherence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from ...types import Bool, Float32, Kind, KindEvidence, SignalInputs, SignalResult, Strings
from ..arithmetic import percentile_rank
from ..signals import SIGNALS
from ..signals._ood import inverse_robust_scale
from ._calibrate import best_f1_threshold, monotone
from ._contamination import contamination
from .broken import broken

FEATURES = {"ood_knn": 0.7, "ood_mahalanobis": 0.6, "ood_whitened": 1.0, "ood_relative": 0.5}
BELIEF = {"ood_energy": 1.0}
LABEL = {"ood_unsupported": 2.0}
NEIGHBOURHOOD = {"ood_incoherence": 1.0, "ood_surroundings": 1.0, "ood_estranged": 1.0}
OWN_CLASS = {"ood_unknown": 1.5}
"""Weights of the views. Views that are not named here are shown, but repeat others and do not count: what each adds, or
would add, over all datasets stands in assets/benchmarks/quality.md."""

_CAP = 6.0
"""Largest t of a view, so that no single view decides alone."""
_COHERENT = (0.25, 0.5)
_SHY = 0.25
_SEEDS = 0.02
_NEIGHBORS = 10
_FLOOR, _CEILING = 1 / 3, 1 / 2
"""Bounds of the threshold: never flag what is rarely right, always flag what is likelier an outlier than not."""
_TAIL = 0.5
"""Least 1 − local false discovery rate by the exponential tail that counts. The tail overestimates the ordinary samples
in it: with known outliers, nine tenths or more of the lists cut here were right."""
_SUPPORT = 1.5
"""Beliefs, labels and neighbours together count at most this many times the views of the sample's own features: a
sample between two classes, or with a wrong label, is not out of distribution where its features are usual."""
_RARE = 5
_BY_CLASS = ("ood_mahalanobis", "ood_whitened", "ood_relative", "ood_energy", "ood_unsupported")
"""Views that cannot know a class of fewer than five samples; its members would all look foreign to them."""


def ood(inputs: SignalInputs, results: Mapping[str, SignalResult]) -> KindEvidence:
    """Probability that a sample is out of distribution.

    Notes
    -----
    Every view is put on one scale t (0 at its median, 1 at its ninth decile; see :func:`robust_scale` of the signals)
    and clipped to [0, 6]: values below the median count as 0, so that far and near outliers do not cancel each other.
    Views are averaged with the weights above. Views of the neighbourhood count a quarter where suspicious samples are
    scattered and fully where they lie together; the K+1 view counts only then. Coherence is the share of the ten
    nearest of the 2% most suspicious that are among those 2% themselves: .02 by chance, .5 for a group of its own.

    Level: two estimates, of which the larger counts. (1) Labels: in the tail of the mean of all views but the label's
    own, outliers are those whose labels no longer depend on the content (:mod:`._contamination`). (2) Tail: 1 − local
    false discovery rate (Efron 2004), the number of samples at a score against the number that an exponential tail,
    fitted between the median and the ninth decile of all samples, would leave there; it counts from ½ and needs no
    labels. The larger of both is laid on the mean of all views by isotonic regression, so that the probabilities add up
    to the estimated number of outliers and their order is that of the mean.

    Flag: p at or above the threshold of largest expected F1 (Lipton et al. 2014), kept within [1/3, 1/2]. Broken
    samples are not outliers.
    """
    n = inputs.n
    usable = inputs.ok & ~broken(inputs, results).flag
    views = {
        name: np.clip(inverse_robust_scale(results[name].score), 0.0, _CAP)
        for name in (FEATURES | BELIEF | LABEL | NEIGHBOURHOOD | OWN_CLASS)
        if name in results
    }
    if not views or usable.sum() < 3:
        return KindEvidence(
            Kind.OOD, np.zeros(n, np.float32), np.zeros(n, bool), np.full(n, "", object), info={"signals": []}
        )
    rare = _rare(inputs)
    for name in _BY_CLASS:
        if name in views:
            views[name][rare] = np.nan
    coherence = _coherence(inputs, _mean(views, FEATURES | BELIEF, n), usable)
    group = float(np.clip((coherence - _COHERENT[0]) / (_COHERENT[1] - _COHERENT[0]), 0.0, 1.0))
    around = _SHY + (1.0 - _SHY) * group
    others = BELIEF | LABEL
    others |= {name: w * around for name, w in NEIGHBOURHOOD.items()}
    others |= {name: w * group for name, w in OWN_CLASS.items()}
    weights = FEATURES | others
    value = _mean(views, weights, n)
    share = _weight_share(views, FEATURES, n)
    own, rest = share * _mean(views, FEATURES, n), (1.0 - share) * _mean(views, others, n)
    supported = own + np.where(share > 0, np.minimum(rest, _SUPPORT * own), rest)
    likely, fit = _one_minus_lfdr(supported, usable)
    target = np.where(likely >= _TAIL, likely, 0.0)
    if inputs.beliefs is not None and inputs.n_classes >= 2:
        unlabelled = {name: w for name, w in weights.items() if name not in LABEL}
        suspicion, several = _mean(views, unlabelled, n), bool(inputs.encoders)
        model = contamination(suspicion, inputs.beliefs.probs, inputs.labels, usable, ~rare, several)
        if model is not None:
            target = np.maximum(target, model.posterior)
            fit |= {"labels_say": model.share, "middle": model.middle, "slope": model.slope, "noise": model.noise}
    probability = np.zeros(n, np.float32)
    probability[usable] = monotone(value[usable], target[usable])
    threshold = float(np.clip(best_f1_threshold(probability[usable]), _FLOOR, _CEILING))
    flag = usable & (probability >= np.float32(threshold))
    info = {
        "signals": sorted(views),
        "coherence": round(coherence, 4),
        "threshold": threshold,
        "estimated_rate": float(probability[usable].mean()),
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


def _mean(views: Mapping[str, NDArray[np.float64]], weights: Mapping[str, float], n: int) -> NDArray[np.float64]:
    """(n,) weighted mean over the views that scored the sample; 0 where none did."""
    total, mass = np.zeros(n), np.zeros(n)
    for name, weight in weights.items():
        if name in views and weight > 0:
            seen = np.isfinite(views[name])
            total[seen] += weight * views[name][seen]
            mass[seen] += weight
    return np.asarray(total / np.maximum(mass, 1e-9))


def _coherence(inputs: SignalInputs, value: NDArray[np.float64], usable: Bool) -> float:
    """Share of the nearest ten of the most suspicious that are themselves among the most suspicious."""
    graph = inputs.label_neighbors if inputs.label_neighbors is not None else inputs.neighbors
    rows = np.flatnonzero(usable)
    count = int(_SEEDS * len(rows))
    if graph is None or count < 5:
        return 0.0
    top = np.zeros(inputs.n, bool)
    top[rows[np.argsort(-value[rows], kind="stable")[:count]]] = True
    near = graph.indices[top, :_NEIGHBORS]
    near = near[near >= 0]
    return float(top[near].sum() / max(1, len(near)))


def _weight_share(
    views: Mapping[str, NDArray[np.float64]], weights: Mapping[str, float], n: int
) -> NDArray[np.float64]:
    """(n,) share of all weight that the named views have for a sample, in [0, 1]."""
    every = FEATURES | BELIEF | LABEL | NEIGHBOURHOOD
    named, total = np.zeros(n), np.zeros(n)
    for name, view in views.items():
        seen = np.isfinite(view)
        total[seen] += every.get(name, 0.0)
        named[seen] += weights.get(name, 0.0)
    return np.asarray(named / np.maximum(total, 1e-9))


def _one_minus_lfdr(value: NDArray[np.float64], usable: Bool) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """(n,) 1 − lfdr, rising with the value; 0 where not ``usable`` and up to the ninth decile, which counts as normal.

    The local rate is at least the rate of the whole list that would be cut at that sample.
    """
    out = np.zeros(len(value))
    rows = np.flatnonzero(usable)
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
    # the local rate: what the tail leaves between one sample and the next
    step = np.diff(expected, prepend=0.0)
    step = (np.bincount(ties, weights=step) / np.bincount(ties))[ties]
    local = IsotonicRegression().fit_transform(np.arange(len(tail)), np.minimum(step, 50.0))
    out[tail] = 1.0 - np.clip(np.maximum(local, whole), 0.0, 1.0)
    return out, fit


_REASON_VIEWS = 3
"""Views that a reason names, those that weigh most first."""


def _reasons(views: Mapping[str, NDArray[np.float64]], weights: Mapping[str, float], probability: Float32) -> Strings:
    """(n,) the views that weigh most, each with its percentile among all samples (midrank of ties)."""
    reasons = np.full(len(probability), "", object)
    rows = np.flatnonzero(probability >= 0.2)
    names = [name for name in views if weights.get(name, 0.0) > 0]
    titles = {name: SIGNALS.get(name).title for name in names}
    percentile = {name: 100 * percentile_rank(views[name], np.isfinite(views[name])) for name in names if len(rows)}
    for row in rows:
        part = {name: weights[name] * views[name][row] for name in names if np.isfinite(views[name][row])}
        top = sorted(part, key=lambda name, part=part: (-part[name], name))[:_REASON_VIEWS]  # type: ignore[misc]  # bound at once
        parts = [f"{titles[name]} {percentile[name][row]:.1f}" for name in top if views[name][row] >= 1.0]
        if parts:
            reasons[row] = f"Percentiles among all samples: {', '.join(parts)}."
    return reasons
