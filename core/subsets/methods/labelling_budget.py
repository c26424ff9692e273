"""A labelling budget per group, from learning curves."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...types import Float32, Int32, Int64
from .base import SELECTORS, Need, SelectionInputs, SelectorResult, free_rows, shares, shuffled_by

_SPLITS = 3
_MOST = 20_000
"""Learning curves are measured on at most this many samples."""


class LabellingBudget:
    """Slice Tuner: a larger budget for groups whose error still falls with more samples.

    Notes
    -----
    Formula: a ridge classifier is fitted on 1/8, 1/4, 1/2 and all of one half of the pool; each group's error on the
    other half follows e_g(n) = a_g · n^(−b_g) (least squares in logs over three splits; b_g in [0.05, 2] is shrunk
    half-way to the median slope of all groups, since a curve of four points is noisy); the budget minimises Σ_g
    e_g(n_g). The Lagrange condition gives n_g ∝ (a_g b_g)^(1/(1 + b_g)), capped at the size of the group. Groups are
    the caller's groups, else classes. Option ``curves``: {group: [[n, error], …]} measured elsewhere. Within a group,
    samples are drawn ∝ quality^(4·slider).

    As published: power laws per slice and the convex allocation. Not published: error instead of loss, no penalty for
    unfairness, no repeated acquisition, one exponent's power for all (n_g ∝ …, not the exact solution where slopes
    differ), the shrinkage, and the draw by quality.

    References
    ----------
    Tae and Whang (2021), "Slice Tuner: a selective data acquisition framework for accurate and fair machine learning
    models", SIGMOD.
    Hestness et al. (2017), "Deep learning scaling is predictable, empirically", arXiv:1712.00409 (power laws).
    """

    name: ClassVar[str] = "labelling_budget"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Budget by learning curve"
    explain: ClassVar[str] = "Groups that still learn get more; groups whose curve is flat get less."
    requires: ClassVar[frozenset[Need]] = frozenset({Need.VECTORS, Need.LABELS})
    uses: ClassVar[frozenset[str]] = frozenset({"quality"})
    sizes_itself: ClassVar[bool] = False

    def __call__(self, inputs: SelectionInputs, budget: int, taken: Int64) -> SelectorResult:
        """Draw from each group its quota."""
        assert inputs.vectors is not None
        rows = free_rows(inputs, taken)
        group = (inputs.groups if inputs.groups is not None else inputs.labels) + 1
        if not len(rows) or budget <= 0:
            return SelectorResult(rows[:0])
        groups = int(group.max()) + 1
        given = inputs.options.get("curves")
        if given:
            measured = {int(g) + 1: np.asarray(points, float) for g, points in dict(given).items()}
        else:
            labelled = rows[inputs.labels[rows] >= 0]
            if len(labelled) > _MOST:
                labelled = np.sort(inputs.rng().choice(labelled, _MOST, replace=False))
            measured = curves(inputs.vectors[labelled], inputs.labels[labelled], group[labelled], inputs.seed)
        room = np.bincount(group[rows], minlength=groups).astype(np.int64)
        power = np.tile([0.5, 0.3], (groups, 1))  # typical values for a group without a curve
        known = {g: points for g, points in measured.items() if g < groups and len(points) >= 2}
        if known:
            common = float(np.median([power_law(points)[1] for points in known.values()]))
            for g, points in known.items():
                power[g] = power_law(points, common)
        a, b = power[:, 0], power[:, 1]
        weight = np.where(room > 0, (np.maximum(a * b, 1e-6)) ** (1.0 / (1.0 + b)), 0.0)
        quota = shares(budget, weight, room)
        order = shuffled_by(inputs.trust()[rows], inputs.rng())
        drawn = [order[group[rows][order] == g][: quota[g]] for g in range(groups)]
        laws = {str(g - 1): [round(float(a[g]), 4), round(float(b[g]), 4)] for g in measured if g < groups}
        return SelectorResult(rows[inputs.rng().permutation(np.concatenate(drawn))], info={"power_laws": laws})


def curves(x: Float32, labels: Int32, group: Int32, seed: int) -> dict[int, NDArray[np.float64]]:
    """Learning curves: group → (≤ 12, 2) its number of training samples, and its error on the held-out half."""
    n, classes = len(x), int(labels.max(initial=0)) + 1
    out: dict[int, list[list[float]]] = {}
    onehot = np.eye(classes, dtype=np.float32)
    eye = np.eye(x.shape[1], dtype=np.float32)
    for turn in range(_SPLITS):
        order = np.random.default_rng([seed, turn]).permutation(n)
        train, test = order[: n // 2], order[n // 2 :]
        for part in (8, 4, 2, 1):
            rows = train[: max(len(train) // part, 2)]
            z = x[rows]
            gram = z.T @ z + (1e-2 * len(rows) / z.shape[1] + 1e-6) * eye
            weight = np.linalg.solve(gram, z.T @ onehot[labels[rows]])
            wrong = np.argmax(x[test] @ weight, axis=1) != labels[test]
            for g in np.unique(group[test]):
                size = float((group[rows] == g).sum())
                if size > 0:
                    out.setdefault(int(g), []).append([size, float(wrong[group[test] == g].mean())])
    return {g: np.array(points) for g, points in out.items()}


def power_law(points: NDArray[np.float64], common: float | None = None) -> tuple[float, float]:
    """Fit e(n) = a · n^(−b) by least squares in logs.

    Parameters
    ----------
    points
        (m, 2) of (n, error); errors below 0.001 count as 0.001.
    common
        A slope that b is shrunk half-way to, None = none.

    Returns
    -------
    tuple of float
        a, and b in [0.05, 2].
    """
    size, error = np.log(np.maximum(points[:, 0], 1.0)), np.log(np.maximum(points[:, 1], 1e-3))
    variance = float(((size - size.mean()) ** 2).sum())
    b = 0.0 if variance < 1e-9 else -float(((size - size.mean()) * (error - error.mean())).sum() / variance)
    b = float(np.clip(b if common is None else (b + common) / 2.0, 0.05, 2.0))
    return float(np.exp(error.mean() + b * size.mean())), b


SELECTORS.register(LabellingBudget.name)(LabellingBudget())
