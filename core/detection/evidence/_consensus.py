"""One belief about every sample, pooled from probes, further views, neighbours, class names and given probabilities."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np

from ...types import Bool, Float32, SignalInputs
from ..arithmetic import votes
from ..probe.pool import pool

CONSENSUS_VERSION = 1
"""Raised when the consensus of the same views changes."""

_ROBUST = frozenset({"gce", "sce"})
"""Not pooled: they are trained to ignore what the pool's likelihood rewards. ``label_robust`` uses them."""


def with_consensus(inputs: SignalInputs) -> tuple[SignalInputs, dict[str, float]]:
    """The inputs with ``beliefs.probs`` replaced by the consensus, and the weight of every view in it.

    Views are the matrices of ``beliefs.extra_probs`` (or ``beliefs.probs`` where there are none, or they were given),
    the neighbours' votes and the zero-shot probabilities. They are pooled in log space with weights of maximum
    likelihood for the given labels (:func:`winnow.core.detection.probe.pool.pool`); every view is out of sample. Where
    there are several encoders, each has views of its own, which say nothing about samples that it lacks, and the
    classes have intercepts.
    Beliefs that already are a consensus (with ``weights``) are returned unchanged.
    """
    beliefs = inputs.beliefs
    if beliefs is not None and beliefs.weights:
        return inputs, dict(beliefs.weights)
    if beliefs is None or inputs.n_classes < 2 or beliefs.source == "prior":
        return inputs, {}
    keep = inputs.labelled
    if len(np.unique(inputs.labels[keep])) < 2:
        return inputs, {}
    views = {k: _log(p) for k, p in sorted(beliefs.extra_probs.items()) if k not in _ROBUST}
    if not views or beliefs.source != "probe":
        views[beliefs.source] = _log(beliefs.probs)
    present: dict[str, Bool] = {}
    for i, alone in enumerate(inputs.encoders, start=1):
        views[f"neighbours_{i}"] = _log(votes(alone.label_neighbors, inputs.labels, alone.ok, inputs.n_classes))
        present |= {f"kernel_{i}": alone.ok, f"neighbours_{i}": alone.ok}
    if inputs.label_neighbors is not None and inputs.label_neighbors.k > 0:
        views["neighbours"] = _log(votes(inputs.label_neighbors, inputs.labels, inputs.ok, inputs.n_classes))
    if inputs.class_text_probs is not None:
        views["class names"] = _log(inputs.class_text_probs)
    several = bool(inputs.encoders)
    probs, weights = pool(views, inputs.labels, keep, seed=0, present=present, intercepts=several)
    probs[~inputs.ok] = 1.0 / inputs.n_classes
    return replace(inputs, beliefs=replace(beliefs, probs=probs, weights=weights)), weights


def _log(p: Float32) -> Float32:
    return cast("Float32", np.log(np.maximum(np.nan_to_num(p), 1e-6)).astype(np.float32))
