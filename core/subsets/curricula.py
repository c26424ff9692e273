"""Weights and schedules for training: how much a sample counts, and from which epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import QueryError
from ..types import Bool, Float32, Int32, Int64

TRUSTING: tuple[tuple[float, float], ...] = ((0.0, 1.0), (0.7, 1.0), (0.9, 0.3), (1.0, 0.0))
"""The default loss → weight curve: full weight up to the 70th percentile of the loss, none at the top."""


def curve_weights(loss: Float32, points: Sequence[tuple[float, float]] = TRUSTING) -> Float32:
    """(n,) float32 weights in [0, 1] from an editable curve over the ranks of the losses.

    Parameters
    ----------
    loss
        (n,) ≥ 0; NaN weighs 1.
    points
        (rank, weight), ranks rising from 0 to 1.

    Raises
    ------
    QueryError
        Fewer than two points, ranks that do not rise from 0 to 1, or weights outside of [0, 1].

    Notes
    -----
    The loss is replaced by its rank in [0, 1] (equal losses share one), and the weight is linear between the points.

    References
    ----------
    Kumar, Packer and Koller (2010), "Self-paced learning for latent variable models", NeurIPS.
    Shu et al. (2019), "Meta-Weight-Net: learning an explicit mapping for sample weighting", NeurIPS (learns the curve).
    """
    ranks = np.array([p[0] for p in points], float)
    weight = np.array([p[1] for p in points], float)
    if len(points) < 2 or ranks[0] != 0 or ranks[-1] != 1 or (np.diff(ranks) <= 0).any():
        raise QueryError(f"A curve needs points whose ranks rise from 0 to 1, not {[p[0] for p in points]}.")
    if ((weight < 0) | (weight > 1)).any():
        raise QueryError(f"The weights of a curve lie between 0 and 1, not {[p[1] for p in points]}.")
    out = np.ones(len(loss), np.float32)
    finite = np.isfinite(loss)
    if finite.any():
        _, place, size = np.unique(loss[finite], return_inverse=True, return_counts=True)
        middle = np.cumsum(size) - (size + 1) / 2.0
        rank = middle[place] / max(int(finite.sum()) - 1, 1)
        out[finite] = np.interp(np.clip(rank, 0, 1), ranks, weight)
    return out


def class_weights(labels: Int32, temperature: float = 0.0) -> Float32:
    """(n,) float32 weights that balance classes, mean 1 over labelled samples; 0 where there is no label.

    Raises
    ------
    QueryError
        The temperature is outside of [0, 1].

    Notes
    -----
    w_i ∝ n_c^(T − 1): T = 1 leaves the shares unchanged, T = 0 gives every class the same total.

    References
    ----------
    Arivazhagan et al. (2019), "Massively multilingual neural machine translation in the wild", arXiv:1907.05019
    (temperature-based sampling).
    Cui et al. (2019), "Class-balanced loss based on effective number of samples", CVPR (the same aim, other weights).
    """
    if not 0.0 <= temperature <= 1.0:
        raise QueryError(f"The temperature is {temperature}: it goes from 0 (all classes alike) to 1 (as they are).")
    out = np.zeros(len(labels), np.float32)
    labelled = labels >= 0
    if labelled.any():
        size = np.bincount(labels[labelled]).astype(np.float64)
        weight = size[labels[labelled]] ** (temperature - 1.0)
        out[labelled] = weight / weight.mean()
    return out


def easy_to_uniform(hardness: Float32, epochs: int = 10, start: float = 0.3) -> NDArray[np.int32]:
    """(n,) int32 epoch, from 0, at which each sample is first trained on.

    Parameters
    ----------
    hardness
        (n,), NaN comes last.
    epochs
        Number of epochs E ≥ 1.
    start
        Share of samples in epoch 0, in (0, 1].

    Raises
    ------
    QueryError
        No epoch, or a start outside of (0, 1].

    Notes
    -----
    Epoch e draws uniformly from the easiest share λ_e = min(1, √(start² + (1 − start²)·e/(E/2))): the root schedule,
    complete after half of the epochs.

    References
    ----------
    Platanios et al. (2019), "Competence-based curriculum learning for neural machine translation", NAACL.
    Hacohen and Weinshall (2019), "On the power of curriculum learning in training deep networks", ICML.
    """
    if epochs < 1 or not 0.0 < start <= 1.0:
        raise QueryError(f"A schedule needs at least one epoch and a first share in (0, 1], not {epochs} and {start}.")
    n = len(hardness)
    order = np.argsort(np.nan_to_num(hardness.astype(np.float64), nan=np.inf), kind="stable")
    rank = np.empty(n, np.float64)
    rank[order] = (np.arange(n) + 1) / max(n, 1)
    e = np.arange(epochs)
    share = np.minimum(1.0, np.sqrt(start**2 + (1 - start**2) * e / max(epochs / 2.0, 1e-9)))
    share[-1] = 1.0
    return np.searchsorted(share, np.minimum(rank, 1.0) - 1e-12).astype(np.int32)


@dataclass(frozen=True)
class Curriculum:
    """Weights and schedule of m samples, with their baseline.

    Attributes
    ----------
    weight
        (m,) float32 ≥ 0.
    stage
        (m,) int32, the epoch at which a sample is first trained on.
    shuffled
        (m,) int64, the permutation of the baseline: its sample i has weight[shuffled[i]] and stage[shuffled[i]].
    """

    weight: Float32
    stage: NDArray[np.int32]
    shuffled: Int64


def shuffled_baseline(m: int, seed: int, labels: Int32 | None = None) -> Int64:
    """(m,) int64 permutation within each class (over all samples where there are no labels).

    The baseline has the same weights and the same schedule as the curriculum, class by class, but assigned to other
    samples. A curriculum that is no better than this gains from the distribution of weights, not from their assignment.

    References
    ----------
    Wu, Dyer and Neyshabur (2021), "When do curricula work?", ICLR (random-ordering baseline).
    """
    rng = np.random.default_rng([seed, 41])
    out = np.arange(m, dtype=np.int64)
    groups = np.zeros(m, np.int32) if labels is None else labels
    for c in np.unique(groups):
        rows = np.flatnonzero(groups == c)
        out[rows] = rng.permutation(rows)
    return out


def curriculum(
    rows: Int64,
    labels: Int32,
    *,
    loss: Float32 | None = None,
    points: Sequence[tuple[float, float]] | None = None,
    trust: Float32 | None = None,
    temperature: float | None = None,
    hardness: Float32 | None = None,
    epochs: int = 10,
    start: float = 1.0,
    sure: Bool | None = None,
    seed: int = 0,
) -> Curriculum:
    """Multiply the weights that are asked for, and compute a schedule.

    Parameters
    ----------
    rows
        (m,) int64, the samples.
    labels
        (n,) int32 for all samples, −1 = none.
    loss
        (n,) ≥ 0, with ``points``.
    points
        The loss → weight curve, None = not used.
    trust
        (n,) in [0, 1], None = not used.
    temperature
        Of class balance in [0, 1], None = not used.
    hardness
        (n,), with ``start``.
    epochs, start
        Length and first share of the schedule; start 1 = no schedule.
    sure
        (n,) bool, samples whose label a person confirmed: curve and trust weigh them 1.
    seed
        Of the baseline.
    """
    weight = np.ones(len(rows), np.float32)
    if points is not None and loss is not None:
        weight *= curve_weights(loss[rows], points)
    if trust is not None:
        weight *= np.nan_to_num(trust[rows].astype(np.float32), nan=1.0)
    if sure is not None:
        weight[sure[rows]] = 1.0
    if temperature is not None:
        weight *= class_weights(labels[rows], temperature)
    stage = np.zeros(len(rows), np.int32)
    if hardness is not None and start < 1.0:
        stage = easy_to_uniform(hardness[rows], epochs, start)
    return Curriculum(weight, stage, shuffled_baseline(len(rows), seed, labels[rows]))
