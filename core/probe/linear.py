"""Many multinomial logistic probes at once: every fold, repeat and loss is a slice of one weight tensor.

All models see the same minibatch, so one matrix product (B, d) × (d, M·C) serves them all; a model's held-out rows
simply get no gradient. Each minibatch is scored *before* the step, so an epoch's in-fold and out-of-fold outputs
cost nothing extra and are summarised on the spot: nothing of size n × C × M is ever stored.

The three losses share one gradient form, w(p_y) · (p − onehot(y)), which is why they can train side by side:

- cross-entropy: w = 1
- generalised cross-entropy (Zhang & Sabuncu 2018), (1 − p_y^q)/q: w = p_y^q, q = 0.7
- symmetric cross-entropy (Wang et al. 2019), α·CE + β·RCE with log 0 := −4: w = α + 4β·p_y, α = 0.1, β = 1

Dynamics, by their papers: EL2N and GraNd (Paul et al. 2021), area under the margin (Pleiss et al. 2020), forgetting
(Toneva et al. 2019), dataset cartography (Swayamdipta et al. 2020), the early-learning target t ← βt + (1−β)p (Liu
et al. 2020), loss history under strong augmentation (the sample-adaptive augmentation literature; H ← (1−α)ℓ + αH).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..types import Float32, Int32, Progress, ProgressFn
from .config import ProbeConfig

CE, GCE, SCE = 0, 1, 2
_GCE_Q = 0.7
_SCE_ALPHA, _SCE_BETA_A = 0.1, 4.0
_HISTORY = 0.7
"""Memory α of the loss history."""
_BLOCK = 6_000_000
"""Most elements of one (B, M, C) block."""


@dataclass(frozen=True)
class LinearOutput:
    """probs : loss name → (n, C) float32 mean out-of-fold probabilities. dynamics : name → (n,) float32.

    targets : (n, C) float32, the temporal ensemble of the out-of-fold probabilities.
    """

    probs: dict[str, Float32]
    dynamics: dict[str, Float32]
    targets: Float32


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

    def step(self, gradient: torch.Tensor, rate: float, average: bool) -> None:
        self._step += 1
        self._m.mul_(0.9).add_(gradient, alpha=0.1)
        self._v.mul_(0.99).addcmul_(gradient, gradient, value=0.01)
        m = self._m / (1 - 0.9**self._step)
        v = self._v / (1 - 0.99**self._step)
        self.weight.sub_(rate * (m / (v.sqrt() + 1e-8) + self._decay * self.weight))
        if average:
            self._averaged += 1
            self.mean.add_((self.weight - self.mean) / self._averaged)


class LinearProbes:
    """Train the probes and summarise what they said.

    features : (n, d) float32, unit rows. labels : (n,) int32, −1 = none. fold : (R, n) int32 with −1 = never trained
    on, one row of folds per repeat. kinds : the loss of each repeat (CE, GCE or SCE).
    """

    def __init__(
        self, features: Float32, labels: Int32, fold: Int32, kinds: tuple[int, ...], classes: int, config: ProbeConfig
    ) -> None:
        self.config, self.classes = config, classes
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
        self._model_fold = torch.arange(self.folds, device=self.device).repeat(len(kinds))
        self._model_repeat = torch.arange(len(kinds)).repeat_interleave(self.folds)
        decay = [config.weight_decay[i % len(config.weight_decay)] for i in range(len(kinds))]
        column = torch.tensor(decay).repeat_interleave(self.folds * classes).to(self.device)
        penal = torch.ones(self.d + 1, 1, device=self.device)
        penal[-1] = 0  # the intercept is not shrunk
        self.optimiser = _Adam((self.d + 1, self.models * classes), penal * column, self.device)

    def _batch(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Features with the intercept column, labels (0 where none), labelled (B,), held out (B, M)."""
        x = self.x[rows].to(self.device) * self.scale
        x = torch.cat([x, torch.ones(len(x), 1, device=self.device)], 1)
        y = self.y[rows].to(self.device)
        own = self.fold[:, rows].to(self.device)[self._model_repeat].T  # (B, M)
        held = (own == self._model_fold) | (own < 0)
        return x, y.clamp_min(0), y >= 0, held

    def _probs(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return torch.softmax((x @ weight).view(len(x), self.models, self.classes), 2)

    def run(self, progress: ProgressFn) -> LinearOutput:
        cfg, n = self.config, self.n
        rng = np.random.default_rng(cfg.seed + 1)
        batch = max(1, min(cfg.batch_size, _BLOCK // max(self.models * self.classes, 1)))
        steps = -(-n // batch) * cfg.epochs
        tally = _Dynamics(n, self.classes, cfg, self._kind)
        noise = torch.Generator().manual_seed(cfg.seed)
        done = 0
        for epoch in range(cfg.epochs):
            progress(Progress("probe", epoch, cfg.epochs, "epochs"))
            order = torch.from_numpy(rng.permutation(n))
            strong = cfg.augmentation > 0 and epoch >= cfg.epochs // 3 and epoch % 3 == 2
            for rows in torch.split(order, batch):
                x, y, labelled, held = self._batch(rows)
                p = self._probs(x, self.optimiser.weight)
                tally.add(epoch, rows, x, p, y, held)
                if strong:
                    q = self._probs(self._augment(x, noise), self.optimiser.weight)
                    tally.add_strong(rows, q, y, held)
                target = y[:, None, None].expand(-1, self.models, 1)
                own = p.gather(2, target).squeeze(2)
                weight = _loss_weight(self._kind, own) * (~held) * labelled[:, None]
                count = ((~held) & labelled[:, None]).sum(0).clamp_min(1)
                p.scatter_add_(2, target, torch.full_like(target, -1, dtype=p.dtype))
                p.mul_((weight / count)[:, :, None])
                gradient = x.T @ p.view(len(x), -1)
                rate = cfg.learning_rate * 0.5 * (1 + np.cos(np.pi * done / max(steps, 1))) / self.scale
                self.optimiser.step(gradient, float(rate), average=epoch >= cfg.epochs // 2)
                done += 1
        progress(Progress("probe", cfg.epochs, cfg.epochs, "epochs"))
        return LinearOutput(self._final(batch), tally.result(), tally.targets())

    def _augment(self, x: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
        """Strong augmentation in feature space: half of the directions dropped, and noise of half their size."""
        keep = (torch.rand(x.shape, generator=noise) < 0.5).to(self.device)
        jitter = torch.randn(x.shape, generator=noise).to(self.device)
        out = x * keep + 0.5 * self.config.augmentation * jitter
        out[:, -1] = 1
        return out

    def _final(self, batch: int) -> dict[str, Float32]:
        """Out-of-fold probabilities of the averaged weights, averaged in log space over the models of a loss."""
        names = {CE: "linear", GCE: "gce", SCE: "sce"}
        out = {names[k]: np.zeros((self.n, self.classes), np.float32) for k in sorted(set(self.kinds))}
        for rows in torch.split(torch.arange(self.n), batch):
            x, _, _, held = self._batch(rows)
            logp = torch.log_softmax((x @ self.optimiser.mean).view(len(x), self.models, self.classes), 2)
            for k in sorted(set(self.kinds)):
                take = held & (self._kind == k)
                mean = (logp * take[:, :, None]).sum(1) / take.sum(1).clamp_min(1)[:, None]
                out[names[k]][rows.numpy()] = torch.softmax(mean, 1).cpu().numpy()
        return out


class _Dynamics:
    """Running summaries over epochs, (n,) each, of the cross-entropy models only."""

    def __init__(self, n: int, classes: int, config: ProbeConfig, kind: torch.Tensor) -> None:
        self.config = config
        self.ce = kind == CE
        self.early = max(1, config.epochs // 3)
        self.sums = {
            k: torch.zeros(n)
            for k in ("el2n", "grand", "aum", "own", "own2", "correct", "forgetting", "loss", "loss2", "inside")
        }
        self.strong = torch.full((n,), float("nan"))
        self.was_right = torch.zeros(n, int(self.ce.sum()), dtype=torch.bool)
        self.target = torch.full((n, classes), 1.0 / max(classes, 1))

    def add(
        self, epoch: int, rows: torch.Tensor, x: torch.Tensor, p: torch.Tensor, y: torch.Tensor, held: torch.Tensor
    ) -> None:
        """x (B, d+1) with intercept, p (B, M, C), y (B,), held (B, M)."""
        p, held = p[:, self.ce], held[:, self.ce]
        out = held.float() / held.sum(1, keepdim=True).clamp_min(1)
        inside = (~held).float() / (~held).sum(1, keepdim=True).clamp_min(1)
        index = y[:, None, None].expand(-1, p.shape[1], 1)
        own = p.gather(2, index).squeeze(2)
        error = (p.square().sum(2) - 2 * own + 1).clamp_min(0).sqrt()
        rest = p.scatter(2, index, -1.0).amax(2)
        right = own > rest
        loss = -own.clamp_min(1e-7).log()
        mean_own, mean_loss = (own * out).sum(1), (loss * out).sum(1)

        def put(name: str, value: torch.Tensor) -> None:
            self.sums[name][rows] += value.cpu()

        if epoch < self.early:
            el2n = (error * out).sum(1)
            put("el2n", el2n)
            put("grand", el2n * x.norm(dim=1))
        # softmax keeps differences of logits: z_y − max z_k = log p_y − log max p_k
        put("aum", ((own.clamp_min(1e-7).log() - rest.clamp_min(1e-7).log()) * inside).sum(1))
        put("own", mean_own)
        put("inside", (own * inside).sum(1))
        put("own2", mean_own.square())
        put("correct", (right.float() * out).sum(1))
        put("loss", mean_loss)
        put("loss2", mean_loss.square())
        right_c = right.cpu()
        put("forgetting", ((self.was_right[rows] & ~right_c).float() * inside.cpu()).sum(1))
        self.was_right[rows] = right_c
        mean_p = (p * out[:, :, None]).sum(1).cpu()
        beta = self.config.elr_beta
        self.target[rows] = mean_p if epoch == 0 else beta * self.target[rows] + (1 - beta) * mean_p

    def add_strong(self, rows: torch.Tensor, p: torch.Tensor, y: torch.Tensor, held: torch.Tensor) -> None:
        p, held = p[:, self.ce], held[:, self.ce]
        own = p.gather(2, y[:, None, None].expand(-1, p.shape[1], 1)).squeeze(2)
        out = held.float() / held.sum(1, keepdim=True).clamp_min(1)
        loss = (-own.clamp_min(1e-7).log() * out).sum(1).cpu()
        old = self.strong[rows]
        self.strong[rows] = torch.where(old.isnan(), loss, (1 - _HISTORY) * loss + _HISTORY * old)

    def targets(self) -> Float32:
        t: Float32 = (self.target / self.target.sum(1, keepdim=True).clamp_min(1e-9)).numpy()
        return t

    def result(self) -> dict[str, Float32]:
        epochs = max(self.config.epochs, 1)
        s = {k: v.numpy().astype(np.float32) for k, v in self.sums.items()}
        own, loss = s["own"] / epochs, s["loss"] / epochs
        return {
            "el2n": s["el2n"] / self.early,
            "grand": s["grand"] / self.early,
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
