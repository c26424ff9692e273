"""Many multinomial logistic probes at once: every fold, repeat and loss is a slice of one weight tensor.

All models see the same minibatch, so one matrix product (B, d) × (d, M·C) serves them all; a model's held-out rows
simply get no gradient. Each minibatch is scored *before* the step, so an epoch's in-fold and out-of-fold outputs
cost nothing extra and are summarised on the spot: nothing of size n × C × M is ever stored.

The three losses share one gradient form, w(p_y) · (p − onehot(y)), which is why they can train side by side:

- cross-entropy: w = 1
- generalised cross-entropy (Zhang & Sabuncu 2018), (1 − p_y^q)/q: w = p_y^q, q = 0.7
- symmetric cross-entropy (Wang et al. 2019), α·CE + β·RCE with log 0 := −4: w = α + 4β·p_y, α = 0.1, β = 1

Dynamics, by their papers: EL2N (Paul et al. 2021), area under the margin (Pleiss et al. 2020), forgetting
(Toneva et al. 2019), dataset cartography (Swayamdipta et al. 2020), the early-learning target t ← βt + (1−β)p (Liu
et al. 2020), loss history under strong augmentation (the sample-adaptive augmentation literature; H ← (1−α)ℓ + αH).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
import torch

from ...parallel import single_threaded_pool
from ...types import Float32, Int32, Progress, ProgressFn
from .config import ProbeConfig

CE, GCE, SCE = 0, 1, 2
_GCE_Q = 0.7
_SCE_ALPHA, _SCE_BETA_A = 0.1, 4.0
_HISTORY = 0.7
"""Memory α of the loss history."""
_BLOCK = 6_000_000
"""Most elements of one (B, M, C) block."""
_STEP_BLOCK = 1 << 18
"""Weights that the optimiser changes at a time on one core."""
_SLICE = 512
"""Rows of a minibatch that one core handles at a time: their outputs stay in its cache."""


@dataclass(frozen=True)
class LinearOutput:
    """What the linear probes predicted.

    Attributes
    ----------
    probs
        Loss name → (n, C) float32 mean out-of-fold probabilities.
    dynamics
        Name → (n,) float32 summary of the training.
    targets
        (n, C) float32, the temporal ensemble of the out-of-fold probabilities.
    """

    probs: dict[str, Float32]
    dynamics: dict[str, Float32]
    targets: Float32


def _same(z: torch.Tensor, _: int) -> torch.Tensor:
    return z


def _loss_weight(kind: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """Per-sample gradient weight w(p_y): kind (M,), own (B, M) → (B, M)."""
    gce = own.clamp_min(1e-6) ** _GCE_Q
    sce = _SCE_ALPHA + _SCE_BETA_A * own
    return torch.where(kind == GCE, gce, torch.where(kind == SCE, sce, torch.ones_like(own)))


class _Adam:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019) and a running mean of the weights."""

    def __init__(self, shape: tuple[int, ...], decay: torch.Tensor, device: torch.device) -> None:
        self.weight = torch.zeros(shape, device=device)
        self.mean = torch.zeros(shape, device=device)
        self._m, self._v = torch.zeros_like(self.weight), torch.zeros_like(self.weight)
        self._decay, self._step, self._averaged = decay, 0, 0

    def step(self, pool: Executor, gradient: torch.Tensor, rate: float, average: bool) -> None:
        """One step, in blocks of rows that stay in a core's cache."""
        self._step += 1
        self._averaged += average
        rows = max(1, _STEP_BLOCK // max(gradient.shape[1], 1)) if gradient.device.type == "cpu" else len(gradient)
        parts = [slice(at, at + rows) for at in range(0, len(gradient), rows)]
        list(pool.map(lambda part: self._step_part(part, gradient, rate, average), parts))

    def _step_part(self, part: slice, gradient: torch.Tensor, rate: float, average: bool) -> None:
        weight, mean, m, v = self.weight[part], self.mean[part], self._m[part], self._v[part]
        gradient = gradient[part]
        m.mul_(0.9).add_(gradient, alpha=0.1)
        v.mul_(0.99).addcmul_(gradient, gradient, value=0.01)
        change = (v / (1 - 0.99**self._step)).sqrt_().add_(1e-8)
        torch.div(m / (1 - 0.9**self._step), change, out=change)
        weight.sub_(change.add_(self._decay[part] * weight).mul_(rate))
        if average:
            mean.add_((weight - mean).div_(self._averaged))


class LinearProbes:
    """Train the probes and summarise their predictions.

    Parameters
    ----------
    features
        (n, d) float32, unit rows.
    labels
        (n,) int32, −1 = none.
    fold
        (R, n) int32 with −1 = never trained on, one row of folds per repeat.
    kinds
        The loss of each repeat (CE, GCE or SCE).
    classes
        Number of classes C.
    config
        The settings.
    strong
        (n, d) features of strongly augmented views, used in turn; where there are none the features themselves are
        distorted.
    """

    def __init__(
        self,
        features: Float32,
        labels: Int32,
        fold: Int32,
        kinds: tuple[int, ...],
        classes: int,
        config: ProbeConfig,
        strong: Sequence[Float32] = (),
    ) -> None:
        self.config, self.classes = config, classes
        self._strong = [torch.from_numpy(np.require(x, np.float32, ["C", "W"])) for x in strong]
        self.device = torch.device(config.device)
        self.n, self.d = features.shape
        self.folds = int(max(fold.max() + 1, 1))
        self.kinds = kinds
        self.models = self.folds * len(kinds)
        # unit rows are scaled to unit variance per direction, the scale at which Adam's step is meant
        self.x = torch.from_numpy(features)
        self.scale = float(np.sqrt(self.d))
        self.y = torch.from_numpy(labels.astype(np.int64))
        self.fold = torch.from_numpy(fold.astype(np.int64))
        self._kind = torch.tensor(kinds, device=self.device).repeat_interleave(self.folds)
        self._each = torch.arange(self.folds, device=self.device)
        decay = [config.weight_decay[i % len(config.weight_decay)] for i in range(len(kinds))]
        column = torch.tensor(decay).repeat_interleave(self.folds * classes).to(self.device)
        penal = torch.ones(self.d + 1, 1, device=self.device)
        penal[-1] = 0  # the intercept is not shrunk
        self.optimiser = _Adam((self.d + 1, self.models * classes), penal * column, self.device)

    def _batch(self, rows: torch.Tensor) -> torch.Tensor:
        """Features with the intercept column, (B, d + 1)."""
        x = torch.empty(len(rows), self.d + 1, device=self.device)
        x[:, :-1] = self.x[rows].to(self.device)
        x[:, :-1] *= self.scale
        x[:, -1] = 1
        return x

    def run(self, progress: ProgressFn) -> LinearOutput:
        """Train all models; ``progress`` is called once per epoch."""
        cfg, n = self.config, self.n
        rng = np.random.default_rng(cfg.seed + 1)
        batch = max(1, min(cfg.batch_size, _BLOCK // max(self.models * self.classes, 1)))
        steps = -(-n // batch) * cfg.epochs
        tally = _Dynamics(n, self.classes, cfg, self.folds, sum(k == CE for k in self.kinds))
        noise = torch.Generator().manual_seed(cfg.seed)
        size = _SLICE if self.device.type == "cpu" else batch
        done = 0
        with single_threaded_pool(self.device.type) as pool:
            for epoch in range(cfg.epochs):
                progress(Progress("probe", epoch, cfg.epochs, "epochs"))
                order = torch.from_numpy(rng.permutation(n))
                strong = (cfg.augmentation > 0 or bool(self._strong)) and epoch >= cfg.epochs // 3 and epoch % 3 == 2
                for rows in torch.split(order, batch):
                    parts = torch.split(rows, size)
                    distorted = self._distorted(rows, epoch, noise, size) if strong else [None] * len(parts)
                    work = partial(self._slice, epoch=epoch, tally=tally)
                    gradients, counts = zip(*pool.map(work, parts, distorted), strict=True)
                    gradient = sum(gradients[1:], gradients[0])
                    count = sum(counts[1:], counts[0]).clamp_min(1)
                    gradient.view(self.d + 1, self.models, self.classes).div_(count[:, None])
                    rate = cfg.learning_rate * 0.5 * (1 + np.cos(np.pi * done / max(steps, 1))) / self.scale
                    self.optimiser.step(pool, gradient, float(rate), average=epoch >= cfg.epochs // 2)
                    done += 1
            progress(Progress("probe", cfg.epochs, cfg.epochs, "epochs"))
            return LinearOutput(self._final(pool, min(batch, size)), tally.result(), tally.targets())

    def _slice(
        self, rows: torch.Tensor, distorted: _Distortion | None, epoch: int, tally: _Dynamics
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Score and summarise some rows of a minibatch.

        Returns their gradient (d + 1, M·C), summed over the rows that each model trains on, and the number of those
        rows (M,).
        """
        x, y = self._batch(rows), self.y[rows].to(self.device)
        fold = self.fold[:, rows].to(self.device)  # (R, B)
        held = ((fold[:, :, None] == self._each) | (fold < 0)[:, :, None]).transpose(0, 1).reshape(len(rows), -1)
        p = self._probs(x)
        tally.out_of_fold(epoch, rows, p, y, fold)
        if distorted is not None:
            keep, jitter = (t.to(self.device) for t in distorted)
            q = x * keep + jitter
            q[:, -1] = 1
            tally.distorted(rows, self._probs(q), y, fold)
        target = y.clamp_min(0)[:, None, None].expand(-1, self.models, 1)
        own = p.gather(2, target).squeeze(2)
        # the given class is masked to find its rival, then set to p_y − 1: the gradient
        plain = p[:, : tally.models]
        rest = plain.scatter_(2, target[:, : tally.models], -1.0).amax(2)
        p.scatter_(2, target, (own - 1)[:, :, None])
        tally.in_fold(rows, own, rest, held)
        trains = (~held) & (y >= 0)[:, None]
        p.mul_((_loss_weight(self._kind, own) * trains)[:, :, None])
        return x.T @ p.view(len(x), -1), trains.sum(0)

    def _probs(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax((x @ self.optimiser.weight).view(len(x), self.models, self.classes), 2)

    def _distorted(self, rows: torch.Tensor, epoch: int, noise: torch.Generator, size: int) -> list[_Distortion | None]:
        """What replaces the features of some rows, in parts: a view's features, or distorted ones."""
        if not self._strong:
            return self._distortion(len(rows), noise, size)
        view = self._strong[epoch // 3 % len(self._strong)]
        nothing = torch.zeros(1, self.d + 1, dtype=torch.bool)
        instead = [torch.nn.functional.pad(view[part] * self.scale, (0, 1)) for part in torch.split(rows, size)]
        return [(nothing, x) for x in instead]

    def _distortion(self, rows: int, noise: torch.Generator, size: int) -> list[_Distortion | None]:
        """Strong augmentation in feature space: half of the directions dropped, and noise of half their size."""
        keep = torch.rand(rows, self.d + 1, generator=noise) < 0.5
        jitter = torch.randn(rows, self.d + 1, generator=noise).mul_(0.5 * self.config.augmentation)
        return list(zip(torch.split(keep, size), torch.split(jitter, size), strict=True))

    def _final(self, pool: Executor, size: int) -> dict[str, Float32]:
        """Out-of-fold probabilities of the averaged weights, averaged in log space over the models of a loss."""
        names = {CE: "linear", GCE: "gce", SCE: "sce"}
        out = {names[k]: np.zeros((self.n, self.classes), np.float32) for k in sorted(set(self.kinds))}

        def score(rows: torch.Tensor) -> None:
            fold = self.fold[:, rows].to(self.device)
            z = (self._batch(rows) @ self.optimiser.mean).view(len(rows), self.models, self.classes)
            for k in sorted(set(self.kinds)):
                repeats = torch.tensor([i for i, kind in enumerate(self.kinds) if kind == k])
                p = held_out(torch.log_softmax, z, fold, repeats, self.folds)
                out[names[k]][rows.numpy()] = torch.softmax(p.mean(1), 1).cpu().numpy()

        list(pool.map(score, torch.split(torch.arange(self.n), size)))
        return out


def held_out(
    activation: Callable[..., torch.Tensor],
    z: torch.Tensor,
    fold: torch.Tensor,
    repeats: torch.Tensor,
    folds: int,
) -> torch.Tensor:
    """(B, R', C) ``activation(z, -1)`` of the models that did not train on a row, one for each repeat.

    Parameters
    ----------
    activation
        Softmax, log-softmax or the identity.
    z
        (B, M, C) logits; model r · folds + f is fold f of repeat r.
    fold
        (R, B) fold of each row; −1 = no model trained on it: it has the mean over the folds of each repeat.
    repeats
        (R',) repeats to return.
    folds
        Number of folds.
    """
    own = fold[repeats]
    model = repeats.to(z.device)[:, None] * folds + own.clamp_min(0)
    index = model.T[:, :, None].expand(-1, -1, z.shape[2])
    out = activation(z.gather(1, index), -1)
    free = torch.nonzero(own[0] < 0).squeeze(1) if len(own) else own.new_zeros(0)
    if len(free):
        every = activation(z[free], -1).view(len(free), -1, folds, z.shape[2])
        out[free] = every[:, repeats.to(z.device)].mean(2)
    return out


_Distortion = tuple[torch.Tensor, torch.Tensor]
"""Which directions of each row are kept, and the noise that is added: (B, d + 1) bool and float32."""

_SUMS = ("el2n", "own", "own2", "correct", "loss", "loss2", "aum", "inside", "forgetting")


class _Dynamics:
    """Running summaries over epochs, one row per sample, of the cross-entropy models only (the first repeats)."""

    def __init__(self, n: int, classes: int, config: ProbeConfig, folds: int, repeats: int) -> None:
        self.config, self.folds = config, folds
        self.models = folds * repeats
        self.repeats = torch.arange(repeats)
        self.early = max(1, config.epochs // 3)
        self.sums = torch.zeros(n, len(_SUMS))
        self.strong = torch.full((n,), float("nan"))
        self.was_right = torch.zeros(n, self.models, dtype=torch.bool)
        self.target = torch.full((n, classes), 1.0 / max(classes, 1))

    def out_of_fold(self, epoch: int, rows: torch.Tensor, p: torch.Tensor, y: torch.Tensor, fold: torch.Tensor) -> None:
        """Add rows: p (B, M, C), y (B,), fold (R, B)."""
        q = held_out(_same, p, fold, self.repeats, self.folds)
        index = y.clamp_min(0)[:, None, None].expand(-1, q.shape[1], 1)
        own = q.gather(2, index).squeeze(2)
        error = (q.square().sum(2) - 2 * own + 1).clamp_min(0).sqrt().mean(1)
        right = own > q.scatter(2, index, -1.0).amax(2)
        mean_own, mean_loss = own.mean(1), -own.clamp_min(1e-7).log().mean(1)
        early = float(epoch < self.early)
        sums = (
            error * early,
            mean_own,
            mean_own.square(),
            right.float().mean(1),
            mean_loss,
            mean_loss.square(),
        )
        self.sums[rows, : len(sums)] += torch.stack(sums, 1).cpu()
        mean_p = q.mean(1).cpu()
        beta = self.config.elr_beta
        self.target[rows] = mean_p if epoch == 0 else beta * self.target[rows] + (1 - beta) * mean_p

    def in_fold(self, rows: torch.Tensor, own: torch.Tensor, rest: torch.Tensor, held: torch.Tensor) -> None:
        """Add rows by the given class's probability and its strongest rival's.

        ``own`` and ``held`` are (B, M), ``rest`` (B, M') for the M' models that are summarised.
        """
        own, held = own[:, : self.models], held[:, : self.models]
        inside = (~held).float()
        inside /= inside.sum(1, keepdim=True).clamp_min(1)
        # softmax keeps differences of logits: z_y − max z_k = log p_y − log max p_k
        margin = (own.clamp_min(1e-7).log() - rest.clamp_min(1e-7).log()).mul_(inside).sum(1)
        right = (own > rest).cpu()
        forgot = ((self.was_right[rows] & ~right) * inside.cpu()).sum(1)
        self.was_right[rows] = right
        self.sums[rows, -3:] += torch.stack([margin.cpu(), (own * inside).sum(1).cpu(), forgot], 1)

    def distorted(self, rows: torch.Tensor, p: torch.Tensor, y: torch.Tensor, fold: torch.Tensor) -> None:
        """Add the probabilities p (B, M, C) of distorted rows."""
        q = held_out(_same, p, fold, self.repeats, self.folds)
        own = q.gather(2, y.clamp_min(0)[:, None, None].expand(-1, q.shape[1], 1)).squeeze(2)
        loss = -own.clamp_min(1e-7).log().mean(1).cpu()
        old = self.strong[rows]
        self.strong[rows] = torch.where(old.isnan(), loss, (1 - _HISTORY) * loss + _HISTORY * old)

    def targets(self) -> Float32:
        """(n, C) the early-learning target."""
        return cast("Float32", (self.target / self.target.sum(1, keepdim=True).clamp_min(1e-9)).numpy())

    def result(self) -> dict[str, Float32]:
        """Name → (n,) summary."""
        epochs = max(self.config.epochs, 1)
        s = {name: self.sums[:, i].numpy() for i, name in enumerate(_SUMS)}
        own, loss = s["own"] / epochs, s["loss"] / epochs
        return {
            "el2n": s["el2n"] / self.early,
            "aum": s["aum"] / epochs,
            "mean_true": own,
            "spread_true": np.sqrt(np.maximum(s["own2"] / epochs - own**2, 0)),
            "correctness": s["correct"] / epochs,
            "memorisation": np.maximum(s["inside"] / epochs - own, 0),
            "forgetting": s["forgetting"],
            "loss_history": loss,
            "loss_spread": np.sqrt(np.maximum(s["loss2"] / epochs - loss**2, 0)),
            "loss_strong": self.strong.numpy().astype(np.float32),
        }
