"""How alike two small pictures are: local-contrast correlation with room to move and zoom, and colour."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...types import Float32, Int64

SIDE = 32
_SIGMA = 4.0
_FLOOR = 25.0
"""Grey levels squared, added to the local variance so that noise in flat regions is not amplified."""
_ZOOMS = (1.06, 1.12)
_BLOCK = 4096
_COLOUR_FLOOR = 4.0 / 256.0
"""Four levels of chroma, squared: below it a picture is nearly grey and its colours are hardly compared."""


def normalise(tiny: NDArray[np.uint8], rows: Int64) -> NDArray[np.float16]:
    """(m, 32, 32) float16, grey thumbnails with their local contrast normalised.

    Low frequencies (sky above, grass below) make strangers correlate, and contrast and colour change with each
    encoding; both are removed.

    Notes
    -----
    Formula: x ← (g − G∗g) / √(G∗(g − G∗g)² + 25), G a Gaussian of 4 pixels.

    References
    ----------
    Jarrett et al. (2009), "What is the best multi-stage architecture for object recognition?", ICCV.
    """
    from scipy import ndimage

    out = np.empty((len(rows), SIDE, SIDE), np.float16)
    blur = (0.0, _SIGMA, _SIGMA)
    for start in range(0, len(rows), _BLOCK):
        part = tiny[rows[start : start + _BLOCK]].reshape(-1, SIDE, SIDE, 3)
        grey = part.astype(np.float32).mean(axis=3)
        high = grey - ndimage.gaussian_filter(grey, blur)
        spread = np.sqrt(ndimage.gaussian_filter(high * high, blur) + _FLOOR)
        out[start : start + len(part)] = high / spread
    return out


def chroma(tiny: NDArray[np.uint8], rows: Int64) -> NDArray[np.float16]:
    """(m, 256·3) float16, the colours less the grey on a 16 × 16 grid, in units of 16 levels."""
    out = np.empty((len(rows), SIDE * SIDE // 4 * 3), np.float16)
    for start in range(0, len(rows), _BLOCK):
        part = tiny[rows[start : start + _BLOCK]].reshape(-1, SIDE // 2, 2, SIDE // 2, 2, 3).mean(axis=(2, 4))
        out[start : start + len(part)] = ((part - part.mean(axis=3, keepdims=True)) / 16.0).reshape(len(part), -1)
    return out


def colour_agreement(a: NDArray[Any], b: NDArray[Any]) -> tuple[Float32, Float32]:
    """(m,) cosine of the colours of pairs, in [−1, 1], and how much colour there is to compare, in [0, 1)."""
    x, y = a.astype(np.float32), b.astype(np.float32)
    strength = np.sqrt(np.einsum("ij,ij->i", x, x) * np.einsum("ij,ij->i", y, y)) / x.shape[1]
    inner = np.einsum("ij,ij->i", x, y) / x.shape[1]
    cosine = np.asarray(inner / np.maximum(strength, 1e-9), np.float32)
    return cosine, np.asarray(strength / (strength + _COLOUR_FLOOR), np.float32)


def correlation(a: NDArray[Any], b: NDArray[Any]) -> Float32:
    """Pearson correlation of picture pairs: (m, h, w) twice → (m,) float32 in [−1, 1]; 0 where one is flat."""
    x, y = a.reshape(len(a), -1).astype(np.float32), b.reshape(len(b), -1).astype(np.float32)
    x -= x.mean(axis=1, keepdims=True)
    y -= y.mean(axis=1, keepdims=True)
    norm = np.einsum("ij,ij->i", x, x) * np.einsum("ij,ij->i", y, y)
    return np.asarray(np.einsum("ij,ij->i", x, y) / np.sqrt(np.maximum(norm, 1e-12)), np.float32)


def aligned(a: NDArray[Any], b: NDArray[Any]) -> Float32:
    """The best correlation over moves by one pixel and zooms of either picture by 6 and 12%. (m,) in [−1, 1]."""
    a, b = a.astype(np.float32), b.astype(np.float32)
    best = _moved(a, b)
    for zoom in _ZOOMS:
        best = np.maximum(best, _moved(_zoomed(a, zoom), b))
        best = np.maximum(best, _moved(a, _zoomed(b, zoom)))
    return best


def _moved(a: Float32, b: Float32) -> Float32:
    best = np.full(len(a), -1.0, np.float32)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            left = a[:, max(0, dy) : SIDE + min(0, dy), max(0, dx) : SIDE + min(0, dx)]
            right = b[:, max(0, -dy) : SIDE + min(0, -dy), max(0, -dx) : SIDE + min(0, -dx)]
            best = np.maximum(best, correlation(left, right))
    return best


def _zoomed(pictures: Float32, zoom: float) -> Float32:
    """Pictures enlarged about their centre by linear interpolation, cut to size."""
    place = (SIDE - 1) / 2 + (np.arange(SIDE) - (SIDE - 1) / 2) / zoom
    low = np.floor(place).astype(int)
    share = (place - low).astype(np.float32)
    rows = pictures[:, low] * (1 - share)[:, None] + pictures[:, low + 1] * share[:, None]
    return np.asarray(rows[:, :, low] * (1 - share) + rows[:, :, low + 1] * share, np.float32)
