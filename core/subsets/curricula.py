"""Weights and schedules for training: which sample counts how much, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import QueryError
from ..types import Bool, Float32, Int32, Int64

TRUSTING: tuple[tuple[float, float], ...] = ((0.0, 1.0), (0.7, 1.0), (0.9, 0.3), (1.0, 0.0))
"""A loss → weight curve to begin with: full weight up to the 70th percentile of the loss, none at the very top."""


def curve_weights(loss: Float32, points: Sequence[tuple[float, float]] = TRUSTING) -> Float32:
    """(n,) float32 weights from a curve that can be edited.

    Formula: the loss becomes its rank in [0, 1] (equal losses share one), and the weight is linear between the points (rank,
    weight); NaN losses weigh 1. Source: self-paced learning, Kumar, Packer and Koller (2010); meta-learned loss → weight curves,
    Shu et al. (2019), "Meta-Weight-Net".

    Raises
    ------
    QueryError
        Fewer than two points, ranks that do not rise from 0 to 1, or weights outside of [0, 1].
    """
    at = np.array([p[0] for p in points], float)
    weight = np.array([p[1] for p in points], float)
    if len(points) < 2 or at[0] != 0 or at[-1] != 1 or (np.diff(at) <= 0).any():
        raise QueryError(f"A curve needs points whose ranks rise from 0 to 1, not {[p[0] for p in points]}.")
    if ((weight < 0) | (weight > 1)).any():
        raise QueryError(f"The weights of a curve lie between 0 and 1, not {[p[1] for p in points]}.")
    out = np.ones(len(loss), np.float32)
    there = np.isfinite(loss)
    if there.any():
        _, place, size = np.unique(loss[there], return_inverse=True, return_counts=True)
        middle = np.cumsum(size) - (size + 1) / 2.0
        rank = middle[place] / max(int(there.sum()) - 1, 1)
        out[there] = np.interp(np.clip(rank, 0, 1), at, weight)
    return out


def class_weights(labels: Int32, temperature: float = 0.0) -> Float32:
    """(n,) float32 weights that even out classes, mean 1 over labelled samples; 0 where there is no label.

    Formula: w_i ∝ n_c^(T − 1): T = 1 leaves the shares as they are, T = 0 gives every class the same total. Source: Cui et al. (2019),
    "Class-balanced loss based on effective number of samples", CVPR; temperature sampling, Arivazhagan et al. (2019).
    """
    if not 0.0 <= temperature <= 1.0:
        raise QueryError(f"The temperature is {temperature}: it goes from 0 (all classes alike) to 1 (as they are).")
    out = np.zeros(len(labels), np.float32)
    there = labels >= 0
    if there.any():
        size = np.bincount(labels[there]).astype(np.float64)
        weight = size[labels[there]] ** (temperature - 1.0)
        out[there] = weight / weight.mean()
    return out


def easy_to_uniform(hardness: Float32, epochs: int = 10, start: float = 0.3) -> NDArray[np.int32]:
    """(n,) int32: the epoch, from 0, at which each sample comes in.

    Formula: in epoch e the easiest share λ_e = min(1, √(start² + (1 − start²)·e/(E/2))) is drawn from uniformly: the root schedule, all of
    it from half of the epochs on. NaN hardness comes in last. Source: Platanios et al. (2019), "Competence-based curriculum
    learning for neural machine translation", NAACL; Hacohen and Weinshall (2019).
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
    """weight : (m,) float32 ≥ 0. stage : (m,) int32, the epoch at which a sample comes in. shuffled : (m,) int64, the permutation of
    its baseline: sample i of the baseline has weight[shuffled[i]] and stage[shuffled[i]].
    """

    weight: Float32
    stage: NDArray[np.int32]
    shuffled: Int64


def shuffled_baseline(m: int, seed: int, labels: Int32 | None = None) -> Int64:
    """(m,) int64: a permutation within each class (over all without labels), so that the baseline has the same weights and the
    same schedule as the curriculum, class by class, but given to other samples.

    A curriculum that does no better than this gains from the weights' sizes, not from who has them. Source: Wu, Dyer and
    Neyshabur (2021), "When do curricula work?", ICLR (random-ordering baseline).
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
    """Weights multiplied from what is given, and a schedule.

    Parameters
    ----------
    rows
        (m,) the samples.
    labels, loss, trust, hardness, sure
        (n,) for all samples.
    points
        The loss → weight curve, None = not used.
    temperature
        Of class balance, None = not used.
    start
        The first share of the schedule, 1 = no schedule.
    sure
        Samples whose label a person stands for: the curve and the trust weigh them 1.
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
