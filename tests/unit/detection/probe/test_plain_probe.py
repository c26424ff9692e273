"""The probes that train in blocks on every core say what a plain loop over models says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from winnow.core.detection.probe import linear
from winnow.core.detection.probe.config import ProbeConfig
from winnow.core.detection.probe.folds import stratified_folds
from winnow.core.detection.probe.linear import CE, GCE, SCE, LinearProbes
from winnow.core.types import quiet

KINDS = (CE, CE, GCE, SCE)


def plain(x: np.ndarray, y: np.ndarray, fold: np.ndarray, classes: int, cfg: ProbeConfig) -> dict[str, np.ndarray]:
    """One model at a time, one minibatch at a time, everything spelt out in float64."""
    n, d = x.shape
    z = np.c_[x * np.sqrt(d), np.ones(n)].astype(np.float64)
    batch = min(cfg.batch_size, n)
    steps = -(-n // batch) * cfg.epochs
    outcome = {k: np.zeros(n) for k in ("el2n", "own", "aum", "inside", "correct")}
    early = max(1, cfg.epochs // 3)
    final = np.zeros((len(KINDS), n, classes))
    for r, kind in enumerate(KINDS):
        decay = cfg.weight_decay[r % len(cfg.weight_decay)] * np.r_[np.ones(d), 0][:, None]
        for f in range(cfg.folds):
            rng = np.random.default_rng(cfg.seed + 1)
            w, m, v, mean = (np.zeros((d + 1, classes)) for _ in range(4))
            step = averaged = 0
            for epoch in range(cfg.epochs):
                order = rng.permutation(n)
                for start in range(0, n, batch):
                    rows = order[start : start + batch]
                    logit = z[rows] @ w
                    p = np.exp(logit - logit.max(1, keepdims=True))
                    p /= p.sum(1, keepdims=True)
                    own = p[np.arange(len(rows)), y[rows]]
                    one = np.eye(classes)[y[rows]]
                    held = fold[r, rows] == f
                    if kind == CE:
                        rest = np.where(one > 0, -1, p).max(1)
                        out, into = rows[held], rows[~held]
                        outcome["own"][out] += own[held] / 2
                        outcome["correct"][out] += (own > rest)[held] / 2
                        if epoch < early:
                            outcome["el2n"][out] += np.linalg.norm(p - one, axis=1)[held] / 2
                        share = 1 / (2 * (cfg.folds - 1))
                        outcome["aum"][into] += (np.log(own) - np.log(rest))[~held] * share
                        outcome["inside"][into] += own[~held] * share
                    weight = {CE: np.ones_like(own), GCE: own**0.7, SCE: 0.1 + 4 * own}[kind] * ~held
                    gradient = z[rows].T @ ((p - one) * weight[:, None]) / max((~held).sum(), 1)
                    rate = cfg.learning_rate * 0.5 * (1 + np.cos(np.pi * step / steps)) / np.sqrt(d)
                    step += 1
                    m = 0.9 * m + 0.1 * gradient
                    v = 0.99 * v + 0.01 * gradient**2
                    w -= rate * (m / (1 - 0.9**step) / (np.sqrt(v / (1 - 0.99**step)) + 1e-8) + decay * w)
                    if epoch >= cfg.epochs // 2:
                        averaged += 1
                        mean += (w - mean) / averaged
            held = fold[r] == f
            logit = z[held] @ mean
            final[r, held] = logit - np.log(np.exp(logit).sum(1, keepdims=True))
    log = final[:2].mean(0)
    outcome["linear"] = np.exp(log) / np.exp(log).sum(1, keepdims=True)
    return outcome


@pytest.mark.parametrize("rows_at_once", [512, 40])
def test_blocks_on_every_core_equal_a_plain_loop(rows_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tolerance: float32 against float64 over 42 steps of Adam, which magnifies rounding."""
    monkeypatch.setattr(linear, "_SLICE", rows_at_once)
    random = np.random.default_rng(0)
    y = random.integers(0, 3, 240).astype(np.int32)
    x = random.normal(size=(240, 6)) + 2 * np.eye(6)[y]
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    cfg = ProbeConfig(folds=3, epochs=6, batch_size=100, augmentation=0)
    fold = np.stack([stratified_folds(y, np.ones(240, bool), 3, 101 * i) for i in range(4)])
    before = torch.get_num_threads()
    outcome = LinearProbes(x, y, fold, KINDS, 3, cfg).run(quiet)
    assert torch.get_num_threads() == before
    truth = plain(x, y, fold, 3, cfg)
    np.testing.assert_allclose(outcome.probs["linear"], truth["linear"], atol=2e-4)
    for name, key in {"aum": "aum", "own": "mean_true", "correct": "correctness"}.items():
        np.testing.assert_allclose(outcome.dynamics[key], truth[name] / 6, atol=2e-3, err_msg=name)
    np.testing.assert_allclose(outcome.dynamics["el2n"], truth["el2n"] / 2, atol=1e-3)
    memory = np.maximum(truth["inside"] / 6 - truth["own"] / 6, 0)
    np.testing.assert_allclose(outcome.dynamics["memorisation"], memory, atol=1e-3)
