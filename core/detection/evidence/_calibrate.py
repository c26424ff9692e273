"""How disagreement becomes a probability: the noise transition, Bayes' rule and monotone calibration.

Nothing here sees truth. What is known are the given labels and out-of-sample beliefs; the confident joint (Northcutt
et al. 2021) estimates how often a sample of class k was given label j, and Bayes' rule turns a belief about the
sample and that transition into the probability that *this* label is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.isotonic import IsotonicRegression

from ...types import Bool, Float32, Int32

_ISOTONIC_CELLS = 400_000
"""Points from which the monotone curve is fitted at most."""
_BLOCK = 65_536
"""Rows that are held in double precision at once."""
_WORST_CONDITION = 1e3
"""Largest condition number of a transition that is inverted."""


@dataclass(frozen=True)
class NoiseModel:
    """How labels are corrupted.

    Attributes
    ----------
    transition
        (C, C) float64, P(given j | true k) in row k.
    rate
        Estimated share of wrong labels, in [0, 1].
    inverse
        (C, C) inverse of the transition, or None where it cannot be inverted (more noise than signal).
    """

    transition: NDArray[np.float64]
    rate: float
    inverse: NDArray[np.float64] | None = None


def blocks(n: int) -> Iterator[slice]:
    """Slices of at most 65,536 rows that cover n."""
    for start in range(0, n, _BLOCK):
        yield slice(start, min(n, start + _BLOCK))


def confident_joint(probs: Float32, labels: Int32, where: Bool) -> NDArray[np.float64]:
    """(C, C) float64, counts [true, given] of confidently believed pairs.

    Notes
    -----
    A sample counts for true class k = argmax of p_k among those with p_k ≥ t_k, t_k the mean of p_k over samples
    labelled k. Columns are scaled to the label counts.

    References
    ----------
    Northcutt et al. (2021), "Confident learning", JAIR 70, eq. 1.
    """
    row = np.flatnonzero(where)
    y, classes = labels[row], probs.shape[1]
    counts = np.bincount(y, minlength=classes).astype(np.float64)
    own = np.bincount(y, weights=probs[row, y].astype(np.float64), minlength=classes)
    threshold = np.where(counts > 0, own / np.maximum(counts, 1), np.inf)
    joint = np.zeros((classes, classes))
    for part in blocks(len(row)):
        p = probs[row[part]].astype(np.float64)
        confident = np.where(p >= threshold - 1e-9, p, -1.0)
        true = confident.argmax(1)
        sure = confident[np.arange(len(p)), true] >= 0
        np.add.at(joint, (true[sure], y[part][sure]), 1.0)
    joint[np.arange(classes), np.arange(classes)] += 1e-6
    return cast("NDArray[np.float64]", joint / joint.sum(0, keepdims=True) * counts)


def noise_model(probs: Float32, labels: Int32, where: Bool) -> NoiseModel:
    """Transition and rate from the confident joint."""
    joint = confident_joint(probs, labels, where)
    rate = 1.0 - float(np.trace(joint)) / max(joint.sum(), 1e-9)
    transition = _transition(joint)
    invertible = np.linalg.cond(transition) <= _WORST_CONDITION
    inverse = np.asarray(np.linalg.inv(transition), np.float64) if invertible else None
    return NoiseModel(transition, float(np.clip(rate, 0.0, 1.0)), inverse)


def _transition(joint: NDArray[np.float64]) -> NDArray[np.float64]:
    """(C, C) P(given j | true k) from counts [true, given], with half a count of Laplace smoothing per class row."""
    classes = len(joint)
    smooth = joint + 0.5 / classes
    smooth[np.arange(classes), np.arange(classes)] += 0.5
    return cast("NDArray[np.float64]", smooth / smooth.sum(1, keepdims=True))


def expected_transition(probs: Float32, labels: Int32, model: NoiseModel) -> NDArray[np.float64]:
    """(C, C) P(given j | true k) from the expected counts of true classes: one step of EM from the model's transition.

    The confident joint counts a sample between two classes as noise where it leans to the other one. Its expected true
    class is spread over both, so that fewer labels are taken for wrong where the views are weak.

    Parameters
    ----------
    probs
        (m, C) calibrated beliefs about given labels.
    labels
        (m,) given labels.
    model
        Of the confident joint.

    References
    ----------
    Dempster, Laird & Rubin (1977); for label noise Dawid & Skene (1979).
    """
    classes = len(model.transition)
    expected = np.zeros((classes, classes))
    for part in blocks(len(labels)):
        given = labels[part]
        true = clean_belief(probs[part], model) * model.transition[:, given].T
        true /= np.maximum(true.sum(1, keepdims=True), 1e-12)
        member = csr_matrix((np.ones(len(given)), (given, np.arange(len(given)))), shape=(classes, len(given)))
        expected += (member @ true).T
    return _transition(expected)


def recalibrate(probs: Float32, labels: Int32) -> Float32:
    """(n, C) float32, probabilities whose small values are right too.

    One temperature sets the level of a pool, but leaves its tails too heavy where classes are well apart: labels that
    are believed with .05 turn out right in .01 of the cases, and that difference decides between noise and chance.

    Notes
    -----
    Isotonic regression of [yᵢ = k] on p_ik over all (i, k), one class against the rest; rows are scaled to 1.

    References
    ----------
    Zadrozny & Elkan (KDD 2002), "Transforming classifier scores into accurate multiclass probability estimates".
    """
    n, classes = probs.shape
    some = np.arange(n * classes)
    if len(some) > _ISOTONIC_CELLS:
        some = np.random.default_rng(0).choice(n * classes, _ISOTONIC_CELLS, replace=False)
    row, column = np.divmod(some, classes)
    fit = IsotonicRegression(y_min=1e-4, y_max=1.0, out_of_bounds="clip")
    fit.fit(probs[row, column].astype(np.float64), (labels[row] == column).astype(np.float64))
    out = np.empty((n, classes), np.float32)
    for part in blocks(n):
        exact = fit.predict(probs[part].ravel().astype(np.float64)).reshape(-1, classes) + 1e-4
        out[part] = exact / exact.sum(1, keepdims=True)
    return out


def wrong_label_posterior(clean: NDArray[Any], labels: Int32, transition: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) P(label wrong | sample, given label) for beliefs ``clean`` (n, C) about the true class.

    Notes
    -----
    Formula: 1 − q_y T_yy / Σ_k q_k T_ky, q the beliefs and T the transition.
    """
    given = np.maximum(labels, 0)
    likelihood = clean * transition[:, given].T
    own = likelihood[np.arange(len(given)), given]
    return cast("NDArray[np.float64]", 1.0 - own / np.maximum(likelihood.sum(1), 1e-12))


