"""What the features of a sample say about each of its tags: out-of-fold logits of one model a tag, all fitted at once.

Every tag has a ridge regression on each view (the encoders' vectors, words or pixels) and one on Nyström features of an
RBF kernel over all views together. Ridge regressions of all tags share one Gram matrix, and the matrix of a fold's
complement is the whole less the fold's own, so thousands of tags cost little more than one. The scores become logits by
a logistic regression on them: weights common to all tags, so that the better view counts more, and a bias for each.

References
----------
Read, Pfahringer, Holmes and Frank (2011), "Classifier chains for multi-label classification": one model a tag ("binary
relevance") is what co-occurrence is added to, in :mod:`.evidence`. Williams and Seeger (2001) for Nyström features.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import expit, logit

from ...types import Bool, Float32, Int64, Neighbors, Progress, ProgressFn, quiet
from ..arithmetic import row_blocks

FOLDS = 5
LEAST_GIVEN = 4
"""Samples that must carry a tag, and annotated ones that must not, for a model of it."""
MOST_PAIRS = 50_000_000
"""Pairs of sample and tag that are modelled; where there are more, the rarest tags are left out."""
_ANCHORS = 800
_RIDGES = tuple(float(r) for r in np.logspace(-4.5, -1.5, 7))
"""Ridges that are tried, in units of the trace of the Gram matrix over its rank."""
_FIT_ROWS = 30_000
"""Samples, drawn at random, on which the ridge and the weights of views are chosen."""
_OWN_PRIOR, _BIAS_PRIOR = 5.0, 1.0
"""Strength of what draws a tag's own weights and bias, in samples."""


@dataclass(frozen=True)
class TagInputs:
    """What is known about the tags of n samples; T tags.

    Attributes
    ----------
    tags
        (n, T) sparse bool, whether a sample was given a tag.
    tag_names
        (T,) names.
    ok
        (n,) bool, whether a sample has features.
    views
        Name → (n, d) float32 features, such as the vectors of each encoder, words or pixels.
    annotated
        (n, T) sparse bool, for which pairs somebody said yes or no; None = for all.
    neighbors
        The graph that reasons quote; None = they quote none.
    groups
        (n,) int64 or None: rows with the same number ≥ 0 are copies and share a fold.
    seed
        Seeds folds and anchors.
    """

    tags: csr_array
    tag_names: tuple[str, ...]
    ok: Bool
    views: Mapping[str, Float32] = field(default_factory=dict)
    annotated: csr_array | None = None
    neighbors: Neighbors | None = None
    groups: Int64 | None = None
    seed: int = 0


@dataclass(frozen=True)
class TagBeliefs:
    """What the models say.

    Attributes
    ----------
    modelled
        (m,) int64, the tags that have a model, ascending.
    logits
        (n, m) float32, out of fold: no sample's own tags took part in its own. 0 where not ok.
    weights
        View → its weight in the logits, mean over the tags.
    """

    modelled: Int64
    logits: Float32
    weights: dict[str, float]


def known_pairs(inputs: TagInputs, columns: Int64, rows: slice | Int64) -> Bool:
    """(rows, columns) bool: which pairs somebody annotated, of samples with features."""
    ok = inputs.ok[rows][:, None]
    if inputs.annotated is None:
        return np.broadcast_to(ok, (len(ok), len(columns)))
    return np.asarray(inputs.annotated[rows][:, columns].toarray() & ok)


