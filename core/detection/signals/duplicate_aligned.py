"""Copies that are mirrored, cut, enlarged, covered in part or encoded again: pixels compared after alignment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...types import Bool, Float32, Input, Int32, Int64, Kind, SignalInputs, SignalResult
from . import _register as pixels
from ._images import flat
from ._pairs import best_partner, candidates, strangers_share
from ._pixels import colour_agreement
from .base import SIGNALS, BaseSignal

_NEAREST = 30
_BLOCK = 256
_EVERY_PAIR = 10_000
"""Pictures up to which every pair of descriptors is compared; beyond, those of the nearest cells."""
_PROBED = 8
_SAME, _VIEW, _ROUGH, _HALF = 0.95, 0.75, 0.85, 0.93
"""Least agreement of pairs that are compared more closely: descriptors of whole pictures, of views, pictures that are
roughly registered, descriptors of halves."""
_MOST_ROUGH, _MOST = 20, 3
"""Pairs a picture, on average, that are roughly registered, and that are compared at full size: the most alike."""
_STRANGERS = 0.2
"""Largest share of strangers among pictures that match so exactly that they count as copies."""
_COLOUR = 0.05
_MIRROR = 0.005
"""How much better a mirror image must match where it is cut or moved: a symmetric subject nearly is its own."""
_CUT = 0.95
"""Side, as a share of the whole, below which a picture counts as cut."""
_EXACT, _EXACT_BLURRED = 0.99, 0.985
"""Least correlation of a copy, and of blurred pictures as they lie. Pictures of one subject taken twice, or made from
one photograph by different people, have less."""


@dataclass(frozen=True)
class _Compared:
    """Pairs and how exactly they match: (m,) rows a and b, agreement in [−1, 1], what b is of a; copies from exact."""

    a: Int64
    b: Int64
    agreement: Float32
    how: NDArray[Any]
    exact: float = _EXACT


class DuplicateAligned(BaseSignal):
    """How exactly another picture shows the same, once mirroring, cuts, covered parts and encoding are undone.

    Notes
    -----
    Three comparisons of 32 × 32 pictures, each the Pearson correlation r of local contrast: as they lie, blurred by 1.2
    pixels (encoding, brightness); after registration, mirrored or not, with a scale and a move along each axis (cuts,
    enlargements); as they lie, without the rectangle that lowers r most (logos, captions). Candidates: the 10 nearest
    for the encoder, and by descriptors of its own (whole pictures, their mirror images, four halves) the nearest
    picture.

    Formula: (1 − f)·(1 + (r − r₀)/(1 − r₀))/2, at least ½, where r ≥ r₀ and f ≤ .2, r₀ = .99 (.985 as they lie), f the
    share of strangers among the pictures with at least that r (:func:`._pairs.strangers_share`); else (1 − f)·r/2; the
    largest of the three. ``partner`` is the other picture. Of registered pictures r is lowered by .05·s·(1 − c), c the
    cosine of their colours and s how much colour there is, and of mirrored and cut ones by .005.

    References
    ----------
    Registration by enhanced correlation: Evangelidis & Psarakis (IEEE PAMI 2008). Crops and mirror images as queries
    of a copy detector: Douze et al. (2021), "The 2021 image similarity dataset and challenge". Local contrast: Jarrett
    et al. (ICCV 2009).
    """

    name = "duplicate_aligned"
    kind = Kind.DUPLICATE
    title = "Copy after alignment"
    explain = "Another image shows the same pixels, mirrored, cut, covered in part or encoded again."
    requires = frozenset({Input.MEDIA})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the pictures."""
        media = inputs.media
        assert media is not None
        score = np.full(inputs.n, np.nan, np.float32)
        partner = np.full(inputs.n, -1, np.int32)
        reasons = np.full(inputs.n, "", object)
        readable = (media.error == "") & ~flat(inputs)
        if media.tiny is None or readable.sum() < 2:
            return SignalResult(score, partner=partner, reasons=reasons)
        score[readable] = 0.0
        for compared in _comparisons(inputs, np.asarray(media.tiny), readable):
            self._raise(score, partner, reasons, compared, readable)
        return SignalResult(score, partner=partner, reasons=reasons)

    @staticmethod
    def _raise(score: Float32, partner: Int32, reasons: NDArray[Any], compared: _Compared, readable: Bool) -> None:
        """Raise, in place, the scores of rows that this comparison says more about."""
        best, other = best_partner(len(score), (compared.a, compared.b), compared.agreement)
        fdr = strangers_share(best[readable])
        value = np.zeros(len(score), np.float32)
        alike = np.maximum(best[readable], 0.0)
        exact = (alike >= compared.exact) & (fdr <= _STRANGERS)
        excess = np.clip((alike - compared.exact) / (1.0 - compared.exact), 0.0, 1.0)
        value[readable] = (1.0 - fdr) * np.where(exact, 1.0 + excess, np.minimum(alike, 0.98)) / 2.0
        value[np.flatnonzero(readable)[exact]] = np.maximum(value[readable][exact], 0.5)
        more = readable & (value > score) & (other >= 0)
        how = {(int(a), int(b)): h for a, b, h in zip(compared.a, compared.b, compared.how, strict=True)}
        score[more], partner[more] = value[more], other[more]
        for row in np.flatnonzero(more):
            pair = (int(row), int(other[row]))
            reasons[row] = how.get(pair) or how.get(pair[::-1], "")


