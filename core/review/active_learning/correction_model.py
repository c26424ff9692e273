"""Would a person confirm this flag? A small model that learns from their decisions.

Logistic regression on top of the scan: log-odds = those of the scan's own probability + a correction. Every weight of
the correction has a Gaussian prior around zero (penalised maximum likelihood, its mode found by Newton's method; random
effects as in mixed models, Gelman & Hill 2007, ch. 14). So without decisions the scan's order stands, one decision
moves it a little, and some tens of decisions move it where they agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ...types import Float32, Int32

MOST_DECISIONS = 4000
"""How many of the latest decisions are learnt from: enough for every effect, and a fit stays below a second."""
MOST_EFFECTS = 400
"""Most effects of one grouping (those with most decisions)."""
_LEAST = 1e-3
"""Probabilities are kept this far from 0 and 1 before log-odds are taken."""
_ROUNDS, _TOLERANCE = 25, 1e-5
_FIRST = 5.0
"""Decisions after which the prior has half of its variance: the first few are chance more than habit."""


def log_odds(p: NDArray[np.floating]) -> NDArray[np.float64]:
    """log(p / (1 − p)), with p kept within [0.001, 0.999]."""
    q = np.clip(np.asarray(p, np.float64), _LEAST, 1.0 - _LEAST)
    return cast("NDArray[np.float64]", np.log(q / (1.0 - q)))


def sigmoid(x: NDArray[np.floating]) -> NDArray[np.float64]:
    """1 / (1 + e^−x)."""
    return cast("NDArray[np.float64]", 1.0 / (1.0 + np.exp(-np.clip(x, -30.0, 30.0))))


def _wide(block: NDArray[np.floating]) -> NDArray[np.floating]:
    """A block of columns as (n, p)."""
    return block[:, None] if block.ndim == 1 else block


@dataclass(frozen=True)
class Grouping:
    """Samples that share a trait.

    Attributes
    ----------
    codes
        (n,) int32 group of each sample, −1 = none.
    sd
        Prior standard deviation of a group's effect, in log-odds.
    """

    codes: Int32
    sd: float


@dataclass(frozen=True)
class CorrectionModel:
    """A fitted correction.

    Attributes
    ----------
    bias
        Intercept, in log-odds.
    weights
        (p,) of the dense columns.
    effects
        Grouping → (group codes, their effects).
    n_decisions
        How many decisions it was fitted to.
    scale
        (D,) prior standard deviation of bias, weights and effects, in this order.
    curve
        (D, D) curvature of the negative log posterior at its mode, in units of ``scale``.
    unseen
        Grouping → prior standard deviation of a group without decisions.
    """

    bias: float
    weights: NDArray[np.float64]
    effects: Mapping[str, tuple[NDArray[np.int32], NDArray[np.float64]]]
    n_decisions: int
    scale: NDArray[np.float64]
    curve: NDArray[np.float64]
    unseen: Mapping[str, float]

    def variance(
        self,
        columns: Sequence[NDArray[np.floating]],
        groupings: Mapping[str, Grouping],
        rows: NDArray[np.int64],
        weight: NDArray[np.float64],
    ) -> float:
        """Posterior variance of Σ weight · log-odds over ``rows``: how far all of them may err together.

        By Laplace's approximation; groups without decisions keep their prior.

        Parameters
        ----------
        columns, groupings
            As for :func:`learn`.
        rows
            (m,) samples.
        weight
            (m,) weight of each.
        """
        parts = [np.array([weight.sum()])]
        parts += [_wide(block)[rows].T @ weight for block in columns]
        alone = 0.0
        for name, (codes, _) in self.effects.items():
            present, place = np.unique(groupings[name].codes[rows], return_inverse=True)
            total = np.bincount(place, weight, len(present))
            known = np.isin(present, codes)
            alone += self.unseen[name] ** 2 * float(np.square(total[~known & (present >= 0)]).sum())
            mass = np.zeros(len(codes))
            mass[np.searchsorted(codes, present[known])] = total[known]
            parts.append(mass)
        g = np.concatenate(parts) * self.scale
        return float(g @ np.linalg.solve(self.curve, g)) + alone

    def shift(self, columns: Sequence[NDArray[np.floating]], groupings: Mapping[str, Grouping]) -> NDArray[np.float64]:
        """(n,) log-odds to add to the scan's own, for all samples."""
        n = len(columns[0])
        out = np.full(n, self.bias)
        at = 0
        for block in columns:
            wide = _wide(block)
            out += wide @ self.weights[at : at + wide.shape[1]].astype(wide.dtype)
            at += wide.shape[1]
        for name, (codes, effect) in self.effects.items():
            if len(codes):
                group = groupings[name].codes
                place = np.minimum(np.searchsorted(codes, group), len(codes) - 1)
                out += np.where(codes[place] == group, effect[place], 0.0)
        return out


