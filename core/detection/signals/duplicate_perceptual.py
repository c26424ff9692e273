"""Copies by perceptual hash."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._images import flat
from ._pairs import best_partner, first_equal
from .base import SIGNALS, BaseSignal

if TYPE_CHECKING:
    import faiss

_NEAREST = 5
_EVERY_PAIR = 100_000
_FAR = 16
"""Bits, of 64. Two random pictures differ in 32 ± 4 bits; 16 is four standard deviations below."""


class DuplicatePerceptual(BaseSignal):
    """Pictures whose coarse shapes are the same after scaling, re-encoding or a change of brightness.

    Notes
    -----
    Formula: max(0, 1 − h/16)², h the fewest bits by which the 64-bit DCT hash differs from another sample's (Hamming
    distance). Undecodable and flat pictures are not scored. ``partner`` is that sample.

    References
    ----------
    PHash, Zauner (2010), "Implementation and benchmarking of perceptual image hash functions".
    """

    name = "duplicate_perceptual"
    kind = Kind.DUPLICATE
    title = "Perceptual hash (pHash)"
    explain = "Another image has nearly the same perceptual hash."
    requires = frozenset({Input.MEDIA})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        """Score the samples."""
        media = inputs.media
        assert media is not None
        rows = np.flatnonzero((media.error == "") & (media.perceptual_hash != 0) & ~flat(inputs))
        score = np.full(inputs.n, np.nan, np.float32)
        score[rows] = 0.0
        partner = np.full(inputs.n, -1, np.int32)
        if len(rows) < 2:
            return SignalResult(score, partner=partner)
        # equal hashes share one entry of the index, so that many copies do not crowd out the other neighbours
        codes, place, inverse = np.unique(media.perceptual_hash[rows], return_index=True, return_inverse=True)
        first = rows[place].astype(np.int64)
        bits = codes.astype(">u8").view(np.uint8).reshape(-1, 8)
        index = _index(len(codes))
        index.add(bits)
        away, near = index.search(bits, min(_NEAREST, len(codes)))
        own = near == np.arange(len(codes))[:, None]
        a, b = np.repeat(first, near.shape[1]), first[near.ravel()]
        keep = ~own.ravel() & (near.ravel() >= 0) & (away.ravel() < _FAR)
        closeness = (np.maximum(0.0, 1.0 - away.ravel() / _FAR) ** 2).astype(np.float32)
        best, other = best_partner(inputs.n, (a[keep], b[keep]), closeness[keep])
        score[rows] = np.maximum(0.0, best[first[inverse]])
        partner[rows] = other[first[inverse]]
        twin = first_equal(media.perceptual_hash, np.isfinite(score))
        score[twin >= 0] = 1.0
        partner[twin >= 0] = twin[twin >= 0]
        return SignalResult(score, partner=partner)


def _index(count: int) -> faiss.IndexBinary:
    """An index that compares every pair of up to 100,000 hashes.

    Beyond that, four tables of 16 bits, each searched with one bit flipped too, find every pair under 8 bits apart.

    References
    ----------
    Multi-index hashing, Norouzi, Punjani and Fleet (2012), "Fast search in Hamming space", CVPR.
    """
    import faiss

    if count <= _EVERY_PAIR:
        return faiss.IndexBinaryFlat(64)
    index = faiss.IndexBinaryMultiHash(64, 4, 16)
    index.nflip = 1
    return index


SIGNALS.register(DuplicatePerceptual.name)(DuplicatePerceptual())
