"""Which part of one small picture another one shows: mirrored or not, moved and zoomed along both axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...types import Bool, Float32, Int64

SIDE = 32
GRID = 10
"""Side of the descriptors that views are compared by."""
_CONTRAST = 25.0
"""Grey levels squared, added to the local variance so that noise in flat regions is not amplified."""
_BLOCK = 256
"""Pictures whose views are held at once."""
_VIEWS = ((1.0, 1), (0.86, 3), (0.72, 4))
"""Side of a view as a share of the picture's, and how many positions along each axis."""
_STEPS = (5, 4)
"""Gauss-Newton steps on small, blurred pictures and on sharp ones."""
_SMALLEST, _LARGEST = 0.55, 1.25
"""Bounds of the scales: a copy shows at least about half of each side, and hardly more than the picture."""
_PLAIN = 2.0
"""Length of a half's descriptor below which it shows next to nothing; the local contrast of a texture gives 5."""
_OVERLAP = 0.5
"""Least share of the picture that the other one must cover."""


def _gaussian(sigma: float) -> Float32:
    """(32, 32) a blur by ``sigma`` pixels as a matrix, for G·x·Gᵀ; it gives the edges no weight from outside."""
    away = np.arange(SIDE)[:, None] - np.arange(SIDE)[None]
    weight = np.exp(-0.5 * (away / sigma) ** 2)
    weight[weight < 1e-6] = 0.0  # numbers below the smallest normal one would slow everything down
    return np.asarray(weight / weight.sum(1, keepdims=True), np.float32)


_WIDE, _NARROW = _gaussian(4.0), _gaussian(1.2)


@dataclass(frozen=True)
class Placement:
    """Where the second pictures of m pairs lie in the first ones.

    Attributes
    ----------
    mirrored
        (m,) whether the first picture is mirrored, left to right, beforehand.
    scale, shift
        (m, 2) along y and x: a step of one pixel in the second is ``scale`` pixels in the first, whose centre is moved
        by ``shift`` pixels.
    """

    mirrored: Bool
    scale: Float32
    shift: Float32

    def __getitem__(self, rows: NDArray[Any] | slice) -> Placement:
        return Placement(self.mirrored[rows], self.scale[rows], self.shift[rows])

    def sampling(self, size: int = SIDE, side: int = SIDE) -> tuple[list[Float32], Bool]:
        """Matrices (m, size, side) that sample rows and columns of first pictures, and (m, size, size) what is inside.

        Linear interpolation, or the mean over the width of a sample where the first picture is reduced. ``side`` is
        that of the first pictures, which may have been reduced already.
        """
        step = side / size
        at = (np.arange(size, dtype=np.float32) - (size - 1) / 2) * np.float32(step)
        matrices, inside = [], []
        for axis in (0, 1):
            place = (side - 1) / 2 + at[None] * self.scale[:, axis, None] + self.shift[:, axis, None] * side / SIDE
            width = np.maximum(1.0, self.scale[:, axis] * step)[:, None, None]
            away = np.abs(np.arange(side, dtype=np.float32)[None, None] - place[:, :, None])
            weight = np.maximum(0.0, 1.0 - away / width).astype(np.float32)
            matrices.append(weight / np.maximum(weight.sum(2, keepdims=True), 1e-6))
            inside.append((place > -0.6) & (place < side - 0.4))
        return matrices, inside[0][:, :, None] & inside[1][:, None, :]


def grey(tiny: NDArray[np.uint8]) -> Float32:
    """(m, 32, 32) the mean of the colours of (m, 3072) pictures."""
    return (tiny.reshape(-1, 3).astype(np.float32) @ np.full(3, 1 / 3, np.float32)).reshape(-1, SIDE, SIDE)


def local_contrast(pictures: Float32, inside: Bool | None = None) -> Float32:
    """(m, 32, 32) with local mean and contrast removed; 0 where not ``inside``.

    Notes
    -----
    Formula: x ← (g − G∗g) / √(G∗(g − G∗g)² + 25), G a Gaussian of 4 pixels (Jarrett et al. 2009).
    """
    if inside is None:
        high = pictures - _WIDE @ pictures @ _WIDE.T
        return np.asarray(high / np.sqrt(_WIDE @ (high * high) @ _WIDE.T + _CONTRAST), np.float32)
    mask = inside.astype(np.float32)
    mass = np.maximum(_WIDE @ mask @ _WIDE.T, 1e-3)
    high = (pictures - (_WIDE @ (pictures * mask) @ _WIDE.T) / mass) * mask
    return np.asarray(high / np.sqrt((_WIDE @ (high * high) @ _WIDE.T) / mass + _CONTRAST), np.float32)