def learn(
    offset: NDArray[np.float64],
    columns: Sequence[Float32 | NDArray[np.float64]],
    sds: Sequence[float],
    groupings: Mapping[str, Grouping],
    rows: NDArray[np.int64],
    right: NDArray[np.float64],
    bias_sd: float = 0.5,
) -> CorrectionModel:
    """Fit the model to the decisions.

    Parameters
    ----------
    offset
        (n,) the scan's log-odds.
    columns
        Blocks (n,) or (n, p_b), standardised.
    sds
        Prior standard deviation of the weights of each block.
    groupings
        name → groups with an effect each.
    rows
        (m,) decided rows, the latest last.
    right
        (m,) 1.0 = the flag was right, 0.0 = it was not.
    bias_sd
        Prior standard deviation of the intercept. All of them are scaled by √(m / (m + 5)).
    """
    rows, right = rows[-MOST_DECISIONS:], right[-MOST_DECISIONS:]
    m = len(rows)
    early = (m / (m + _FIRST)) ** 0.5
    bias_sd, sds = bias_sd * early, [sd * early for sd in sds]
    groupings = {name: Grouping(g.codes, g.sd * early) for name, g in groupings.items()}
    blocks = [np.full((m, 1), bias_sd)]
    blocks += [_wide(c)[rows].astype(np.float64) * sd for c, sd in zip(columns, sds, strict=True)]
    scale = np.concatenate([np.full(b.shape[1], s) for b, s in zip(blocks, (bias_sd, *sds), strict=True)])
    kept: dict[str, NDArray[np.int32]] = {}
    for name, group in groupings.items():
        codes, count = np.unique(group.codes[rows], return_counts=True)
        codes, count = codes[codes >= 0], count[codes >= 0]
        if len(codes) > MOST_EFFECTS:
            codes = np.sort(codes[np.argsort(-count, kind="stable")[:MOST_EFFECTS]])
        kept[name] = codes.astype(np.int32)
        blocks.append((group.codes[rows][:, None] == codes) * group.sd)
    x = np.concatenate(blocks, 1)
    w, curve = _mode(x, offset[rows], right)
    at = len(scale)
    effects = {}
    for name, codes in kept.items():
        effects[name] = (codes, w[at : at + len(codes)] * groupings[name].sd)
        at += len(codes)
    weights = w[: len(scale)] * scale
    all_scales = np.concatenate([scale, *(np.full(len(codes), groupings[n].sd) for n, codes in kept.items())])
    unseen = {name: group.sd for name, group in groupings.items()}
    return CorrectionModel(float(weights[0]), weights[1:], effects, m, all_scales, curve, unseen)


def _mode(
    x: NDArray[np.float64], offset: NDArray[np.float64], right: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The weights with the largest posterior under a standard normal prior, and the curvature there.

    By Newton's method, with steps that are halved until they improve.
    """
    w, curve = np.zeros(x.shape[1]), np.eye(x.shape[1])

    def loss(v: NDArray[np.float64]) -> float:
        f = offset + x @ v
        return float(np.logaddexp(0.0, f).sum() - right @ f + 0.5 * v @ v)

    current = loss(w)
    for _ in range(_ROUNDS):
        p = sigmoid(offset + x @ w)
        slope = x.T @ (p - right) + w
        curve = (x * (p * (1.0 - p))[:, None]).T @ x
        curve[np.diag_indices_from(curve)] += 1.0
        step = np.linalg.solve(curve, slope)
        size = 1.0
        while (proposed := loss(w - size * step)) > current and size > 1e-4:
            size /= 2
        w = w - size * step
        if current - proposed < _TOLERANCE * max(1.0, current):
            break
        current = proposed
    return w, curve