def monotone(score: NDArray[Any], target: NDArray[Any]) -> NDArray[np.float64]:
    """(n,) probabilities that rise with ``score`` and equal ``target`` on average (isotonic regression).

    Steps of the regression are joined by straight lines through their middles, so that equal probabilities keep
    the order of their scores.
    """
    if len(score) < 3 or float(np.ptp(score)) <= 0:
        return np.full(len(score), float(np.mean(target)) if len(target) else 0.0)
    fit = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(score, target)
    value = fit.predict(score)
    level, inverse = np.unique(value, return_inverse=True)
    middle = np.bincount(inverse, weights=score) / np.bincount(inverse)
    out: NDArray[np.float64] = np.interp(score, middle, level)
    # a single step, and the line beyond the outermost middles, are flat: a tiny slope keeps the order there too
    rank = np.argsort(np.argsort(score, kind="stable"), kind="stable") / max(len(score) - 1, 1)
    return np.clip(out * (1 - 1e-4) + 1e-4 * rank, 0.0, 1.0)


def clean_belief(probs: Float32, model: NoiseModel) -> NDArray[np.float64]:
    """(n, C) beliefs about the true class from beliefs about the given label.

    Notes
    -----
    p = q·T is solved for q, clipped and scaled. Where T cannot be inverted (more noise than signal) p stands.

    References
    ----------
    The backward correction of Patrini et al. (CVPR 2017).
    """
    p = probs.astype(np.float64)
    if model.inverse is None:
        return p
    q = np.clip(p @ model.inverse, 1e-5, None)
    return cast("NDArray[np.float64]", q / q.sum(1, keepdims=True))


def best_f1_threshold(probability: NDArray[Any], tolerance: float = 0.0) -> float:
    """The threshold whose flags have the largest expected F1, for calibrated probabilities.

    Parameters
    ----------
    probability
        (n,) in [0, 1].
    tolerance
        Share of the largest expected F1 that the lowest threshold may lose. The curve is flat at its top, and what is
        not flagged is not looked at.

    Notes
    -----
    With probabilities in descending order, flagging the first m has expected F1 = 2·Σ_{i≤m} p_i / (m + Σ p).

    References
    ----------
    Lipton et al. (2014), "Optimal thresholding of classifiers to maximize F1 measure", ECML.
    """
    p = np.sort(np.asarray(probability, np.float64))[::-1]
    if len(p) == 0 or p.sum() <= 0:
        return 1.0
    f1 = 2 * np.cumsum(p) / (np.arange(1, len(p) + 1) + p.sum())
    return float(p[int(np.flatnonzero(f1 >= (1.0 - tolerance) * f1.max())[-1 if tolerance else 0])])