def modelled_tags(inputs: TagInputs) -> Int64:
    """The tags that enough samples carry and enough annotated ones do not, the commonest that fit; ascending."""
    n = int(inputs.ok.sum())
    ok = inputs.ok.astype(np.int64)
    given = ok @ inputs.tags.astype(np.int64)
    known = ok @ inputs.annotated.astype(np.int64) if inputs.annotated is not None else n
    enough = np.flatnonzero((given >= LEAST_GIVEN) & (known - given >= LEAST_GIVEN))
    commonest = enough[np.argsort(-given[enough], kind="stable")][: MOST_PAIRS // max(n, 1)]
    return np.asarray(np.sort(commonest), np.int64)


def tag_beliefs(inputs: TagInputs, progress: ProgressFn = quiet) -> TagBeliefs | None:
    """Fit all models; None where fewer than 50 samples have features, or no tag has enough samples.

    Parameters
    ----------
    inputs
        The tags and features.
    progress
        Called as the stage "tags"; may raise ``Cancelled``.
    """
    columns = modelled_tags(inputs)
    rows = np.flatnonzero(inputs.ok)
    if len(rows) < 50 or not len(columns) or not inputs.views:
        return None
    rng = np.random.default_rng(inputs.seed)
    fold = _folds(inputs, rows, rng)
    draw = np.sort(rng.permutation(len(rows))[:_FIT_ROWS])
    y = np.asarray(inputs.tags[rows][:, columns].toarray(), np.float32)
    known = known_pairs(inputs, columns, rows)
    share = np.asarray((y * known).sum(0) / np.maximum(known.sum(0), 1), np.float32)
    target = np.where(known, y, share) - share  # a pair that nobody annotated pulls nowhere
    views = list(_views(inputs, rows, rng))
    scores: list[Float32] = []
    for i, (name, x) in enumerate(views):
        progress(Progress("tags", i, len(views), "models", name))
        out = _ridge_scores(x, target, fold, draw)
        scores.append(out / np.maximum(out.std(0), 1e-9))
    weight, bias = _stack([s[draw] for s in scores], y[draw], known[draw], share)
    joint = np.zeros((len(inputs.ok), len(columns)), np.float32)
    joint[rows] = sum(w * s for w, s in zip(weight, scores, strict=True)) + bias
    return TagBeliefs(columns, joint, {name: float(w.mean()) for (name, _), w in zip(views, weight, strict=True)})


def _folds(inputs: TagInputs, rows: Int64, rng: np.random.Generator) -> Int64:
    """(len(rows),) folds; copies share one."""
    fold = np.arange(len(rows)) % FOLDS
    rng.shuffle(fold)
    if inputs.groups is not None:
        member = np.flatnonzero(inputs.groups[rows] >= 0)
        _, first, inverse = np.unique(inputs.groups[rows][member], return_index=True, return_inverse=True)
        fold[member] = fold[member[first]][inverse]
    return fold


def _views(inputs: TagInputs, rows: Int64, rng: np.random.Generator) -> Iterator[tuple[str, Float32]]:
    """Each view, and the kernel features of all together."""
    joint = []
    for name, view in inputs.views.items():
        x = np.asarray(view[rows], np.float32)
        x = x - x.mean(0)
        spread = float(np.sqrt(np.square(x).sum(1).mean()))
        if spread > 0:
            joint.append(x / spread)
            yield name, joint[-1]
    if joint:
        together = np.hstack(joint) / np.sqrt(len(joint))
        yield "kernel", _kernel_features(together.astype(np.float32, copy=False), rng)


def _kernel_features(x: Float32, rng: np.random.Generator) -> Float32:
    """Nyström features of exp(−‖x − a‖² / mean squared distance), with up to 800 samples as anchors a."""
    anchors = x[np.sort(rng.permutation(len(x))[:_ANCHORS])]

    def squared(a: Float32) -> Float32:
        rest = np.square(a).sum(1)[:, None] + np.square(anchors).sum(1) - 2 * (a @ anchors.T)
        return np.asarray(np.maximum(rest, 0), np.float32)

    among = squared(anchors)
    width = max(float(among.mean()), 1e-9)
    values, basis = np.linalg.eigh(np.exp(-among.astype(np.float64) / width))
    kept = values > 1e-6 * values[-1]
    whiten = (basis[:, kept] / np.sqrt(values[kept])).astype(np.float32)
    out = np.empty((len(x), int(kept.sum())), np.float32)
    for block in row_blocks(len(x), len(anchors)):
        out[block] = np.exp(-squared(x[block]) / np.float32(width)) @ whiten
    return np.asarray(out - out.mean(0), np.float32)


def _ridge_scores(x: Float32, target: Float32, fold: Int64, draw: Int64) -> Float32:
    """(n, m) out-of-fold predictions with the ridge that errs least on the drawn rows."""
    held = [np.flatnonzero(fold == f) for f in range(FOLDS)]
    held = [rows for rows in held if len(rows)]
    gram = [(x[rows].T @ x[rows]).astype(np.float64) for rows in held]
    cross = [(x[rows].T @ target[rows]).astype(np.float64) for rows in held]
    whole, whole_cross = sum(gram), sum(cross)
    unit = float(np.trace(whole)) / max(min(x.shape), 1)
    solved = []
    for part, part_cross in zip(gram, cross, strict=True):
        values, basis = np.linalg.eigh(whole - part)
        solved.append((np.maximum(values, 0), basis, basis.T @ (whole_cross - part_cross)))

    def predict(ridge: float, only: Int64 | None = None) -> Float32:
        out = np.zeros((len(x), target.shape[1]), np.float32)
        for rows, (values, basis, projected) in zip(held, solved, strict=True):
            some = rows if only is None else np.intersect1d(rows, only, assume_unique=True)
            weight = basis @ (projected / (values + ridge * unit)[:, None])
            out[some] = x[some] @ weight.astype(np.float32)
        return out

    error = [float(np.square(target[draw] - predict(r, draw)[draw]).mean()) for r in _RIDGES]
    return predict(_RIDGES[int(np.argmin(error))])


def _stack(scores: list[Float32], y: Float32, known: Bool, share: Float32) -> tuple[Float32, Float32]:
    """Weights of the views for each tag, drawn towards their common ones, and biases: (v, m) and (m,).

    They make the given tags likeliest. A tag that the features say little about gets small weights of its own.
    """
    views, m, count = len(scores), len(share), max(int(known.sum()), 1)
    bias_from = logit(np.clip(share, 1e-5, 1 - 1e-5))
    start = np.concatenate([np.full(views, 1.0 / views), np.zeros(views * m), bias_from])

    def loss(raw: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        common, own, bias = raw[:views], raw[views : views + views * m].reshape(views, m), raw[views + views * m :]
        weight = (common[:, None] + own).astype(np.float32)
        z = np.broadcast_to(bias.astype(np.float32), y.shape).copy()
        for w, s in zip(weight, scores, strict=True):
            z += w * s
        value = np.sum((np.logaddexp(0, z) - y * z) * known, dtype=np.float64)
        off = (expit(z) - y) * known
        slope = np.stack([(off * s).sum(0, dtype=np.float64) for s in scores])
        value += _OWN_PRIOR / 2 * np.square(own).sum() + _BIAS_PRIOR / 2 * np.square(bias - bias_from).sum()
        gradient = [slope.sum(1), (slope + _OWN_PRIOR * own).ravel()]
        gradient.append(off.sum(0, dtype=np.float64) + _BIAS_PRIOR * (bias - bias_from))
        return float(value) / count, np.concatenate(gradient) / count

    best = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 150, "ftol": 1e-8}).x
    weight = best[:views, None] + best[views : views + views * m].reshape(views, m)
    return weight.astype(np.float32), best[views + views * m :].astype(np.float32)
