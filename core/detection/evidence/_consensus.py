"""One belief about every sample, pooled from probes, further views, neighbours, class names and given probabilities."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np

from ...types import Bool, Float32, SignalInputs
from ..arithmetic import class_sums, own_class_cosine, softmax, unit_rows, votes
from ..probe.pool import best_temperature, pool
from ._calibrate import noise_model, recalibrate

CONSENSUS_VERSION = 3
"""Raised when the consensus of the same views changes."""

_ROBUST = frozenset({"gce", "sce"})
"""Not pooled: they are trained to ignore what the pool's likelihood rewards. ``label_robust`` uses them."""
_TRANSITION_ROWS = 50_000
"""Most labelled rows that the noise transition of the second pool is estimated on."""


Views = tuple[dict[str, Float32], dict[str, Bool]]
"""Name → (n, C) log-probabilities, and name → (n,) the rows that a view knows where it does not know all."""


def with_consensus(inputs: SignalInputs, views: Views | None = None) -> tuple[SignalInputs, dict[str, float]]:
    """The inputs with ``beliefs.probs`` replaced by the consensus, and the weight of every view in it.

    Views are the matrices of ``beliefs.extra_probs`` (or ``beliefs.probs`` where there are none, or they were given),
    the neighbours' votes, the class means and the zero-shot probabilities. They are pooled in log space with weights of
    maximum likelihood for the given labels (:func:`winnow.core.detection.probe.pool.pool`); every view is out of
    sample. Where there are several encoders, the neighbours of each are a view too, which says nothing about samples
    that the encoder lacks, the classes have intercepts, and the class means are left out. A second pool of the same
    views, by likelihood under the noise transition of the first, is ``beliefs.clean``: what the true class is.
    Beliefs that already are a consensus (with ``weights``) are returned unchanged. ``views``: other ones to pool than
    :func:`pooled_views`.
    """
    beliefs = inputs.beliefs
    if beliefs is not None and beliefs.weights:
        return inputs, dict(beliefs.weights)
    if beliefs is None or inputs.n_classes < 2 or beliefs.source == "prior":
        return inputs, {}
    keep = inputs.labelled
    if len(np.unique(inputs.labels[keep])) < 2:
        return inputs, {}
    named, present = views or pooled_views(inputs)
    several = bool(inputs.encoders)
    probs, weights = pool(named, inputs.labels, keep, seed=0, present=present, intercepts=several)
    rows = np.flatnonzero(keep)
    if len(rows) > _TRANSITION_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(rows, _TRANSITION_ROWS, replace=False))
    given = inputs.labels[rows]
    noise = noise_model(recalibrate(probs[rows], given), given, np.ones(len(rows), bool))
    clean, _ = pool(named, inputs.labels, keep, 0, present, several, noise.transition)
    for p in (probs, clean):
        p[~inputs.ok] = 1.0 / inputs.n_classes
    return replace(inputs, beliefs=replace(beliefs, probs=probs, clean=clean, weights=weights)), weights


def pooled_views(inputs: SignalInputs) -> Views:
    """The views that the consensus pools."""
    beliefs = inputs.beliefs
    assert beliefs is not None
    views = {k: _log(p) for k, p in sorted(beliefs.extra_probs.items()) if k not in _ROBUST}
    if not views or beliefs.source != "probe":
        views[beliefs.source] = _log(beliefs.probs)
    present: dict[str, Bool] = {}
    for i, alone in enumerate(inputs.encoders, start=1):
        views[f"neighbours_{i}"] = _log(votes(alone.label_neighbors, inputs.labels, alone.ok, inputs.n_classes))
        present[f"neighbours_{i}"] = alone.ok
    if inputs.label_neighbors is not None and inputs.label_neighbors.k > 0:
        views["neighbours"] = _log(votes(inputs.label_neighbors, inputs.labels, inputs.ok, inputs.n_classes))
    space = inputs.vectors if inputs.whitened is None else inputs.whitened
    if space is not None and not inputs.encoders:
        views["class means"] = _class_means(inputs, space, inputs.ok)
    if inputs.class_text_probs is not None:
        views["class names"] = _log(inputs.class_text_probs)
    return views, present


def _class_means(inputs: SignalInputs, space: Float32, ok: Bool) -> Float32:
    """(n, C) log-probabilities from cosines to the class means, each sample left out of its own.

    A mean has no parameters that noise could teach: with two classes and 40% of wrong labels, or with labels moved to
    the nearest class, it is the best single view. ``space`` (n, r) are unit rows, ``ok`` (n,) where there are any.
    """
    where = ok & (inputs.labels >= 0)
    rows = np.flatnonzero(where)
    sums, counts = class_sums(space, inputs.labels, where, inputs.n_classes)
    cosine = np.asarray(space @ unit_rows(sums).T, np.float32)
    cosine[:, counts == 0] = -1.0
    cosine[rows, inputs.labels[rows]] = own_class_cosine(space, inputs.labels, sums)[rows]
    scale = best_temperature(cosine[rows], inputs.labels[rows])
    return _log(np.asarray(softmax(cosine * np.float32(scale)), np.float32))


def _log(p: Float32) -> Float32:
    return cast("Float32", np.log(np.maximum(np.nan_to_num(p), 1e-6)).astype(np.float32))