def blurred(pictures: Float32) -> Float32:
    """(m, 32, 32) local contrast after a blur by 1.2 pixels, which hardly depends on how a picture is encoded."""
    return local_contrast(np.asarray(_NARROW @ pictures @ _NARROW.T, np.float32))


def unit(rows: NDArray[Any], least: float = 1e-6) -> Float32:
    """(…, h·w) float32, pictures (…, h, w) as rows of mean 0 and length 1; shorter where they have hardly any contrast.

    ``least`` is the length that counts as 1.
    """
    flat = rows.reshape(*rows.shape[:-2], -1).astype(np.float32)
    flat -= flat.mean(-1, keepdims=True)
    flat /= np.maximum(np.sqrt(np.einsum("...i,...i->...", flat, flat)), least)[..., None]
    return flat


def cosine(a: Float32, b: Float32) -> Float32:
    """(m,) Pearson correlation of pairs of pictures (m, h, w), in [−1, 1]."""
    return np.asarray(np.einsum("md,md->m", unit(a), unit(b)), np.float32)


def _views() -> Placement:
    """Every view that a copy is first looked for in: crops of three sizes, as they are and mirrored."""
    scale, shift = [], []
    for size, count in _VIEWS:
        room = (1.0 - size) * SIDE / 2
        places = np.linspace(-room, room, count) if count > 1 else np.zeros(1)
        scale += [(size, size)] * count**2
        shift += [(y, x) for y in places for x in places]
    half = len(scale)
    mirrored = np.repeat([False, True], half)
    return Placement(mirrored, np.array(scale * 2, np.float32), np.array(shift * 2, np.float32))


VIEWS = _views()
_HALF = len(VIEWS.scale) // 2
(_ROWS, _COLUMNS), _ = VIEWS[np.arange(_HALF)].sampling(GRID)


def descriptors(pictures: Float32) -> Float32:
    """(m, 100) unit rows: whole pictures as :func:`blurred` gives them, on a 10 × 10 grid."""
    return unit(_ROWS[0] @ pictures @ _COLUMNS[0].T)


