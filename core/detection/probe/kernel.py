"""A kernel probe with exact leave-one-out predictions: least squares on Nyström features of an RBF kernel.

Nyström features (Williams & Seeger 2001): with m anchors a and k(z, a) = exp(−γ‖z − a‖²), the model is the ridge
solution B = (ΦᵀΦ + λR)⁻¹ΦᵀY with Φ = [k(z, a), 1]. Its leave-one-out prediction needs no refit (PRESS, Allen 1974):

    f₋ᵢ(xᵢ) = (fᵢ − hᵢyᵢ) / (1 − hᵢ),   hᵢ = φᵢᵀ(ΦᵀΦ + λR)⁻¹φᵢ

so one fit gives every sample the prediction of a model that never saw its label. R is the anchors' kernel matrix (the
RKHS norm). λ and γ are chosen by the leave-one-out likelihood of the *given* labels; the scores become probabilities
by a softmax whose temperature is chosen the same way. Nothing of size n × m is stored: two passes over row blocks.

The three products of size n × m² (features, Gram matrix, leverage) each have a triangular or symmetric side, so about
three eighths of their entries are known and not computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from ...parallel import ordered_map, single_threaded_pool
from ...types import Bool, Float32, Int32, Progress, ProgressFn
from .pool import best_temperature, log_likelihood

_GAMMAS = (0.5, 2.0)
"""Widths tried, in units of 1 / mean squared distance."""
_RIDGES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Ridges tried, in units of the mean eigenvalue of the whitened Gram matrix."""
_JITTER = 1e-4
"""Added to the diagonal of the anchors' kernel matrix (whose diagonal is 1), for the factorisation."""
_PARTS = 4
"""Blocks into which a triangular or symmetric side is cut."""
_TUNE_ROWS = 2500
_BLOCK = 2_000_000


@dataclass(frozen=True)
class KernelOutput:
    """Leave-one-out regression scores (n, C) float32; softmax(scores · sharpness) are probabilities."""

    scores: Float32
    sharpness: float
    info: dict[str, float]


