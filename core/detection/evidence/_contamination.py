"""How many samples are out of distribution: labels that do not depend on the content."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from ...types import Bool, Float32, Int32
from ._calibrate import blocks

_FIT_ROWS = 20_000
_FIT_CELLS = 30_000_000
"""Most rows, and most cells (rows × classes), that the model's three parameters are fitted on."""
_SHARPER, _SHARPER_SEVERAL = 0.25, 0.14
"""β: how much surer than the pool models are of unusual samples that belong, for one encoder and for several. One
temperature for all samples is too high for those, and an outlier among them would pass as a difficult sample. The pool
of several encoders has intercepts and a kernel over all that is known of a sample, and is nearly sure enough itself."""
_LARGEST_POWER = 2.0
_SLOPE = (7.0, 0.1)
"""Median of the slope b, and the standard deviation of its logarithm: an outlier stands out, a difficult sample grades
into the bulk."""
_NOISE = (-4.0, 2.0)
"""Mean and standard deviation of logit ε."""
_BULK = 0.9
"""π is at most ½ up to this quantile of the suspicion."""
_LEAST = 1e-4


@dataclass(frozen=True)
class Contamination:
    """The model's answer.

    Attributes
    ----------
    posterior
        (n,) probability of being out of distribution given the suspicion and the label, in [0, 1].
    share
        Mean of the posterior over usable samples.
    middle, slope, noise
        c, b and ε.
    """

    posterior: NDArray[np.float64]
    share: float
    middle: float
    slope: float
    noise: float


def contamination(
    suspicion: NDArray[np.float64],
    probs: Float32,
    labels: Int32,
    usable: Bool,
    informative: Bool,
    several: bool = False,
) -> Contamination | None:
    """Fit by maximum likelihood of the given labels how the share of outliers rises with suspicion.

    A sample of a known class, however unusual, carries the label that the models give it more often than chance does;
    the label of a sample that belongs to no class does not depend on what the models see in it. So in the tail of any
    suspicion that does not look at the sample's own label, the labels say how many samples are difficult and how many
    are outliers. Labels that follow the content of outliers (all aeroplanes in a dataset of birds called "swan") give
    nothing to see here, and the estimate stays low.

    Parameters
    ----------
    suspicion
        (n,) ≥ 0, from features, beliefs and neighbours, without the sample's own label.
    probs
        (n, C) out-of-sample beliefs about given labels.
    labels
        (n,) class codes, −1 = none.
    usable
        (n,) bool, samples that are judged.
    informative
        (n,) bool, samples whose label counts: not of a class too rare to be believed.
    several
        Whether the beliefs are those of several encoders.

    Returns
    -------
    Contamination or None
        None with fewer than 50 labelled samples or one class, and where labels stop following the content below the
        ninth decile of the suspicion already: then the beliefs, not the samples, are at fault, or a tenth of all
        samples are outliers.

    Notes
    -----
    P(y | x) = (1 − π)·[(1 − ε)·p̃_y + ε·f_y] + π·f_y with logit π = b·(s − c), s the suspicion, f the label frequencies,
    p̃ ∝ p^exp(βs) the belief, and ε the share of labels that are wrong whatever s. c is at least the ninth decile of s;
    log b and logit ε have normal priors. The posterior is π·f_y / P(y | x); π where there is no label.

    References
    ----------
    The contamination model of Huber (1964), "Robust estimation of a location parameter", with the label as the
    observation; mixture of experts, Jacobs et al. (1991).
    """
    known = usable & informative & (labels >= 0)
    rows = np.flatnonzero(known)
    if len(rows) < 50 or len(np.unique(labels[rows])) < 2:
        return None
    frequency = np.bincount(labels[rows], minlength=probs.shape[1]) / len(rows)
    most = min(_FIT_ROWS, max(500, _FIT_CELLS // probs.shape[1]))
    fit = rows if len(rows) <= most else np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
    sharper = _SHARPER_SEVERAL if several else _SHARPER
    own = _own(probs, labels, suspicion, fit, sharper)
    lowest = float(np.quantile(suspicion[usable], _BULK))
    middle, slope, noise = _fit(suspicion[fit], own, frequency[labels[fit]], lowest)
    if middle < lowest + 1e-3:
        return None
    out = np.zeros(len(labels))
    out[usable] = expit(slope * (suspicion[usable] - middle))
    own = own if len(fit) == len(rows) else _own(probs, labels, suspicion, rows, sharper)
    chance, prior = frequency[labels[rows]], out[rows]
    inside = (1 - prior) * ((1 - noise) * own + noise * chance)
    out[rows] = prior * chance / np.maximum(inside + prior * chance, 1e-12)
    return Contamination(out, float(out[usable].mean()), middle, slope, noise)


def _own(
    probs: Float32, labels: Int32, suspicion: NDArray[np.float64], rows: NDArray[np.int64], sharper: float
) -> NDArray[np.float64]:
    """(m,) belief p̃ in the given label of the rows."""
    out = np.empty(len(rows))
    for part in blocks(len(rows)):
        some = rows[part]
        power = np.minimum(np.exp(sharper * suspicion[some]), np.exp(_LARGEST_POWER))
        logit = np.log(np.maximum(probs[some], 1e-6)) * power[:, None].astype(np.float32)
        logit -= logit.max(axis=1, keepdims=True)
        own = logit[np.arange(len(some)), labels[some]]
        out[part] = np.exp(own) / np.exp(logit).sum(axis=1)
    return np.maximum(out, _LEAST)


def _fit(
    s: NDArray[np.float64], own: NDArray[np.float64], chance: NDArray[np.float64], lowest: float
) -> tuple[float, float, float]:
    """c, b and ε of the largest posterior density; c ≥ ``lowest``."""

    def loss(at: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        c, log_b, logit_e = at
        b, e = np.exp(log_b), float(expit(logit_e))
        pi = expit(b * (s - c))
        inside = (1 - e) * own + e * chance
        mixed = np.maximum((1 - pi) * inside + pi * chance, 1e-12)
        rise = (chance - inside) / mixed * pi * (1 - pi)
        noisier = ((1 - pi) * (chance - own) / mixed).sum() * e * (1 - e)
        off_b, off_e = (log_b - np.log(_SLOPE[0])) / _SLOPE[1], (logit_e - _NOISE[0]) / _NOISE[1]
        value = -np.log(mixed).sum() + (off_b**2 + off_e**2) / 2
        return value, np.array(
            [rise.sum() * b, -(rise * (s - c)).sum() * b + off_b / _SLOPE[1], -noisier + off_e / _NOISE[1]]
        )

    highest = max(float(s.max()), lowest)
    bounds = [(lowest, highest + 3.0), (np.log(0.5), np.log(20.0)), (-9.0, -0.1)]
    starts = (lowest + 0.1, (lowest + highest) / 2, highest)
    fits = [
        minimize(loss, [c, np.log(_SLOPE[0]), _NOISE[0]], jac=True, method="L-BFGS-B", bounds=bounds) for c in starts
    ]
    c, log_b, logit_e = min(fits, key=lambda result: float(result.fun)).x
    return float(c), float(np.exp(log_b)), float(expit(logit_e))
