"""The probe run: the out-of-sample beliefs of several models about every label, and their consensus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from ...types import Beliefs, Bool, Float32, Int32, Int64, Progress, ProgressFn, quiet
from ..arithmetic import softmax
from .config import ProbeConfig
from .folds import stratified_folds
from .kernel import leave_one_out
from .linear import CE, GCE, SCE, LinearProbes
from .pool import pool

PROBE_VERSION = 2
"""Raised when the numbers change."""


def run_probe(
    features: Float32 | Sequence[Float32],
    labels: Int32,
    ok: Bool,
    n_classes: int,
    config: ProbeConfig | None = None,
    progress: ProgressFn = quiet,
    *,
    views: Mapping[str, Float32] | None = None,
    groups: Int64 | None = None,
    strong: Sequence[Float32 | Sequence[Float32]] = (),
    shares: Sequence[float] = (),
) -> Beliefs:
    """Train all probes on the given labels; each belief comes from models that were not trained on the sample.

    Parameters
    ----------
    features
        (n, r) float32, rows of unit length where ``ok`` (half-whitened PCA, or the plain embedding); of several
        encoders one array each, with zeros in the rows that an encoder lacks.
    labels
        (n,) int32 in [−1, n_classes), −1 = none.
    ok
        (n,) bool, readable rows.
    n_classes
        Number of classes C.
    config
        See :class:`ProbeConfig`.
    progress
        Called once per epoch and pass.
    views
        name → (n, r') float32: further descriptions of the same samples (label views). Each adds two kernel probes
        to the consensus: one of its own, and one on it joined with ``features`` ("joint_<name>"). With several
        encoders "kernel" is on everything joined instead.
    groups
        (n,) int64 or None: rows with the same number ≥ 0 are copies of one content and share their fold.
    strong
        Features of strongly augmented views of the samples, each as ``features``; the loss history under augmentation
        is taken on them in turn. None = features distorted by noise and dropped directions.
    shares
        How much each encoder counts in the joint features; they sum to 1. None = equally.

    Returns
    -------
    Beliefs
        ``probs``: logarithmic pool of all views, calibrated on the given labels, rows sum to 1 (uniform where not
        ok). ``extra_probs``: "linear", "kernel", one per view and (of one encoder) "joint_<view>", and "gce",
        "sce" where those were trained.
        ``dynamics``: see :mod:`winnow.core.detection.probe.linear`; NaN where unlabelled or not ok.
        With fewer than two labelled classes ``probs`` is the label frequency and ``dynamics`` is empty.

    Notes
    -----
    Of E encoders, the features are joined as [√s₁·z₁ … √s_E·z_E], s the shares: the linear probes weigh every encoder's
    directions by what they are worth beside the others', and the kernel of the joint rows is the product of the
    encoders' kernels with widths by share.
    """
    n = len(labels)
    usable = np.asarray(ok, bool) & (labels >= 0)
    counts = np.bincount(labels[usable], minlength=n_classes)[:n_classes]
    if n_classes < 2 or (counts > 0).sum() < 2 or usable.sum() < 4:
        prior = (counts + 1e-3) / max((counts + 1e-3).sum(), 1e-9) if n_classes else np.zeros(0)
        probs = np.broadcast_to(prior.astype(np.float32), (n, n_classes)).copy()
        return Beliefs(probs=probs, source="prior")
    config, notes = (config or ProbeConfig()).fitted(n, n_classes)
    for note in notes:
        progress(Progress("probe", 0, config.epochs, "epochs", note))
    encoders = [features] if isinstance(features, np.ndarray) else list(features)
    shares = shares or [1.0 / len(encoders)] * len(encoders)
    features = _owned(joint_rows(encoders, shares))
    distorted = [x if isinstance(x, np.ndarray) else joint_rows(x, shares) for x in strong]
    folds = int(min(config.folds, usable.sum()))
    kinds = (CE,) * config.repeats + ((GCE, SCE) if config.robust_losses else ())
    fold = np.stack([stratified_folds(labels, usable, folds, config.seed + 101 * i, groups) for i in range(len(kinds))])
    linear = LinearProbes(
        features, np.where(usable, labels, -1).astype(np.int32), fold, kinds, n_classes, config, distorted
    )
    out = linear.run(progress)
    logits: dict[str, Float32] = {"linear": _log(out.probs["linear"])}
    extra = dict(out.probs)
    described = _described(features, views or {}, len(encoders))
    for name, x in described.items() if config.kernel_anchors else ():
        wide = name == "kernel" and len(encoders) > 1
        anchors = config.wide_anchors(n) if wide else config.kernel_anchors
        fit = leave_one_out(_owned(x), labels, usable, n_classes, anchors, config.seed, progress, config.device, name)
        logits[name] = fit.scores * np.float32(fit.sharpness)
        extra[name] = softmax(logits[name])
    probs, weights = pool(logits, labels, usable, config.seed, intercepts=len(encoders) > 1)
    flat = ~np.asarray(ok, bool)
    for p in (probs, out.targets, *extra.values()):
        p[flat] = 1.0 / n_classes
    dynamics = {k: np.where(usable, v, np.nan).astype(np.float32) for k, v in out.dynamics.items()}
    return Beliefs(
        probs=probs,
        dynamics=dynamics,
        targets=out.targets,
        extra_probs=extra,
        temperature=1.0 / max(sum(weights.values()), 1e-6),
    )


def _described(features: Float32, views: Mapping[str, Float32], encoders: int) -> dict[str, Float32]:
    """Name of each kernel probe → the rows that it sees.

    With one encoder: its features, each view, and each view joined with the features. With several: everything that is
    known of a sample, a view counting as much as an encoder, and each view; kernels on fewer of the encoders added
    nothing to that.
    """
    if encoders > 1:
        parts = [features * np.float32(encoders**0.5), *views.values()]
        return {"kernel": np.concatenate(parts, axis=1) * np.float32((encoders + len(views)) ** -0.5), **views}
    described = {"kernel": features}
    for name, x in views.items():
        described[name] = x
        described[f"joint_{name}"] = np.concatenate([features, x], axis=1) * np.float32(np.sqrt(0.5))
    return described


def joint_rows(encoders: Sequence[Float32], shares: Sequence[float]) -> Float32:
    """(n, Σr) the unit rows of several encoders side by side, times the roots of their shares; of one as they are."""
    if len(encoders) == 1:
        return encoders[0]
    return np.concatenate([x * np.float32(s**0.5) for x, s in zip(encoders, shares, strict=True)], axis=1)


def _owned(x: Float32) -> Float32:
    """Contiguous, float32 and writable (torch takes no read-only memory maps): a copy only where needed."""
    return cast("Float32", np.require(x, np.float32, ["C", "W"]))


def _log(p: Float32) -> Float32:
    return cast("Float32", np.log(np.maximum(p, 1e-7)).astype(np.float32))