def _edges(size: int) -> list[tuple[int, int]]:
    """The blocks of ``size`` columns: (first, one past the last)."""
    step = -(-size // _PARTS)
    return [(at, min(at + step, size)) for at in range(0, size, step)]


def _times_upper(a: torch.Tensor, upper: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """a·U into ``out``, (B, m) × (m, r) → (B, r), U[i, j] = 0 for i > j: what is below the diagonal is skipped."""
    for first, stop in _edges(upper.shape[1]):
        deep = min(stop, len(upper))
        torch.matmul(a[:, :deep], upper[:deep, first:stop], out=out[:, first:stop])
    return out


def _upper_gram(phi: torch.Tensor) -> torch.Tensor:
    """The blocks of ΦᵀΦ on and above its diagonal, (m, m); zeros below them."""
    out = torch.zeros(phi.shape[1], phi.shape[1], device=phi.device)
    for first, stop in _edges(phi.shape[1]):
        torch.matmul(phi[:, first:stop].T, phi[:, first:], out=out[first:stop, first:])
    return out


class _Nystroem:
    """Features Φ for one width: (B, d) → (B, m + 1), whitened so that the RKHS norm is the plain norm."""

    def __init__(self, anchors: torch.Tensor, gamma: float) -> None:
        self.anchors, self.gamma = anchors, gamma
        kernel = self._kernel(anchors).double()
        kernel.diagonal().add_(_JITTER)
        factor = torch.linalg.cholesky(kernel)
        unit = torch.eye(len(factor), dtype=factor.dtype, device=factor.device)
        self.map = torch.linalg.solve_triangular(factor, unit, upper=False).T.float().contiguous()

    def _kernel(self, x: torch.Tensor) -> torch.Tensor:
        squared = x.square().sum(1)[:, None] + self.anchors.square().sum(1)
        squared = torch.addmm(squared, x, self.anchors.T, alpha=-2).clamp_min_(0)
        return squared.mul_(-self.gamma).exp_()

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        phi = torch.ones(len(x), self.map.shape[1] + 1, device=x.device)
        _times_upper(self._kernel(x), self.map, phi[:, :-1])
        return phi

    def through(
        self, weight: torch.Tensor, inverse: torch.Tensor
    ) -> Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
        """A function x ↦ Φ(x)·weight, the leverages ‖Φ(x)·inverse‖², (B, C) and (B,), that never computes Φ(x).

        ``weight`` is (m + 1, C). ``inverse`` (m + 1, m + 1) is upper triangular, as is the map, so their product is.
        """
        direct, constant = self.map @ weight[:-1], weight[-1]
        upper, shift = self.map @ inverse[:-1], inverse[-1]

        def both(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            kernel = self._kernel(x)
            z = _times_upper(kernel, upper, torch.empty(len(x), upper.shape[1], device=x.device))
            return torch.addmm(constant, kernel, direct), z.add_(shift).square_().sum(1)

        return both


def leave_one_out(
    features: Float32,
    labels: Int32,
    usable: Bool,
    classes: int,
    anchors: int,
    seed: int,
    progress: ProgressFn,
    device: str = "cpu",
    name: str = "kernel",
) -> KernelOutput:
    """Leave-one-out scores of every row; rows that are not usable (no label) get the full model's scores.

    Parameters
    ----------
    features
        (n, d) float32.
    labels
        (n,) int32.
    usable
        (n,) bool, rows that are fitted on (≥ 2 of them).
    classes
        Number of classes C.
    anchors
        Number of Nyström anchors, ≥ 1.
    seed
        Seed of the anchors and of the rows for tuning.
    progress
        Called after each of three passes.
    device
        Torch device.
    name
        Name of the model in progress messages.
    """
    with single_threaded_pool(torch.device(device).type) as pool:
        return _leave_one_out(pool, features, labels, usable, classes, anchors, seed, progress, device, name)


def _leave_one_out(
    pool: Executor,
    features: Float32,
    labels: Int32,
    usable: Bool,
    classes: int,
    anchors: int,
    seed: int,
    progress: ProgressFn,
    device: str,
    name: str,
) -> KernelOutput:
    dev = torch.device(device)
    rng = np.random.default_rng(seed)
    rows = np.flatnonzero(usable)
    anchor_rows = np.sort(rng.choice(rows, min(anchors, len(rows)), replace=False))
    x = torch.from_numpy(features)
    centre = x[torch.from_numpy(anchor_rows)].to(dev)
    spread = float(2 * (centre - centre.mean(0)).square().sum(1).mean().clamp_min(1e-12))
    tune = np.sort(rng.choice(rows, min(_TUNE_ROWS, len(rows)), replace=False))
    best: tuple[float, float, float, float] | None = None
    # the width is chosen on at most 2 × _TUNE_ROWS rows, the ridge afterwards on the whole
    small = rows if len(rows) <= 2 * _TUNE_ROWS else np.sort(rng.choice(rows, 2 * _TUNE_ROWS, replace=False))
    for gamma in _GAMMAS:
        few = centre[:: max(1, len(centre) // 600)]
        trial = _Fit(pool, _Nystroem(few, gamma / spread), x, labels, small, classes, dev)
        likelihood, ridge, sharp = trial.tune(small[:: max(1, len(small) // _TUNE_ROWS)], _RIDGES)
        if best is None or likelihood > best[0]:
            best = (likelihood, gamma, ridge, sharp)
    assert best is not None
    progress(Progress("probe", 1, 3, "passes", f"{name}: kernel width chosen"))
    fit = _Fit(pool, _Nystroem(centre, best[1] / spread), x, labels, rows, classes, dev)
    likelihood, ridge, sharp = fit.tune(tune, [best[2] * s for s in (0.3, 1.0, 3.0)])
    progress(Progress("probe", 2, 3, "passes", f"{name}: fitted"))
    scores = fit.scores(np.arange(len(features)), usable, ridge)
    progress(Progress("probe", 3, 3, "passes", f"{name}: scored"))
    info = {"gamma": best[1], "ridge": ridge, "log_likelihood": likelihood, "anchors": float(len(anchor_rows))}
    return KernelOutput(scores, sharp, info)


class _Fit:
    """The normal equations of one width, accumulated over blocks of rows."""

    def __init__(
        self,
        pool: Executor,
        features: _Nystroem,
        x: torch.Tensor,
        labels: Int32,
        rows: NDArray[np.int64],
        classes: int,
        dev: torch.device,
    ) -> None:
        self.pool, self.features, self.x, self.classes, self.dev = pool, features, x, classes, dev
        self.labels = torch.from_numpy(labels.astype(np.int64)).clamp_min(0)
        size = features.map.shape[1] + 1
        self.block = max(64, _BLOCK // max(size, features.anchors.shape[0], classes))
        self.gram = torch.zeros(size, size, device=dev)
        self.cross = torch.zeros(size, classes, device=dev)
        for gram, cross in ordered_map(pool, self._moments, torch.split(torch.from_numpy(rows), self.block)):
            self.gram += gram
            self.cross += cross
        self.gram = torch.triu(self.gram) + torch.triu(self.gram, 1).T
        self.unit = float(self.gram.diagonal()[:-1].mean().clamp_min(1e-12)) if size > 1 else 1.0

    def _moments(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """ΦᵀΦ (its upper blocks) and ΦᵀY of some rows."""
        phi = self.features(self.x[rows].to(self.dev))
        cross = torch.zeros(phi.shape[1], self.classes, device=self.dev)
        return _upper_gram(phi), cross.index_add_(1, self.labels[rows].to(self.dev), phi.T.contiguous())

    def _factor(self, ridge: float) -> torch.Tensor:
        penal = torch.full((len(self.gram),), ridge * self.unit, device=self.dev)
        penal[-1] = 1e-3
        return cast("torch.Tensor", torch.linalg.cholesky((self.gram + torch.diag(penal)).double()).float())

    def scores(self, rows: NDArray[np.int64], usable: Bool, ridge: float) -> Float32:
        """(len(rows), C) leave-one-out scores; rows that are not usable were not fitted on and need no correction."""
        weight, inverse = self._solver(ridge)
        both = self.features.through(weight, inverse)
        out = np.empty((len(rows), self.classes), np.float32)

        def score(at: int) -> None:
            part = torch.from_numpy(rows[at : at + self.block])
            own = torch.from_numpy(usable[part.numpy()]).to(self.dev)
            f, leverage = both(self.x[part].to(self.dev))
            out[at : at + len(part)] = self._leave_out(f, leverage, self.labels[part].to(self.dev), own)

        list(self.pool.map(score, range(0, len(rows), self.block)))
        return out

    def _solver(self, ridge: float) -> tuple[torch.Tensor, torch.Tensor]:
        """The weights (m + 1, C), and the inverse factor whose product with φ has the leverage as its square norm."""
        factor = self._factor(ridge)
        unit = torch.eye(len(factor), device=self.dev)
        return torch.cholesky_solve(self.cross, factor), torch.linalg.solve_triangular(factor, unit, upper=False).T

    def _leave_out(self, f: torch.Tensor, leverage: torch.Tensor, labels: torch.Tensor, own: torch.Tensor) -> Float32:
        h = (leverage * own).clamp_max(1 - 1e-3)
        f[torch.arange(len(f), device=self.dev), labels] -= h
        return cast("Float32", (f / (1 - h)[:, None]).cpu().numpy())

    def tune(self, rows: NDArray[np.int64], ridges: Sequence[float]) -> tuple[float, float, float]:
        """The ridge and the sharpness with the highest leave-one-out likelihood: (likelihood, ridge, sharpness)."""
        part = torch.from_numpy(rows)
        phi, labels = self.features(self.x[part].to(self.dev)), self.labels[part].to(self.dev)
        own = torch.ones(len(rows), device=self.dev)
        codes = self.labels[part].numpy().astype(np.int32)

        def attempt(ridge: float) -> tuple[float, float, float]:
            weight, inverse = self._solver(ridge)
            leverage = _times_upper(phi, inverse, torch.empty_like(phi)).square().sum(1)
            scores = self._leave_out(phi @ weight, leverage, labels, own)
            sharp = best_temperature(scores, codes)
            return log_likelihood(scores * np.float32(sharp), codes), ridge, sharp

        return max(self.pool.map(attempt, ridges), key=lambda result: result[0])
