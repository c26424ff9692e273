"""A multinomial logistic probe fitted for all regularisation strengths at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ..types import Float32, Int32, Int64

GRID: tuple[float, ...] = tuple(float(v) for v in np.logspace(-5.0, -2.0, 7))
"""L2 penalties per sample that are tried."""


@dataclass(frozen=True)
class Probe:
    """A fitted probe.

    Attributes
    ----------
    weights
        (d, C) float32.
    bias
        (C,) float32.
    penalty
        Its L2 penalty per sample.
    """

    weights: Float32
    bias: Float32
    penalty: float

    def predict(self, x: Float32) -> Int32:
        """(m,) int32 most probable class of each row."""
        return cast("Int32", np.argmax(x @ self.weights + self.bias, axis=1).astype(np.int32))


def fit_path(
    x: Float32,
    y: Int32,
    classes: int,
    penalties: Sequence[float],
    weight: NDArray[np.float32] | None = None,
    rounds: int = 80,
) -> list[Probe]:
    """Fit one probe per penalty, all at once.

    Parameters
    ----------
    x
        (m, d) float32.
    y
        (m,) int32 in [0, classes).
    classes
        Number of classes C.
    penalties
        L2 penalties per sample.
    weight
        (m,) ≥ 0, normalised to mean 1; None = all 1.
    rounds
        Greatest number of steps.

    Notes
    -----
    Minimises mean_i w_i·[−log softmax(Wᵀx_i + b)_{y_i}] + penalty/2·‖W‖² by accelerated descent with restarts in the
    eigenbasis of the weighted covariance, where Böhning's bound ½·XᵀX on the Hessian is diagonal: each coordinate has
    its own step. The bias is not penalised.

    References
    ----------
    Böhning (1992), "Multinomial logistic regression algorithm", Annals of the Institute of Statistical Mathematics.
    O'Donoghue and Candès (2015), "Adaptive restart for accelerated gradient schemes".
    """
    import torch

    w = np.ones(len(x), np.float32) if weight is None else np.asarray(weight, np.float32)
    w = w / max(float(w.mean()), 1e-12)
    mean = (w @ x) / len(x)
    centred = x - mean
    covariance = (centred * w[:, None]).T @ centred / len(x)
    values, basis = np.linalg.eigh(covariance.astype(np.float64))
    values = np.maximum(values, 0.0).astype(np.float32)
    z = torch.from_numpy(np.ascontiguousarray(centred @ basis.astype(np.float32)))
    k, d, c = len(penalties), x.shape[1], classes
    pen = torch.tensor(penalties, dtype=torch.float32)
    # rows: coordinates and the bias; columns: penalty by class
    step = 1.0 / (0.5 * torch.from_numpy(values)[:, None] + pen[None, :] + 1e-8)
    step = torch.cat([step, torch.full((1, k), 2.0)])[:, :, None]
    pull = torch.cat([pen.expand(d, k), torch.zeros(1, k)])[:, :, None]
    z1 = torch.cat([z, torch.ones(len(z), 1)], 1)
    target = torch.from_numpy(y.astype(np.int64))
    sample = torch.from_numpy(w)[:, None, None] / len(x)
    onehot = torch.nn.functional.one_hot(target, c).to(torch.float32)[:, None, :]
    theta = torch.zeros(d + 1, k, c)
    ahead, t = theta.clone(), torch.ones(k)
    for _ in range(rounds):
        p = torch.softmax((z1 @ ahead.reshape(d + 1, k * c)).reshape(-1, k, c), dim=2)
        p -= onehot
        p *= sample
        gradient = (z1.T @ p.reshape(-1, k * c)).reshape(d + 1, k, c) + pull * ahead
        new = ahead - step * gradient
        move = new - theta
        against = (gradient * move).sum(dim=(0, 2)) > 0
        t = torch.where(against, torch.ones(k), t)
        t_new = (1 + torch.sqrt(1 + 4 * t * t)) / 2
        momentum = torch.where(against, torch.zeros(k), (t - 1) / t_new)
        theta = new
        ahead = theta + momentum[None, :, None] * move
        t = t_new
        if float(move.abs().amax()) < 1e-4 * max(float(theta.abs().amax()), 1e-6):
            break
    flat = theta.numpy()
    out = []
    for j in range(k):
        weights = (basis.astype(np.float32) @ flat[:d, j]).astype(np.float32)
        bias = flat[d, j] - mean @ weights
        out.append(Probe(weights, bias.astype(np.float32), float(penalties[j])))
    return out


EPOCHS = 80
"""Epochs of a probe that sees another subset in each: the greatest number of steps of :func:`fit_path`."""

_BATCH = 256
_MOMENTUM = 0.9
_RATE = 0.3


def fit_fresh(
    x: Float32, y: Int32, classes: int, penalties: Sequence[float], epochs: Sequence[Int64], seed: int = 0
) -> list[Probe]:
    """Fit one probe per penalty on another subset in each epoch, so that all data is seen in time.

    Parameters
    ----------
    x
        (m, d) float32.
    y
        (m,) int32 in [0, classes).
    classes
        Number of classes C.
    penalties
        L2 penalties per sample.
    epochs
        Rows of x for each epoch; an empty epoch does nothing.
    seed
        Of the order within an epoch.

    Notes
    -----
    Minimises the objective of :func:`fit_path` by stochastic descent in mini-batches of 256 with Nesterov momentum 0.9
    and a step that falls to 0 along a cosine; each coordinate of the covariance's eigenbasis has Böhning's step. With
    all samples in every epoch it converges to the probe of :func:`fit_path`.

    References
    ----------
    Okanovic et al. (2024), "Repeated random sampling for minimizing the time-to-accuracy of learning", ICLR.
    Sutskever et al. (2013), "On the importance of initialization and momentum in deep learning", ICML.
    """
    import torch

    mean = x.mean(0)
    centred = x - mean
    values, basis = np.linalg.eigh((centred.T @ centred / max(len(x), 1)).astype(np.float64))
    rotate = basis.astype(np.float32)
    z1 = torch.cat([torch.from_numpy(np.ascontiguousarray(centred @ rotate)), torch.ones(len(x), 1)], 1)
    target = torch.nn.functional.one_hot(torch.from_numpy(y.astype(np.int64)), classes).to(torch.float32)
    k, d, c = len(penalties), x.shape[1], classes
    pen = torch.tensor(penalties, dtype=torch.float32)
    curve = torch.from_numpy(np.maximum(values, 0.0).astype(np.float32))
    step = torch.cat([1.0 / (0.5 * curve[:, None] + pen[None, :] + 1e-8), torch.full((1, k), 2.0)])[:, :, None]
    pull = torch.cat([pen.expand(d, k), torch.zeros(1, k)])[:, :, None]
    theta, speed = torch.zeros(d + 1, k, c), torch.zeros(d + 1, k, c)
    rng = np.random.default_rng([seed, 59])
    for e, subset in enumerate(epochs):
        order = rng.permutation(subset)
        batches = np.array_split(order, max(1, -(-len(order) // _BATCH))) if len(order) else []
        for b, rows in enumerate(batches):
            rate = _RATE * 0.5 * (1.0 + np.cos(np.pi * (e + b / len(batches)) / len(epochs)))
            part = z1[torch.from_numpy(rows)]
            ahead = theta + _MOMENTUM * speed
            p = torch.softmax((part @ ahead.reshape(d + 1, k * c)).reshape(-1, k, c), dim=2)
            p -= target[torch.from_numpy(rows)][:, None, :]
            gradient = (part.T @ p.reshape(-1, k * c)).reshape(d + 1, k, c) / len(rows) + pull * ahead
            speed = _MOMENTUM * speed - rate * step * gradient
            theta = theta + speed
    flat = theta.numpy()
    out = []
    for j in range(k):
        weights = (rotate @ flat[:d, j]).astype(np.float32)
        out.append(Probe(weights, (flat[d, j] - mean @ weights).astype(np.float32), float(penalties[j])))
    return out


def fit_fresh_tuned(
    x: Float32, y: Int32, classes: int, seed: int, epochs: Sequence[Int64], penalties: Sequence[float] = GRID
) -> Probe:
    """:func:`fit_fresh` with the penalty that is best on an inner split, which no epoch of the tuning sees."""
    if len(np.unique(y)) < 2 or len(y) < 10:
        return fit_path(x, y, classes, [1e-2])[0]
    inner = inner_split(y, seed)
    probes = fit_fresh(x, y, classes, penalties, [rows[~inner[rows]] for rows in epochs], seed)
    right = [int((p.predict(x[inner]) == y[inner]).sum()) for p in probes]
    return fit_fresh(x, y, classes, [probes[int(np.argmax(right))].penalty], epochs, seed)[0]


def inner_split(y: Int32, seed: int, share: float = 0.2) -> NDArray[np.bool_]:
    """(m,) bool mask of the inner validation part, ``share`` of each class (a class of one stays in training)."""
    rng = np.random.default_rng(seed)
    out = np.zeros(len(y), bool)
    for c in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == c))
        out[rows[: round(share * len(rows))]] = True
    return out


def fit_tuned(
    x: Float32,
    y: Int32,
    classes: int,
    seed: int,
    weight: NDArray[np.float32] | None = None,
    penalties: Sequence[float] = GRID,
) -> Probe:
    """:func:`fit_path` with the penalty that is best on an inner split of the training data, fitted again on all of it.

    ``weight`` also weighs the accuracy on the inner split.
    """
    if len(np.unique(y)) < 2 or len(y) < 10:
        return fit_path(x, y, classes, [1e-2], weight)[0]
    inner = inner_split(y, seed)
    w = np.ones(len(y), np.float32) if weight is None else weight
    probes = fit_path(x[~inner], y[~inner], classes, penalties, w[~inner])
    right = np.array([float(w[inner][p.predict(x[inner]) == y[inner]].sum()) for p in probes])
    best = probes[int(np.argmax(right))].penalty
    return fit_path(x, y, classes, [best], weight)[0]
