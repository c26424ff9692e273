"""The worth of a training set: the accuracy of a probe trained on it, on samples that it never saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..detection.multinomial import fit_fresh_tuned, fit_tuned
from ..parallel import ordered_map, single_threaded_pool
from ..types import Bool, Float32, Int32, Int64, Progress, ProgressFn, quiet

_RESAMPLES = 2000
_PAIRED = 0.9
"""Share of the training samples that each seed sees, the same samples for every arm."""


@dataclass(frozen=True)
class Training:
    """Training data of one arm.

    Attributes
    ----------
    rows
        (m,) int64.
    labels
        (n,) int32 for all samples, −1 = none (left out).
    weight
        (n,) float32 ≥ 0, None = all the same.
    epochs
        Returns the rows of each epoch, where every epoch has a subset of its own (RS2); weights are then not used, and
        ``rows``, those of the first epoch, give the size only. None = the same rows until the probe has converged.
    """

    rows: Int64
    labels: Int32
    weight: Float32 | None = None
    epochs: Callable[[], Sequence[Int64]] | None = None


@dataclass(frozen=True)
class Arm:
    """One training set to be compared.

    Attributes
    ----------
    name, title
        For code and for people.
    make
        Seed → training data (random arms differ by seed).
    against
        Names of the arms that it is compared with.
    """

    name: str
    title: str
    make: Callable[[int], Training]
    against: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """Accuracy of one arm minus that of another, with the bounds of its paired bootstrap interval.

    Attributes
    ----------
    against
        Name of the other arm.
    value, low, high
        In [−1, 1].
    """

    against: str
    value: float
    low: float
    high: float

    @property
    def sure(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class ArmResult:
    """Result of one arm.

    Attributes
    ----------
    name, title
        Of the arm.
    size
        Number of training samples, mean over seeds.
    accuracy, f1, gmean
        Accuracy, macro F1 and geometric mean of the recalls in [0, 1], means over seeds.
    deviation
        Standard deviation of the accuracy over seeds.
    penalty
        Median of the tuned penalties.
    by_seed
        Accuracy per seed.
    differences
        To other arms.
    """

    name: str
    title: str
    size: int
    accuracy: float
    deviation: float
    f1: float
    gmean: float
    penalty: float
    by_seed: tuple[float, ...]
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True)
class Payoff:
    """Results of all arms.

    Attributes
    ----------
    arms
        In the order given.
    judged, seeds
        Number of judged samples and of repetitions.
    level
        Confidence level of the intervals.
    right
        Arm → (judged,) share of seeds that predicted each judged sample correctly.
    """

    arms: tuple[ArmResult, ...]
    judged: int
    seeds: int
    level: float
    right: Mapping[str, NDArray[np.float64]] = field(repr=False, default_factory=dict)

    def arm(self, name: str) -> ArmResult:
        """Result of the arm with this name."""
        return next(a for a in self.arms if a.name == name)


def measure(
    features: Float32,
    classes: int,
    arms: Sequence[Arm],
    judge: Int64,
    truth: Int32,
    *,
    seeds: int = 5,
    looks: int = 1,
    progress: ProgressFn = quiet,
    stage: str = "payoff",
) -> Payoff:
    """Train a probe on every arm and judge all on the same samples.

    Parameters
    ----------
    features
        (n, d) float32.
    classes
        Number of classes.
    arms
        Training sets.
    judge
        (j,) rows that judge; no arm trains on them.
    truth
        (j,) int32, their labels.
    seeds
        Number of repetitions.
    looks
        Number of subsets that these samples have judged, for the level of the intervals.
    progress
        Called after each fit.
    stage
        Name of the stage in the progress.

    Notes
    -----
    For each seed every arm loses the same random tenth of all samples, and its regularisation is tuned on an inner
    split of its own training data (:func:`winnow.core.detection.multinomial.fit_tuned`; an arm with a subset per
    epoch by :func:`winnow.core.detection.multinomial.fit_fresh_tuned`). Intervals: paired bootstrap over the
    judged samples of the
    accuracy difference, averaged over seeds, at level 1 − 0.05/looks (Bonferroni), since a held-out set that is used
    repeatedly favours the subsets that it helped to select.

    References
    ----------
    Efron and Tibshirani (1993), "An introduction to the bootstrap".
    Koehn (2004), "Statistical significance tests for machine translation evaluation", EMNLP (paired bootstrap).
    Dwork et al. (2015), "The reusable holdout", Science.
    Kubat and Matwin (1997), "Addressing the curse of imbalanced training sets", ICML (geometric mean).
    """
    n = len(features)
    inside = np.zeros(n, bool)
    inside[judge] = True
    right: dict[str, list[NDArray[np.float64]]] = {a.name: [] for a in arms}
    scores: dict[str, list[tuple[int, float, float, float, float]]] = {a.name: [] for a in arms}
    total = seeds * len(arms)

    def fit(job: tuple[int, Arm]) -> tuple[Arm, int, Int32, float]:
        seed, arm = job
        keep = np.random.default_rng([seed, 23]).random(n) < _PAIRED
        t = arm.make(seed)
        fits = keep & ~inside & (t.labels >= 0)
        rows = t.rows[fits[t.rows]]
        if t.epochs is not None and len(rows):
            epochs = [e[fits[e]] for e in t.epochs()]
            seen = np.unique(np.concatenate(epochs))
            place = [np.searchsorted(seen, e) for e in epochs]
            probe = fit_fresh_tuned(features[seen], t.labels[seen], classes, seed, place)
            return arm, len(rows), probe.predict(features[judge]), probe.penalty
        if t.weight is not None:
            rows = rows[t.weight[rows] > 0]
        if not len(rows):
            return arm, 0, np.zeros(len(judge), np.int32), float("nan")
        weight = None if t.weight is None else t.weight[rows]
        probe = fit_tuned(features[rows], t.labels[rows], classes, seed, weight)
        return arm, len(rows), probe.predict(features[judge]), probe.penalty

    jobs = [(seed, arm) for seed in range(seeds) for arm in arms]
    with single_threaded_pool() as pool:
        for done, (arm, size, guess, penalty) in enumerate(ordered_map(pool, fit, jobs)):
            progress(Progress(stage, done, total, "fits", arm.title))
            f1, gmean = f1_gmean(truth, guess)
            right[arm.name].append((guess == truth).astype(np.float64))
            scores[arm.name].append((size, float((guess == truth).mean()), f1, gmean, penalty))
    progress(Progress(stage, total, total, "fits"))
    mean = {name: np.mean(r, axis=0) for name, r in right.items()}
    out = []
    for arm in arms:
        size, accuracy, f1s, gmeans, penalties = np.array(scores[arm.name]).T
        differences = tuple(difference(mean[arm.name], mean[o], o, looks) for o in arm.against if o in mean)
        out.append(
            ArmResult(
                arm.name,
                arm.title,
                round(size.mean()),
                float(accuracy.mean()),
                float(accuracy.std(ddof=seeds > 1)),
                float(f1s.mean()),
                float(gmeans.mean()),
                float(np.median(penalties)),
                tuple(map(float, accuracy)),
                differences,
            )
        )
    return Payoff(tuple(out), len(judge), seeds, 1.0 - 0.05 / max(looks, 1), mean)


def difference(
    one: NDArray[np.float64], other: NDArray[np.float64], against: str, looks: int = 1, resamples: int = _RESAMPLES
) -> Difference:
    """Mean of one − other with its bootstrap interval: value ± z·(standard deviation over resamples)."""
    from scipy.stats import norm

    delta = one - other
    if not len(delta):
        return Difference(against, float("nan"), float("nan"), float("nan"))
    rng = np.random.default_rng(0)
    draws = np.array([delta[rng.integers(0, len(delta), len(delta))].mean() for _ in range(resamples)])
    half = float(norm.ppf(1.0 - 0.025 / max(looks, 1)) * draws.std())
    value = float(delta.mean())
    return Difference(against, value, value - half, value + half)


def f1_gmean(truth: Int32, guess: Int32) -> tuple[float, float]:
    """Macro F1 and geometric mean of the recalls, over the classes in ``truth``."""
    if not len(truth):
        return float("nan"), float("nan")
    k = int(max(truth.max(), guess.max())) + 1
    hit = np.bincount(truth[truth == guess], minlength=k).astype(np.float64)
    actual, predicted = np.bincount(truth, minlength=k), np.bincount(guess, minlength=k)
    present = actual > 0
    f1 = 2.0 * hit[present] / np.maximum(actual[present] + predicted[present], 1)
    recall = hit[present] / actual[present]
    gmean = float(np.exp(np.log(np.maximum(recall, 1e-12)).mean())) if (recall > 0).all() else 0.0
    return float(f1.mean()), gmean


def judged_rows(held: Bool, pool: Bool, flagged: Bool | None, reviewed: Bool, labels: Int32, keeper: Int32) -> Int64:
    """(j,) int64 held-out samples that judge.

    Left out are flagged samples that no person reviewed, duplicates of other samples (which may be in the training
    data), and samples without a label.
    """
    good = held & pool & (labels >= 0) & (keeper < 0)
    if flagged is not None:
        good &= ~flagged | reviewed
    return np.flatnonzero(good)


def curve_arms(order: Int64, training: Training, pool: Int64, parts: Sequence[float] = (0.1, 0.25, 0.5)) -> list[Arm]:
    """Arms of a learning curve: the first 10, 25 and 50% of ``order``, each beside a random arm of its size."""

    def first(m: int) -> Callable[[int], Training]:
        return lambda _: Training(order[:m], training.labels, training.weight)

    def random(m: int) -> Callable[[int], Training]:
        return lambda seed: Training(np.random.default_rng([seed, 31]).permutation(pool)[:m], training.labels)

    sizes = sorted({max(2, round(p * len(order))) for p in parts} - {len(order)})
    arms = [Arm(f"curve_{m}", f"First {m:,}", first(m), (f"curve_random_{m}",)) for m in sizes]
    return arms + [Arm(f"curve_random_{m}", f"Random {m:,}", random(m)) for m in sizes]


def without_arms(groups: Int32, names: Sequence[str], rows: Int64, training: Training, whole: str) -> list[Arm]:
    """Arms that leave out one source each, compared with the arm ``whole``: the loss is what the source contributes."""

    def rest(g: int) -> Callable[[int], Training]:
        return lambda _: Training(rows[groups[rows] != g], training.labels, training.weight)

    return [Arm(f"without_{name}", f"Without {name}", rest(g), (whole,)) for g, name in enumerate(names)]
