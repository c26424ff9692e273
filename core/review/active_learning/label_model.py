"""What the labels settled so far say about every other sample: class means and a probe on neighbour-averaged vectors.

The labels of a few samples spread along the neighbour graph because every vector is first averaged with those of its
neighbours (one step of graph convolution without weights): samples of one dense region become almost one point, and a
label given to one of them is a label near all of them. On these vectors two models stand side by side. Class means need
one sample a class; logistic regression overtakes them once there are tens. They are mixed in the proportion that
predicts the settled samples best when each of these is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ...types import Bool, Float32, Int32, Int64, Neighbors

NEIGHBORS = 15
"""Neighbours that a vector is averaged with."""
ENOUGH_FOR_PROBE = 40
"""Settled samples from which on the probe takes part."""
MOST_ANCHORS = 4_000
"""Settled samples that a model learns from at most, the latest first."""
_FOLDS = 5
_PENALTIES = (1e-2, 1e-3, 1e-4)
_SHARES = np.linspace(0.0, 1.0, 11)
_SCALES = np.geomspace(1.0, 60.0, 28)
_TEMPERATURES = np.geomspace(0.3, 8.0, 24)
_CAUTION = np.linspace(0.3, 1.0, 29)
_STANDARD_ERRORS = 3.0
_BLOCK = 16_384
_ABSENT = -9.0
"""Similarity to a class that nobody has used yet."""


def neighbour_averaged(vectors: NDArray[Any], graph: Neighbors, ok: Bool) -> Float32:
    """Average every vector with those of its nearest neighbours, and scale to unit length.

    Parameters
    ----------
    vectors
        (n, r) unit rows, may be memory-mapped.
    graph
        Neighbours in the same space.
    ok
        (n,) bool, which samples are embedded; the others become zero.

    Returns
    -------
    ndarray
        (n, r) float32 unit rows h_i ∝ x_i + Σ_j a_ij x_j / ‖Σ_j a_ij x_j‖, with a_ij = exp(−2 d_ij / median d).

    References
    ----------
    Wu et al., "Simplifying Graph Convolutional Networks", ICML 2019.
    """
    index, far = graph.indices[:, :NEIGHBORS], graph.distances[:, :NEIGHBORS]
    n, sample = len(index), np.asarray(far[:: max(1, len(far) // 5_000)])
    usual = float(np.median(sample[np.isfinite(sample)])) if np.isfinite(sample).any() else 1.0
    out = np.zeros((n, vectors.shape[1]), np.float32)
    for start in range(0, n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        near = np.asarray(index[rows])
        weight = np.where(near >= 0, np.exp(-2.0 * np.asarray(far[rows]) / max(usual, 1e-6)), 0.0).astype(np.float32)
        mean = np.zeros((len(near), vectors.shape[1]), np.float32)
        for j in range(near.shape[1]):
            mean += weight[:, j, None] * np.asarray(vectors[np.maximum(near[:, j], 0)], np.float32)
        out[rows] = unit(np.asarray(vectors[rows], np.float32) + unit(mean))
    out[~ok] = 0.0
    return out


def unit(rows: NDArray[np.floating]) -> Float32:
    """Rows scaled to unit length; a row of zeros stays."""
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return cast("Float32", (rows / np.maximum(length, 1e-9)[:, None]).astype(np.float32))


@dataclass(frozen=True)
class Anchors:
    """Samples whose label is settled, in the order in which they were settled.

    Attributes
    ----------
    rows
        (m,) int64, each once.
    codes
        (m,) int32 class of each, in [0, C).
    weight
        (m,) float32 above 0: 1 = a person's label; less for a label that came with the data.
    classes
        C.
    """

    rows: Int64
    codes: Int32
    weight: Float32
    classes: int

    @property
    def m(self) -> int:
        """How many there are."""
        return len(self.rows)

    def first(self, m: int) -> Anchors:
        """The first m."""
        return Anchors(self.rows[:m], self.codes[:m], self.weight[:m], self.classes)


@dataclass(frozen=True)
class Tuning:
    """What leaving settled samples out has shown to be best.

    Attributes
    ----------
    scale
        Of the similarity to class means: p ∝ exp(scale · cos).
    penalty
        L2 penalty per sample of the probe; 0 = there are too few samples for one.
    temperature
        That the probe's log-odds are multiplied by.
    share
        Of the probe in the mixture, in [0, 1].
    caution
        Power in (0, 1] that the mixture is raised to, so that few settled samples do not make it too sure.
    """

    scale: float = 10.0
    penalty: float = 0.0
    temperature: float = 1.0
    share: float = 0.0
    caution: float = 1.0


@dataclass(frozen=True)
class LabelModel:
    """A fitted model.

    Attributes
    ----------
    means
        (C, r) float32 unit rows, zero where nobody has used the class yet.
    used
        (C,) bool.
    weights, bias
        (r, C) and (C,) of the probe, None where there is none.
    tuning
        How both are mixed.
    unseen
        Probability in [0, 1) that a sample is of a class that nobody has used yet.
    """

    means: Float32
    used: Bool
    weights: Float32 | None
    bias: Float32 | None
    tuning: Tuning
    unseen: float

    def predict(self, x: Float32) -> Float32:
        """(m, C) float32 probability of each class; rows sum to 1 − ``unseen``."""
        out = np.zeros((len(x), len(self.means)), np.float32)
        used = np.flatnonzero(self.used)
        if not len(used):
            return out
        for start in range(0, len(x), _BLOCK):
            rows = np.asarray(x[start : start + _BLOCK], np.float32)
            p = softmax(self.tuning.scale * (rows @ self.means[used].T))
            if self.weights is not None and self.bias is not None and self.tuning.share > 0:
                odds = self.tuning.temperature * (rows @ self.weights[:, used] + self.bias[used])
                p = (1 - self.tuning.share) * p + self.tuning.share * softmax(odds)
            out[start : start + _BLOCK, used] = (1.0 - self.unseen) * _flattened(p, self.tuning.caution)
        return out


def softmax(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """Softmax of each row."""
    e = np.exp(x - x.max(1, keepdims=True))
    return cast("NDArray[np.floating]", e / e.sum(1, keepdims=True))


def _flattened(p: NDArray[np.floating], power: float) -> NDArray[np.floating]:
    """Probabilities raised to a power, rows summing to 1 again."""
    if power >= 1.0:
        return p
    raised = np.maximum(p, 1e-12) ** power
    return cast("NDArray[np.floating]", raised / raised.sum(1, keepdims=True))


def unseen_share(anchors: Anchors) -> float:
    """Estimate the share of samples whose class nobody has used yet (Good–Turing): classes of one sample / samples.

    Notes
    -----
    (classes of one sample + 1) / (people's labels + 2), at most ½: the 1 and the 2 are Laplace's, so that a few labels
    never claim certainty. Samples chosen to be unlike each other are of more classes than samples drawn at random, so
    the estimate is on the high side, and stated errors are too.

    References
    ----------
    Good, "The population frequencies of species and the estimation of population parameters", Biometrika 1953.
    """
    alone = int((np.bincount(anchors.codes, minlength=1) == 1).sum())
    return float(min(0.5, (alone + 1) / (anchors.weight.sum() + 2)))


def stated_error(p: NDArray[np.floating], settled: float, of: int) -> NDArray[np.float64]:
    """Error to state for accepting the likeliest label of the surest samples, for the first one, two, three and so on.

    Parameters
    ----------
    p
        (m,) probability of the likeliest label of each sample, in descending order.
    settled
        Settled samples that the probabilities follow from, each by its weight.
    of
        Samples that ``p`` is the surest part of, or more.

    Returns
    -------
    ndarray
        (m,) float64 in [0, 1]: max(mean of 1 − p, ½ / (settled · k / of + 1)) of the first k.

    Notes
    -----
    Probabilities at the very top are checked by hardly any settled sample: of so many settled ones about settled · k /
    of are like the k surest. Had none of those been wrong, their error would still be estimated as ½ / (that + 1)
    (Krichevsky and Trofimov), so nothing below it is stated. Sets of ordinary size are not touched by it.
    """
    k = np.arange(1, len(p) + 1)
    mean = np.cumsum(1.0 - p.astype(np.float64)) / k
    return cast("NDArray[np.float64]", np.maximum(mean, 0.5 / (settled * k / max(of, 1) + 1.0)))


def fit_label_model(x: Float32, anchors: Anchors, tuning: Tuning) -> LabelModel:
    """Fit class means and, where ``tuning`` has a penalty, the probe.

    Parameters
    ----------
    x
        (m, r) float32 vectors of the anchors.
    anchors
        At least one.
    tuning
        Of :func:`tune`.
    """
    sums = _class_sums(x, anchors)
    used = np.bincount(anchors.codes, minlength=anchors.classes) > 0
    weights = bias = None
    if tuning.penalty > 0 and tuning.share > 0 and used.sum() >= 2:
        weights, bias = _probe(x, anchors, [tuning.penalty])[0]
    return LabelModel(unit(sums), used, weights, bias, tuning, unseen_share(anchors))


def _class_sums(x: Float32, anchors: Anchors) -> Float32:
    sums = np.zeros((anchors.classes, x.shape[1]), np.float32)
    np.add.at(sums, anchors.codes, anchors.weight[:, None] * x)
    return sums


def _probe(x: Float32, anchors: Anchors, penalties: list[float]) -> list[tuple[Float32, Float32]]:
    """Weights (r, C) and bias (C,) for each penalty; classes without an anchor keep zero."""
    from ...detection.multinomial import fit_path

    used, code = np.unique(anchors.codes, return_inverse=True)
    out = []
    for probe in fit_path(x, code.astype(np.int32), len(used), penalties, anchors.weight):
        weights = np.zeros((x.shape[1], anchors.classes), np.float32)
        bias = np.zeros(anchors.classes, np.float32)
        weights[:, used], bias[used] = probe.weights, probe.bias
        out.append((weights, bias))
    return out


def tune(x: Float32, anchors: Anchors) -> Tuning:
    """Choose scale, penalty, temperature and share by the likelihood of settled samples that are left out.

    A class mean leaves out one sample at a time; the probe leaves out a fifth. Samples that are alone in their class
    say nothing here: see :func:`unseen_share`.
    """
    counts = np.bincount(anchors.codes, minlength=anchors.classes)
    judged = np.flatnonzero(counts[anchors.codes] >= 2)
    if counts.astype(bool).sum() < 2 or len(judged) < 4:
        return Tuning()
    weight = anchors.weight[judged].astype(np.float64)
    own = anchors.codes[judged]
    similarity = _similarity_without_self(x, anchors)[judged]

    def log_likelihood(p: NDArray[np.floating]) -> NDArray[np.float64]:
        return cast("NDArray[np.float64]", np.log(np.maximum(p[np.arange(len(own)), own], 1e-6)))

    def likelihood(p: NDArray[np.floating]) -> float:
        return float(weight @ log_likelihood(p) / weight.sum())

    def caution(p: NDArray[np.floating]) -> float:
        """The flattest probabilities whose likelihood is not worse than the best by more than its standard error."""
        best = max(_CAUTION, key=lambda power: likelihood(_flattened(p, power)))
        reference = log_likelihood(_flattened(p, best))
        for power in _CAUTION:
            worse = reference - log_likelihood(_flattened(p, power))
            mean = weight @ worse / weight.sum()
            error = np.sqrt(weight @ np.square(worse - mean)) / weight.sum()
            if mean <= _STANDARD_ERRORS * error:
                return float(power)
        return float(best)

    scale = max(_SCALES, key=lambda s: likelihood(softmax(s * similarity)))
    if anchors.m < ENOUGH_FOR_PROBE:
        return Tuning(float(scale), caution=caution(softmax(scale * similarity)))
    odds = _odds_by_folds(x, anchors, judged)
    penalty, temperature, best = 0.0, 1.0, -np.inf
    for j, candidate in enumerate(_PENALTIES):
        for t in _TEMPERATURES:
            if (value := likelihood(softmax(t * odds[j]))) > best:
                penalty, temperature, best = candidate, float(t), value
    means, probe = softmax(scale * similarity), softmax(temperature * odds[_PENALTIES.index(penalty)])
    share = max(_SHARES, key=lambda s: likelihood((1 - s) * means + s * probe))
    sure = caution((1 - share) * means + share * probe)
    return Tuning(float(scale), penalty, temperature, float(share), sure)


def _similarity_without_self(x: Float32, anchors: Anchors) -> NDArray[np.float64]:
    """(m, C) cosine to each class mean, that of the own class without the sample itself."""
    sums = _class_sums(x, anchors)
    similarity = (x @ unit(sums).T).astype(np.float64)
    rest = sums[anchors.codes] - anchors.weight[:, None] * x
    length = np.sqrt(np.einsum("ij,ij->i", rest, rest))
    similarity[np.arange(anchors.m), anchors.codes] = np.einsum("ij,ij->i", x, rest) / np.maximum(length, 1e-6)
    similarity[:, np.bincount(anchors.codes, minlength=anchors.classes) == 0] = _ABSENT
    return similarity


def _odds_by_folds(x: Float32, anchors: Anchors, judged: Int64) -> list[NDArray[np.float64]]:
    """For each penalty (len(judged), C) log-odds of probes that have not seen the sample; classes take turns."""
    order = np.argsort(anchors.codes, kind="stable")
    fold = np.empty(anchors.m, np.int64)
    fold[order] = np.arange(anchors.m) % _FOLDS
    odds = [np.full((anchors.m, anchors.classes), -50.0) for _ in _PENALTIES]
    for f in range(_FOLDS):
        out = fold == f
        kept = Anchors(anchors.rows[~out], anchors.codes[~out], anchors.weight[~out], anchors.classes)
        known = np.unique(kept.codes)
        if len(known) < 2:
            continue
        for j, (weights, bias) in enumerate(_probe(x[~out], kept, list(_PENALTIES))):
            odds[j][np.ix_(out, known)] = x[out] @ weights[:, known] + bias[known]
    return [o[judged] for o in odds]