def half_descriptors(pictures: Float32) -> Float32:
    """(m, 4, 64) rows of length 1 at most: the upper, lower, left and right half, on an 8 × 8 grid.

    A half that shows next to nothing is shorter: it is like too many others.
    """
    half = SIDE // 2
    rows = pictures.reshape(-1, 2, 8, 2, 8, 4).mean((3, 5))
    columns = pictures.reshape(-1, 8, 4, 2, 8, 2).mean((2, 5)).transpose(0, 2, 1, 3)
    assert rows.shape[1:] == columns.shape[1:] == (2, half // 2, half // 2)
    return unit(np.concatenate([rows, columns], axis=1), _PLAIN)


def view_descriptors(pictures: Float32) -> Float32:
    """(m, v, 100) unit rows, of every view of :data:`VIEWS`; they compare with :func:`descriptors`."""
    plain = (_ROWS[None] @ pictures[:, None]) @ _COLUMNS.transpose(0, 2, 1)[None]
    # the first half of the views of a mirrored picture are those of the picture, mirrored
    mirror = (_ROWS[None] @ pictures[:, None, :, ::-1]) @ _COLUMNS.transpose(0, 2, 1)[None]
    return unit(np.concatenate([plain, mirror], axis=1))


def best_views(tiny: NDArray[np.uint8], whole: NDArray[Any], a: Int64, b: Int64) -> tuple[Float32, Int64]:
    """(m,) how alike picture b is to the most similar view of picture a, and which view that is.

    Parameters
    ----------
    tiny
        (n, 3072) the pictures.
    whole
        (n, 100) their :func:`descriptors`.
    a, b
        (m,) rows.
    """
    score, view = np.empty(len(a), np.float32), np.empty(len(a), np.int64)
    order = np.argsort(a, kind="stable")
    pictures, first = np.unique(a[order], return_index=True)
    ends = np.append(first, len(order))
    for start in range(0, len(pictures), _BLOCK):
        own = pictures[start : start + _BLOCK]
        for place, views in zip(
            range(start, start + len(own)), view_descriptors(blurred(grey(tiny[own]))), strict=True
        ):
            here = order[ends[place] : ends[place + 1]]
            alike = whole[b[here]].astype(np.float32) @ views.T
            view[here] = alike.argmax(1)
            score[here] = alike.max(1)
    return score, view


def reduced(pictures: Float32) -> Float32:
    """(m, 16, 16) pictures at half their size."""
    return np.asarray(pictures.reshape(len(pictures), SIDE // 2, 2, SIDE // 2, 2).mean((2, 4)), np.float32)


def roughly_registered(one: Float32, other: Float32, start: Placement) -> tuple[Float32, Placement]:
    """The largest correlation, in [−1, 1], of pictures that are :func:`blurred` and :func:`reduced`, and its placement.

    Parameters
    ----------
    one, other
        (m, 16, 16).
    start
        Where to begin.
    """
    return _climb(_mirrored(one, start), other, start, _STEPS[0])


def registered(one: Float32, other: Float32, start: Placement) -> tuple[Float32, Placement]:
    """Refine placements so that the correlation of the pictures is largest.

    Parameters
    ----------
    one, other
        (m, 32, 32) grey pictures.
    start
        Where to begin.

    Returns
    -------
    correlation
        (m,) of the pictures' local contrast where they overlap, in [−1, 1].
    Placement
        The best one found.

    Notes
    -----
    Gauss-Newton on the difference of the standardised pictures, which climbs their correlation: Evangelidis & Psarakis
    (2008), "Parametric image alignment using enhanced correlation coefficient maximization", IEEE PAMI 30(10).
    """
    one = _mirrored(one, start)
    found, place = _climb(local_contrast(one), local_contrast(other), start, _STEPS[1])
    (down, across), inside = place.sampling()
    seen = local_contrast(np.asarray(down @ one @ across.transpose(0, 2, 1), np.float32), inside)
    sharp = cosine_inside(seen, local_contrast(other, inside))
    return np.where(found > -1.0, sharp, np.float32(-1.0)), place


def colours(one: NDArray[np.uint8], other: NDArray[np.uint8], place: Placement) -> tuple[Float32, Float32]:
    """(m, 768) twice, the colours less the grey on a 16 × 16 grid in units of 16 levels, once placed; 0 outside."""
    size = SIDE // 2
    whole = Placement(np.zeros(1, bool), np.ones((1, 2), np.float32), np.zeros((1, 2), np.float32))
    seen = one.reshape(-1, SIDE, SIDE, 3).astype(np.float32)
    seen = np.where(place.mirrored[:, None, None, None], seen[:, :, ::-1], seen)
    sampled = []
    inside = place.sampling(size)[1]
    for pictures, where in ((seen, place), (other.reshape(-1, SIDE, SIDE, 3).astype(np.float32), whole)):
        (down, across), _ = where.sampling(size)
        channels = pictures.transpose(3, 0, 1, 2)
        small = (down @ channels @ across.transpose(0, 2, 1)).transpose(1, 2, 3, 0)
        chroma = (small - small.mean(3, keepdims=True)) / 16.0 * inside[..., None]
        sampled.append(np.asarray(chroma.reshape(len(chroma), -1), np.float32))
    return sampled[0], sampled[1]


def _mirrored(pictures: Float32, place: Placement) -> Float32:
    return np.where(place.mirrored[:, None, None], pictures[:, :, ::-1], pictures)


def cosine_inside(a: Float32, b: Float32) -> Float32:
    """(m,) Σab / √(Σa²·Σb²) of pictures that are 0 outside their overlap."""
    inner = np.einsum("mij,mij->m", a, b)
    return np.asarray(inner / np.sqrt(np.einsum("mij,mij->m", a, a) * np.einsum("mij,mij->m", b, b) + 1e-6), np.float32)


def _climb(one: Float32, other: Float32, start: Placement, steps: int) -> tuple[Float32, Placement]:
    """The largest correlation and its placement, for pictures of any size."""
    count, size = len(one), one.shape[1]
    log_scale, shift = np.log(start.scale), start.shift.copy()
    slope = [g * np.float32(size / SIDE) for g in np.gradient(one, axis=(1, 2))]
    at = (np.arange(size, dtype=np.float32) - (size - 1) / 2) * np.float32(SIDE / size)
    along = (at[None, :, None], at[None, None, :])
    best = np.full(count, -1.0, np.float32)
    best_scale, best_shift = log_scale.copy(), shift.copy()
    for step in range(steps + 1):
        place = Placement(start.mirrored, np.exp(log_scale), shift)
        (down, across), inside = place.sampling(size, size)
        across = across.transpose(0, 2, 1)
        mask = inside.astype(np.float32)
        mass = np.maximum(mask.sum((1, 2)), 1.0)
        seen, spread = _standard(np.asarray(down @ one @ across, np.float32), mask, mass)
        wanted, _ = _standard(other, mask, mass)
        alike = np.einsum("mij,mij->m", seen, wanted) / mass
        alike = np.where(mass < _OVERLAP * size * size, -1.0, alike)
        up = alike > best
        best[up], best_scale[up], best_shift[up] = alike[up], log_scale[up], shift[up]
        if step == steps:
            break
        gradient = []
        for axis in (0, 1):
            steep = (down @ slope[axis] @ across) * mask / spread
            gradient += [steep * along[axis] * place.scale[:, axis, None, None], steep]
        jacobian = np.stack(gradient, 1).reshape(count, 4, -1)
        normal = jacobian @ jacobian.transpose(0, 2, 1)
        damping = 0.02 * np.einsum("mii->mi", normal) + 1e-3
        normal += np.eye(4, dtype=np.float32) * damping[:, None, :]
        right = (jacobian @ (seen - wanted).reshape(count, -1, 1))[:, :, 0]
        change = np.linalg.solve(normal, right[:, :, None])[:, :, 0].reshape(count, 2, 2)
        log_scale = np.clip(
            log_scale - np.clip(change[:, :, 0], -0.1, 0.1), np.log(_SMALLEST), np.log(_LARGEST)
        ).astype(np.float32)
        shift = (shift - np.clip(change[:, :, 1], -2.0, 2.0)).astype(np.float32)
    return best, Placement(start.mirrored, np.exp(best_scale), best_shift)


def _standard(pictures: Float32, mask: Float32, mass: Float32) -> tuple[Float32, Float32]:
    """Mean 0 and spread 1 inside the mask, 0 outside; and the spread, (m, 1, 1)."""
    mean = (pictures * mask).sum((1, 2)) / mass
    centred = (pictures - mean[:, None, None]) * mask
    spread = (np.sqrt(np.einsum("mij,mij->m", centred, centred) / mass) + 1e-4)[:, None, None]
    return np.asarray(centred / spread, np.float32), np.asarray(spread, np.float32)


def _rectangles() -> Int64:
    """(r, 4) top, bottom, left, right on a 16 × 16 grid: none, and all of up to a third of the area."""
    sides = range(2, 11)
    every = [(0, 0, 0, 0)]
    for height in sides:
        for width in sides:
            if height * width <= 82:
                every += [(y, y + height, x, x + width) for y in range(17 - height) for x in range(17 - width)]
    return np.array(every, np.int64)


_RECTANGLES = _rectangles()


def without_a_rectangle(one: Float32, other: Float32) -> Float32:
    """(m,) correlation of the local contrast, without the rectangle that lowers it most (a logo, caption or sticker).

    At most a third of the area is left out, and at least two fifths of the contrast stay.
    """
    x, y = local_contrast(one), local_contrast(other)
    top, bottom, left, right = _RECTANGLES.T

    def outside(product: Float32) -> Float32:
        cells = product.reshape(len(product), 16, 2, 16, 2).sum((2, 4)).cumsum(1).cumsum(2)
        table = np.pad(cells, ((0, 0), (1, 0), (1, 0)))
        within = table[:, bottom, right] - table[:, top, right] - table[:, bottom, left] + table[:, top, left]
        return np.asarray(table[:, -1, -1][:, None] - within, np.float32)

    both, first, second = outside(x * y), outside(x * x), outside(y * y)
    kept = (first + second) / np.maximum(first[:, :1] + second[:, :1], 1e-6)
    alike = np.where(kept > 0.4, both / np.sqrt(first * second + 1e-6), -1.0)
    chosen = _RECTANGLES[alike.argmax(1)] * 2
    at = np.arange(SIDE)
    covered = ((at >= chosen[:, :1]) & (at < chosen[:, 1:2]))[:, :, None]
    covered = covered & ((at >= chosen[:, 2:3]) & (at < chosen[:, 3:4]))[:, None, :]
    return cosine_inside(local_contrast(one, ~covered), local_contrast(other, ~covered))
