"""What the signals about image–text pairs share: cosines, LEMoN's score, and a null of pairs that do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...types import Bool, Float32, Input, Kind, Neighbors, SignalInputs, SignalResult
from ..arithmetic import usable_neighbors
from .base import BaseSignal

K = 5
"""Neighbours on each side."""
BETA = GAMMA = 5.0
TAU_NEAR, TAU_MATCH = 0.1, 5.0
"""LEMoN's fixed hyper-parameters (its appendix): weights of the neighbour terms, and how fast they decay with the
distance (τ1) and with the neighbour's own mismatch (τ2)."""

_NULL = 20_000
_GRID = 512
_BLOCK = 8_192

Rows = NDArray[Any]


class PairSignal(BaseSignal):
    """A mismatch of each image with its caption."""

    kind = Kind.NOISY_LABEL
    requires = frozenset({Input.VECTORS, Input.CAPTIONS, Input.NEIGHBORS, Input.CAPTION_NEIGHBORS})

    def mismatch(self, inputs: SignalInputs, rows: Rows) -> Float32:
        """(m,) the score of some rows."""
        raise NotImplementedError

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the pairs."""
        rows = np.flatnonzero(paired(inputs))
        score = np.full(inputs.n, np.nan, np.float32)
        score[rows] = np.clip(self.mismatch(inputs, rows), 0.0, 1.0)
        return SignalResult(score)


def paired(inputs: SignalInputs) -> Bool:
    """(n,) pairs with both a readable image and a caption."""
    assert inputs.text_vectors is not None
    return np.asarray(inputs.ok & inputs.text_vectors.any(axis=1))


def cosines(inputs: SignalInputs, images: Rows, texts: Rows) -> Float32:
    """(m,) cosine of image ``images[i]`` and caption ``texts[i]``."""
    assert inputs.vectors is not None
    assert inputs.text_vectors is not None
    out = np.empty(len(images), np.float32)
    for start in range(0, len(images), _BLOCK):
        part = slice(start, start + _BLOCK)
        out[part] = np.einsum("ij,ij->i", inputs.vectors[images[part]], inputs.text_vectors[texts[part]])
    return out


def lemon(inputs: SignalInputs, images: Rows, texts: Rows) -> Float32:
    """(m,) float32, LEMoN's mismatch of image ``images[i]`` with caption ``texts[i]``, in [0, 22].

    Notes
    -----
    Formula: d_mm + β·s_n + γ·s_m, s_n = 1/k Σ_j d(t, t_j) e^{−τ1·d(x, x_j)} e^{−τ2·d(x_j, t_j)} over the k images x_j
    nearest to x: high where the captions of similar images are unlike this one. s_m is the same with images and
    captions exchanged, over the k captions nearest to t. d is the cosine distance 1 − cos.

    References
    ----------
    Zhang et al. (2025), "LEMoN: Label Error Detection using Multimodal Neighbors", ICML.
    """
    assert inputs.vectors is not None
    assert inputs.text_vectors is not None
    every = np.arange(inputs.n)
    own, usable = 1.0 - cosines(inputs, every, every), paired(inputs)
    near = _side(inputs.neighbors, inputs.text_vectors, own, images, texts, usable)
    near_text = _side(inputs.text_neighbors, inputs.vectors, own, texts, images, usable)
    return (1.0 - cosines(inputs, images, texts) + BETA * near + GAMMA * near_text).astype(np.float32)


def _side(
    graph: Neighbors | None, others: Float32, own: Float32, rows: Rows, partners: Rows, usable: Bool
) -> NDArray[Any]:
    """(m,) weighted distance, on the other side, of the partner from the partners of the row's neighbours."""
    out = np.zeros(len(rows))
    if graph is None or graph.k == 0:
        return out
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        block = Neighbors(graph.indices[rows[part]], graph.distances[rows[part]])
        near, distance, counted = usable_neighbors(block, usable, K)
        apart = 1.0 - np.einsum("id,ikd->ik", others[partners[part]], others[near])
        weight = np.exp(-TAU_NEAR * np.where(counted, distance, 0.0)) * np.exp(-TAU_MATCH * own[near])
        out[part] = np.where(counted, apart * weight, 0.0).sum(axis=1) / K
    return out


def shuffled_pairs(inputs: SignalInputs, rows: Rows, values: Float32) -> tuple[Rows, Rows]:
    """(images, captions): each sample's image with the caption of another sample.

    The pairs are chosen by content alone, so that the order of the rows does not matter: samples in order of
    ``values``, the caption from half the list away.
    """
    order = rows[np.lexsort((inputs.vectors[rows, 0], values))]  # type: ignore[index]
    step = max(1, len(order) // _NULL)
    order = order[::step]
    return order, np.roll(order, max(1, len(order) // 2))


def mismatch_probability(values: Float32, null: Float32) -> tuple[Float32, float]:
    """(m,) float32 probability that each pair is a mismatch, and the estimated share of mismatches.

    Parameters
    ----------
    values
        (m,) how unlike the image and the caption of each pair are.
    null
        The same of images and captions paired at random, which do not fit.

    Notes
    -----
    A two-groups model: p = π·f₀(v)/f(v), clipped and made monotone in v. f₀ is the density of ``null``, f that of
    ``values`` (Gaussian kernels, Scott's rule). π is twice the share of the values beyond the null's median (Storey
    2002).

    References
    ----------
    Efron (2008), "Microarrays, empirical Bayes and the two-groups model", Statistical Science 23.
    """
    from scipy.stats import gaussian_kde

    if len(values) < 20 or np.ptp(values) < 1e-9 or np.ptp(null) < 1e-9:
        return np.zeros(len(values), np.float32), 0.0
    share = min(1.0, 2.0 * float((values >= np.median(null)).mean()))
    step = max(1, len(values) // _NULL)
    grid = np.linspace(min(values.min(), null.min()), max(values.max(), null.max()), _GRID)
    f = gaussian_kde(np.sort(values)[::step])(grid)
    f0 = gaussian_kde(null)(grid)
    p = np.clip(share * f0 / np.maximum(f, 1e-12), 0.0, 1.0)
    # beyond the bulk of the null both densities are thin: a pair that is even less alike is no likelier to be right
    p = np.maximum.accumulate(
        np.where(grid <= np.median(null), p, np.maximum(p, p[np.searchsorted(grid, np.median(null)) - 1]))
    )
    return np.interp(values, grid, p).astype(np.float32), share
