"""The settings of the probe run, and how they adapt to the size of the data."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...errors import plural
from ..arithmetic import MANY_CLASSES

_SMALL = 20_000
"""Rows up to which kernel probes have all their anchors: the cost is n · anchors²."""
_STEPS = 320
"""Optimiser steps after which the linear probes no longer improve, if each sample was seen eight times."""

_FEW = 10
_CELLS = 100_000_000


def models_left_out(n: int, classes: int) -> str:
    """Say why no models of the labels are trained; "" where they are.

    They hold tables of n × C and C × C numbers, and learn from the other samples of a class. With more than 1,000
    classes they are left out where a class has fewer than ten samples on average, or a table more than 10⁸ cells.
    """
    if classes <= MANY_CLASSES or (n >= _FEW * classes and n * classes <= _CELLS):
        return ""
    few = f"fewer than {_FEW} samples per class" if n < _FEW * classes else f"more than {_CELLS:,} beliefs"
    return (
        f"{n:,} samples in {classes:,} classes ({few}): no model of the labels is trained. Wrong labels are found by "
        "the nearest neighbours alone; nothing is called hard or naive. If the label column holds names or numbers of "
        "single things, choose another with --label."
    )


@dataclass(frozen=True)
class ProbeConfig:
    """Configuration of :func:`winnow.core.detection.probe.run_probe`. All fields belong in the stage's fingerprint.

    Attributes
    ----------
    folds
        Number of cross-validation folds (≥ 2; fewer where there are fewer labelled samples).
    repeats
        How many times folds are drawn for the cross-entropy probe (≥ 1).
    epochs, batch_size
        Minibatch training of the linear probes. 0 = chosen by the size of the data.
    learning_rate
        Adam's learning rate.
    weight_decay
        Decoupled, per unit of learning rate; one value per repeat, cycled.
    robust_losses
        Also train the linear probe with generalised and symmetric cross-entropy (one repeat each).
    kernel_anchors
        Anchors of the Nyström kernel probe (0 = none; at most the number of samples).
    augmentation
        Strength of the feature-space augmentation that the naive signals look at (0 = none).
    elr_beta
        Memory of the early-learning-regularisation target, in [0, 1).
    work
        Bound on n · C · models · epochs. A run that would exceed it gives up robust losses, then repeats, then
        epochs, and :meth:`fitted` reports it.
    device
        Torch device ("cpu", "cuda").
    seed
        Seed of folds, batches and anchors.
    """

    folds: int = 5
    repeats: int = 2
    epochs: int = 0
    batch_size: int = 0
    learning_rate: float = 0.05
    weight_decay: tuple[float, ...] = (0.02, 0.05)
    robust_losses: bool = True
    kernel_anchors: int = 2000
    augmentation: float = 1.0
    elr_beta: float = 0.7
    work: float = 6e9
    device: str = "cpu"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise ValueError(f"folds is {self.folds}, but cross-validation needs at least 2. Use 5.")
        if self.repeats < 1:
            raise ValueError(f"repeats is {self.repeats}, but at least one round of folds is needed. Use 1 or 2.")
        if not 0 <= self.elr_beta < 1:
            raise ValueError(f"elr_beta is {self.elr_beta}, but it is a memory in [0, 1). Use 0.7.")
        if not self.weight_decay:
            raise ValueError("weight_decay is empty: name at least one value, such as (0.02,).")

    def fitted(self, n: int, classes: int) -> tuple[ProbeConfig, tuple[str, ...]]:
        """The configuration for n samples and ``classes`` classes, and sentences about what had to be given up."""
        batch = self.batch_size or min(2048, max(32, n // 16))
        # as many epochs as 320 steps need, between 8 and 20
        epochs = self.epochs or int(min(20, max(8, -(-_STEPS * batch // max(n, 1)))))
        config = replace(self, epochs=epochs, batch_size=batch)
        notes: list[str] = []
        size = f"{plural(n, 'sample')} × {plural(classes, 'class', 'classes')}"
        if config.robust_losses and config._cost(n, classes) > self.work:
            config = replace(config, robust_losses=False)
            notes.append(f"{size}: the noise-robust losses were left out of the probe run.")
        if config.repeats > 1 and config._cost(n, classes) > self.work:
            config = replace(config, repeats=1)
            notes.append(f"{size}: the folds were drawn once instead of {self.repeats} times.")
        if not self.epochs and config._cost(n, classes) > self.work:
            fewer = max(6, int(epochs * self.work / config._cost(n, classes)))
            config = replace(config, epochs=min(epochs, fewer))
            notes.append(f"{size}: the probe trained for {plural(config.epochs, 'epoch')}.")
        anchors = min(config.kernel_anchors, n)
        if n > _SMALL:  # the cost is n · anchors², and with more data fewer anchors give the same accuracy
            anchors = min(anchors, 1024)
        return replace(config, kernel_anchors=anchors), tuple(notes)

    def wide_anchors(self, n: int) -> int:
        """Anchors of a kernel on n rows of several encoders: more of them, where that takes seconds.

        The rows have more dimensions, which fewer anchors do not span: with 2,000, 4,000 and 6,000 the average
        precision of wrong labels was .802, .805 and .807 on 14,000 photographs.
        """
        return min(self.kernel_anchors * 5 // 2, n) if n <= _SMALL else self.kernel_anchors

    def _cost(self, n: int, classes: int) -> float:
        models = self.folds * (self.repeats + 2 * self.robust_losses)
        return float(n) * classes * models * max(self.epochs, 1)