def _comparisons(inputs: SignalInputs, tiny: NDArray[np.uint8], readable: Bool) -> list[_Compared]:
    rows = np.flatnonzero(readable)
    whole, mirror, halves, reduced = _descriptors(tiny, rows)
    a, b = _pairs(_nearest(whole, whole))
    mirrored = _pairs(_nearest(mirror, whole))
    near = _from_graph(inputs, readable, rows)
    like = _unique(len(rows), (a, b), near)
    part = _unique(len(rows), like, mirrored)
    covered = _unique(len(rows), like, *(_pairs(_nearest(halves[:, h], halves[:, h])) for h in range(4)))
    small = tiny[rows] if len(rows) < len(tiny) else tiny
    found = [
        _as_they_lie(small, whole, like),
        _registered(small, whole, reduced, part),
        _in_part(small, halves, covered),
    ]
    return [replace(c, a=rows[c.a], b=rows[c.b]) for c in found]


def _descriptors(tiny: NDArray[np.uint8], rows: Int64) -> tuple[NDArray[Any], ...]:
    """Of whole pictures (m, 100), their mirror images (m, 100), their halves (m, 4, 64); and (m, 16, 16); float16."""
    whole = np.empty((len(rows), pixels.GRID**2), np.float16)
    mirror, halves = np.empty_like(whole), np.empty((len(rows), 4, 64), np.float16)
    reduced = np.empty((len(rows), pixels.SIDE // 2, pixels.SIDE // 2), np.float16)
    for part in _blocks(len(rows)):
        pictures = pixels.blurred(pixels.grey(tiny[rows[part]]))
        whole[part], mirror[part] = pixels.descriptors(pictures), pixels.descriptors(pictures[:, :, ::-1])
        halves[part], reduced[part] = pixels.half_descriptors(pictures), pixels.reduced(pictures)
    return whole, mirror, halves, reduced


def _nearest(queries: NDArray[Any], keys: NDArray[Any]) -> Int64:
    """(m,) the row, other than itself, whose key is nearest to each query; −1 where there is none."""
    import faiss

    n, d = keys.shape
    if n <= _EVERY_PAIR:
        index: Any = faiss.IndexFlatIP(d)
    else:
        cells = int(2 * np.sqrt(n))
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(d), d, cells, faiss.METRIC_INNER_PRODUCT)
        index.nprobe, index.cp.niter, index.cp.seed = _PROBED, 6, 0
        index.cp.min_points_per_centroid = 1
        some = np.random.default_rng(0).choice(n, min(n, 50 * cells), replace=False)
        index.train(np.ascontiguousarray(keys[some], np.float32))
    for start in range(0, n, 65_536):
        index.add(np.ascontiguousarray(keys[start : start + 65_536], np.float32))
    out = np.empty(n, np.int64)
    for start in range(0, n, 65_536):
        own = np.arange(start, min(n, start + 65_536))
        near = index.search(np.ascontiguousarray(queries[own], np.float32), min(2, n))[1]
        out[own] = np.where(near[:, 0] == own, near[:, -1], near[:, 0])
    return out


def _pairs(nearest: Int64) -> tuple[Int64, Int64]:
    rows = np.flatnonzero((nearest >= 0) & (nearest != np.arange(len(nearest))))
    return rows, nearest[rows]


def _from_graph(inputs: SignalInputs, readable: Bool, rows: Int64) -> tuple[Int64, Int64]:
    """Pairs among the encoder's nearest, as places in ``rows``."""
    if inputs.neighbors is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    a, b, _ = candidates(inputs.neighbors, readable, _NEAREST)
    return np.searchsorted(rows, a), np.searchsorted(rows, b)


def _unique(n: int, *lists: tuple[Int64, Int64]) -> tuple[Int64, Int64]:
    """Unordered pairs (a < b) in any of the lists, each once."""
    code = [np.minimum(a, b) * n + np.maximum(a, b) for a, b in lists]
    every = np.unique(np.concatenate(code))
    return every // n, every % n


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, n, _BLOCK))


