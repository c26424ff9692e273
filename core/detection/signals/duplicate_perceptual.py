"""Copies by perceptual hash."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ...types import Input, Kind, SignalInputs, SignalResult
from ._images import flat
from ._pairs import best_partner
from .base import SIGNALS

if TYPE_CHECKING:
    import faiss

_NEAREST = 5
_EVERY_PAIR = 100_000
_FAR = 16
"""Bits of 64. Two random pictures differ in 32 ± 4; 16 apart is four standard deviations."""


class DuplicatePerceptual:
    """Pictures whose coarse shapes are the same after scaling, re-encoding or a change of brightness.

    Formula: max(0, 1 − h/16)², h the fewest bits by which the 64-bit DCT hash differs from another sample's (Hamming
    distance). Undecodable and flat pictures are not scored. ``partner`` is that sample.

    Source: pHash, Zauner (2010), "Implementation and benchmarking of perceptual image hash functions".
    """

    name: ClassVar[str] = "duplicate_perceptual"
    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = Kind.DUPLICATE
    title: ClassVar[str] = "Looks the same"
    explain: ClassVar[str] = "Another picture has nearly the same perceptual hash."
    requires: ClassVar[frozenset[Input]] = frozenset({Input.MEDIA})

    def __call__(self, inputs: SignalInputs) -> SignalResult:
        media = inputs.media
        assert media is not None
        rows = np.flatnonzero((media.error == "") & (media.perceptual_hash != 0) & ~flat(inputs))
        score = np.full(inputs.n, np.nan, np.float32)
        score[rows] = 0.0
        partner = np.full(inputs.n, -1, np.int32)
        if len(rows) < 2:
            return SignalResult(score, partner=partner)
        # equal hashes are one entry of the index: many copies must not push the others off the list
        codes, inverse, count = np.unique(media.perceptual_hash[rows], return_inverse=True, return_counts=True)
        first = rows[np.unique(inverse, return_index=True)[1]].astype(np.int64)
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
        shared = count[inverse] > 1
        head = first[inverse]
        order = np.argsort(inverse, kind="stable")
        start = np.concatenate([[0], np.cumsum(count)[:-1]])
        second = rows[order[np.minimum(start + 1, len(order) - 1)]]
        score[rows[shared]] = 1.0
        partner[rows[shared]] = np.where(rows == head, second[inverse], head)[shared]
        return SignalResult(score, partner=partner)


def _index(count: int) -> faiss.IndexBinary:
    """Every pair up to 100,000 hashes; beyond, four tables of 16 bits with one bit of room find all under 8 bits apart.

    Source: multi-index hashing, Norouzi, Punjani and Fleet (2012), "Fast search in Hamming space", CVPR.
    """
    import faiss

    if count <= _EVERY_PAIR:
        return faiss.IndexBinaryFlat(64)
    index = faiss.IndexBinaryMultiHash(64, 4, 16)
    index.nflip = 1
    return index


SIGNALS.register(DuplicatePerceptual.name)(DuplicatePerceptual())
