"""Generated worlds with planted truth: what the engine is tested and benchmarked on when no real data is at hand.

A world is a Gaussian mixture in d dimensions, one component per class, with labels moved, outliers and copies planted,
and every one of them recorded. The distance between class centres sets the Bayes error.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from winnow.core.detection.probe import ProbeConfig, run_probe
from winnow.core.features.neighbors import build, whitening
from winnow.core.types import Beliefs, SignalInputs


@dataclass(frozen=True)
class World:
    """vectors (n, d) float32 unit rows; labels (n,) int32 as given; true (n,) int32, −1 for outliers; kind (n,) str:
    clean, noisy_label, ood or duplicate; twin (n,) int32 row of the original of a copy, −1 = none; ease (n,) float32:
    distance margin to the nearest other class centre, larger = easier."""

    vectors: NDArray[np.float32]
    labels: NDArray[np.int32]
    true: NDArray[np.int32]
    kind: NDArray[np.object_]
    twin: NDArray[np.int32]
    ease: NDArray[np.float32]
    classes: int
    ok: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))

    @property
    def n(self) -> int:
        return len(self.labels)

    @property
    def noisy(self) -> NDArray[np.bool_]:
        return self.kind == "noisy_label"


def world(
    n: int = 1000,
    classes: int = 10,
    *,
    noise: float = 0.1,
    confusable: bool = False,
    imbalance: float = 1.0,
    separation: float = 8.0,
    dim: int = 64,
    outliers: int = 0,
    coherent: bool = False,
    copies: int = 0,
    unreadable: int = 0,
    seed: int = 0,
) -> World:
    """Make a world.

    noise : share of samples whose label is moved. confusable : to the class with the nearest centre, else uniformly.
    imbalance : size of the largest class over that of the smallest (geometric in between; at least 5 samples each
    where n allows). separation : distance of class centres from the origin in units of the within-class standard
    deviation; 8 gives a Bayes error far below 0.5% even for 1,000 classes in 64 dimensions, 2.5 some 20% for ten.
    outliers : rows of no class with random labels, scattered, or, where coherent, around a centre of their own.
    copies : near-identical twins, with the twin's label. unreadable : rows that are not ok.
    """
    rng = np.random.default_rng(seed)
    weight = np.geomspace(imbalance, 1.0, classes)
    counts = np.maximum(np.floor(n * weight / weight.sum()).astype(int), min(5, n // classes))
    while counts.sum() > n:
        counts[np.argmax(counts)] -= 1
    counts[0] += n - counts.sum()
    centre = rng.standard_normal((classes, dim))
    centre *= separation / np.linalg.norm(centre, axis=1, keepdims=True)
    true = np.repeat(np.arange(classes), counts)
    rng.shuffle(true)
    x = centre[true] + rng.standard_normal((n, dim))
    ease = _margin(x, centre, true)
    labels, kind = true.copy(), np.full(n, "clean", object)
    moved = rng.choice(n, round(noise * n), replace=False) if classes > 1 else np.zeros(0, int)
    if confusable and classes > 1:
        gap = np.square(centre[:, None] - centre[None]).sum(2) if classes <= 200 else -(centre @ centre.T)
        np.fill_diagonal(gap, np.inf)
        labels[moved] = gap.argmin(1)[true[moved]]
    else:
        labels[moved] = (true[moved] + rng.integers(1, max(classes, 2), len(moved))) % classes
    kind[moved] = "noisy_label"
    twin = np.full(n, -1)
    if outliers:
        row = rng.choice(np.flatnonzero(kind == "clean"), outliers, replace=False)
        x[row] = rng.standard_normal((outliers, dim)) * np.sqrt(1 + separation**2 / dim)
        if coherent:
            middle = rng.standard_normal(dim)
            x[row] = middle * separation / np.linalg.norm(middle) + rng.standard_normal((outliers, dim))
        kind[row], true[row] = "ood", -1
        labels[row] = rng.integers(0, classes, outliers)
    if copies:
        row = rng.choice(np.flatnonzero(kind == "clean"), 2 * copies, replace=False)
        x[row[:copies]] = x[row[copies:]] + 0.001 * rng.standard_normal((copies, dim))
        kind[row[:copies]], twin[row[:copies]] = "duplicate", row[copies:]
        true[row[:copies]] = labels[row[:copies]] = labels[row[copies:]]
    ok = np.ones(n, bool)
    if unreadable:
        ok[rng.choice(n, unreadable, replace=False)] = False
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    x[~ok] = 0
    return World(
        x.astype(np.float32),
        labels.astype(np.int32),
        true.astype(np.int32),
        kind,
        twin.astype(np.int32),
        ease.astype(np.float32),
        classes,
        ok,
    )


def _margin(x: NDArray[Any], centre: NDArray[Any], true: NDArray[Any]) -> NDArray[Any]:
    out = np.empty(len(x))
    for start in range(0, len(x), 4096):
        part = x[start : start + 4096]
        d = np.square(part).sum(1)[:, None] + np.square(centre).sum(1) - 2 * part @ centre.T
        rows = np.arange(len(part))
        own = d[rows, true[start : start + 4096]].copy()
        d[rows, true[start : start + 4096]] = np.inf
        out[start : start + 4096] = d.min(1) - own
    return out


def half_whiten(vectors: NDArray[Any], ok: NDArray[np.bool_], dim: int = 256) -> NDArray[np.float32]:
    """(n, r) float32 unit rows in the half-whitened space fitted to the same vectors."""
    return whitening(vectors, ok, dim)(vectors, ok)


def signal_inputs(made: World, *, k: int = 50, probe: ProbeConfig | None = None, **changes: Any) -> SignalInputs:
    """The inputs of a world as the pipeline would make them: half-whitened space, both graphs, probe run.

    ``changes`` replace fields afterwards (``labels=...`` is applied before the probe run).
    """
    labels = np.asarray(changes.pop("labels", made.labels), np.int32)
    whitened = half_whiten(made.vectors, made.ok)
    beliefs: Beliefs = run_probe(whitened, labels, made.ok, made.classes, probe or ProbeConfig())
    parts: dict[str, Any] = {
        "n": made.n,
        "ok": made.ok,
        "labels": labels,
        "class_names": tuple(f"class {i}" for i in range(made.classes)),
        "vectors": made.vectors,
        "whitened": whitened,
        "neighbors": build(made.vectors, made.ok, min(k, 15)),
        "label_neighbors": build(whitened, made.ok, k),
        "beliefs": beliefs,
    }
    return SignalInputs(**{**parts, **changes})
