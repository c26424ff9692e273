"""What the duplicate checks share: equal keys, candidate pairs from the graph, and the best partner of each row."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import fingerprint as fp
from ...types import Bool, Float32, Int32, Int64, Neighbors, Strings
from ._texts import LOOKED_AT, as_text


def first_equal(keys: NDArray[Any], usable: Bool) -> Int32:
    """(n,) int32, for each usable row the first usable row with the same key (for the first itself, the second).

    −1 where there is none. Equal rows form a star around their first, so that following partners joins them all.
    """
    partner = np.full(len(keys), -1, np.int32)
    rows = np.flatnonzero(usable)
    if len(rows) < 2:
        return partner
    _, inverse, count = np.unique(keys[rows], return_inverse=True, return_counts=True)
    order = np.argsort(inverse, kind="stable")
    start = np.concatenate([[0], np.cumsum(count)[:-1]])
    first = rows[order[start]]
    second = rows[order[np.minimum(start + 1, len(order) - 1)]]
    many = count[inverse] > 1
    head = first[inverse]
    partner[rows[many]] = np.where(rows == head, second[inverse], head)[many]
    return partner


def same_text(texts: Strings) -> NDArray[Any]:
    """(n,) the texts in compatibility form, case folded, white space as single blanks.

    Of a text longer than the checks read, the rest stands as its hash.
    """
    return np.array([_folded(as_text(t)) for t in texts], object)


def _folded(text: str) -> str:
    start, rest = text[:LOOKED_AT], text[LOOKED_AT:]
    folded = " ".join(unicodedata.normalize("NFKC", start).casefold().split())
    return f"{folded} {fp.of_bytes(rest.encode('utf-8', 'surrogatepass'))}" if rest else folded


def candidates(graph: Neighbors, usable: Bool, k: int) -> tuple[Int64, Int64, Float32]:
    """Unordered pairs (a < b) among the nearest k of usable rows and their distances, sorted by (a, b), each once."""
    n = len(usable)
    k = min(k, graph.k)
    a = np.repeat(np.arange(n, dtype=np.int64), k)
    b = graph.indices[:, :k].astype(np.int64).ravel()
    d = graph.distances[:, :k].ravel()
    keep = (b >= 0) & usable[a] & usable[np.maximum(b, 0)]
    low, high, d = np.minimum(a, b)[keep], np.maximum(a, b)[keep], d[keep]
    _, first = np.unique(low * n + high, return_index=True)
    return low[first], high[first], np.asarray(d[first], np.float32)


def best_partner(n: int, pairs: tuple[Int64, Int64], score: Float32) -> tuple[Float32, Int32]:
    """(n,) the highest score of a pair that each row is in, −inf if none, and the other row, −1 if none."""
    a, b = pairs
    row, other, value = np.concatenate([a, b]), np.concatenate([b, a]), np.concatenate([score, score])
    order = np.lexsort((other, -value, row))
    row, other, value = row[order], other[order], value[order]
    lead = np.ones(len(row), bool)
    lead[1:] = row[1:] != row[:-1]
    best = np.full(n, -np.inf, np.float32)
    partner = np.full(n, -1, np.int32)
    best[row[lead]], partner[row[lead]] = value[lead], other[lead]
    return best, partner


def strangers_share(similarity: Float32) -> Float32:
    """(m,) the share of strangers among the samples with at least each one's similarity, in [0, 1].

    Parameters
    ----------
    similarity
        (m,) of each sample to the one most like it, at most 1; −inf where none was near enough to be compared.

    Notes
    -----
    Strangers' best similarity follows a Gumbel law (the maximum of many, Fisher & Tippett 1928) in −ln(1.002 − s),
    fitted at the median and the upper quartile; the share is how many it would leave there, over how many there are.
    Where fewer than half the samples were compared, no two strangers are alike, and the share is 0.
    """
    known = np.isfinite(similarity)
    out = np.zeros(len(similarity), np.float32)
    if known.mean() < 0.5:
        return out
    u = np.where(known, -np.log(1.002 - np.clip(np.where(known, similarity, 0.0), -1.0, 1.0)), -np.inf)
    middle, high = np.quantile(u, (0.5, 0.75), method="lower")
    spread = max((high - middle) / (np.log(np.log(2.0)) - np.log(np.log(4.0 / 3.0))), 0.02)
    place = middle + spread * np.log(np.log(2.0))
    order = np.argsort(-u, kind="stable")
    expected = len(u) * -np.expm1(-np.exp(-(u[order] - place) / spread))
    seen = np.searchsorted(-u[order], -u[order], side="right")
    out[order] = np.maximum.accumulate(np.minimum(1.0, expected / np.maximum(seen, 1)))
    return out


def trigram_overlap(texts: Sequence[str], a: Int64, b: Int64) -> Float32:
    """(m,) Jaccard overlap of character trigrams (white space folded) of pairs of texts, in [0, 1]."""
    grams: dict[int, frozenset[str]] = {}

    def of(row: int) -> frozenset[str]:
        if row not in grams:
            text = f" {texts[row]} "
            grams[row] = frozenset(text[i : i + 3] for i in range(len(text) - 2))
        return grams[row]

    out = np.zeros(len(a), np.float32)
    for i, (x, y) in enumerate(zip(a.tolist(), b.tolist(), strict=True)):
        one, two = of(x), of(y)
        union = len(one | two)
        out[i] = len(one & two) / union if union else 0.0
    return out