def _best(agreement: Float32, least: float, most: int) -> Int64:
    """The places of the pairs that are worth a closer look."""
    keep = np.flatnonzero(agreement >= least)
    if len(keep) > most:
        keep = np.sort(keep[np.argsort(-agreement[keep], kind="stable")[:most]])
    return keep


def _dot(one: NDArray[Any], other: NDArray[Any], a: Int64, b: Int64) -> Float32:
    """(m,) inner products of rows, by blocks."""
    out = np.empty(len(a), np.float32)
    for start in range(0, len(a), 65_536):
        part = slice(start, start + 65_536)
        out[part] = np.einsum("md,md->m", one[a[part]].astype(np.float32), other[b[part]].astype(np.float32))
    return out


def _as_they_lie(tiny: NDArray[np.uint8], whole: NDArray[Any], pairs: tuple[Int64, Int64]) -> _Compared:
    a, b = pairs
    keep = _best(_dot(whole, whole, a, b), _SAME, _MOST * len(tiny))
    a, b = a[keep], b[keep]
    agreement = np.empty(len(a), np.float32)
    for part in _blocks(len(a)):
        one, other = (pixels.blurred(pixels.grey(tiny[r[part]])) for r in (a, b))
        agreement[part] = pixels.cosine(one, other)
    how = np.full(len(a), "the same picture, encoded or toned otherwise", object)
    return _Compared(a, b, agreement, how, _EXACT_BLURRED)


def _registered(
    tiny: NDArray[np.uint8], whole: NDArray[Any], reduced: NDArray[Any], pairs: tuple[Int64, Int64]
) -> _Compared:
    """Either picture may be the one that shows a part of the other."""
    a, b = pairs
    one, view = pixels.best_views(tiny, whole, a, b)
    two, back = pixels.best_views(tiny, whole, b, a)
    swap = two > one
    a, b = np.where(swap, b, a), np.where(swap, a, b)
    view = np.where(swap, back, view)
    keep = _best(np.maximum(one, two), _VIEW, _MOST_ROUGH * len(tiny))
    a, b, start = a[keep], b[keep], pixels.VIEWS[view[keep]]
    rough = np.empty(len(a), np.float32)
    for part in _blocks(len(a)):
        one, other = (reduced[r[part]].astype(np.float32) for r in (a, b))
        rough[part], place = pixels.roughly_registered(one, other, start[part])
        start.scale[part], start.shift[part] = place.scale, place.shift
    keep = _best(rough, _ROUGH, _MOST * len(tiny))
    a, b, start = a[keep], b[keep], start[keep]
    agreement, how = np.empty(len(a), np.float32), np.empty(len(a), object)
    for part in _blocks(len(a)):
        one, other = (pixels.grey(tiny[r[part]]) for r in (a, b))
        agreement[part], place = pixels.registered(one, other, start[part])
        moved = (np.abs(np.log(place.scale)).max(1) > 0.02) | (np.abs(place.shift).max(1) > 0.5)
        cosine, share = colour_agreement(*pixels.colours(tiny[a[part]], tiny[b[part]], place))
        agreement[part] -= _COLOUR * share * (1.0 - cosine) + _MIRROR * (place.mirrored & moved)
        cut = place.scale.min(1) < _CUT
        how[part] = np.select(
            [place.mirrored & cut, place.mirrored, cut],
            ["mirrored and cut", "mirrored", "cut or enlarged"],
            "the same picture, hardly moved",
        )
    return _Compared(a, b, agreement, how)


def _in_part(tiny: NDArray[np.uint8], halves: NDArray[Any], pairs: tuple[Int64, Int64]) -> _Compared:
    a, b = pairs
    alike = np.stack([_dot(halves[:, h], halves[:, h], a, b) for h in range(4)]).max(0)
    keep = _best(alike, _HALF, _MOST * len(tiny))
    a, b = a[keep], b[keep]
    agreement = np.empty(len(a), np.float32)
    for part in _blocks(len(a)):
        agreement[part] = pixels.without_a_rectangle(pixels.grey(tiny[a[part]]), pixels.grey(tiny[b[part]]))
    return _Compared(a, b, agreement, np.full(len(a), "the same but for a part that is covered", object))


SIGNALS.register(DuplicateAligned.name)(DuplicateAligned())
