"""Candidate search behind :mod:`.neighbors`: which rows may be near, found by matrix products.

Both searches only propose candidates. Their distances are computed again, pair by pair in float32
(:func:`rerank`), so that a pair's distance depends neither on the block it fell into nor on the row order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import faiss
import numpy as np
import torch

from ..parallel import ordered_map, single_threaded_pool
from ..types import Bool, Float32, Int32, Int64

_GROUP = 16
_BLOCK_BYTES = 1 << 26
"""Size of a block of similarities: small enough to stay near the cache, large enough for the matrix product."""

_QUERIES, _KEYS = 512, 1024
"""Most queries of a block in a partitioned search, and what its keys are padded to multiples of."""
_CONVERT = 65_536
"""Rows converted at a time."""
_ASSIGN = 4096
"""Rows that one core gives to their cells at a time."""
_LOST = (0.0, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2)
"""Shares of the rows farthest from their centre that are tried as "search these everywhere"."""
_NEVER = -1e4

Tick = Callable[[int], None]


def fast_dtype(device: str) -> torch.dtype:
    """bfloat16 where the processor multiplies it natively (AVX-512 BF16 or AMX), else float32."""
    if device != "cpu":
        return torch.float32
    flags = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # private, hence looked up with a default
    native = any(bool(getattr(torch.cpu, f, lambda: False)()) for f in flags)
    return torch.bfloat16 if native else torch.float32


def as_keys(rows: Float32, dtype: torch.dtype, device: str, order: Int64 | None = None) -> torch.Tensor:
    """(n, d + 2) keys whose inner product with :func:`as_queries` orders them by Euclidean distance.

    −‖x−y‖²/2 = ⟨x−μ, y−μ⟩ − ‖y−μ‖²/2 + (a term of x alone). Taking out the mean keeps the products small, so that
    bfloat16 still tells neighbours apart in a narrow cone; the ‖y−μ‖² term rides along as two more columns
    (its rounding error in the second). Written in blocks, in ``order`` if one is given.
    """
    n, d = rows.shape
    keys = torch.empty(n, d + 2, dtype=dtype, device=device)
    mean = torch.from_numpy(rows.mean(axis=0, dtype=np.float64).astype(np.float32)).to(device)
    for start in range(0, n, _CONVERT):
        part = rows[start : start + _CONVERT] if order is None else rows[order[start : start + _CONVERT]]
        x = torch.from_numpy(part).to(device) - mean
        bias = -0.5 * (x * x).sum(dim=1)
        coarse = bias.to(dtype)
        block = keys[start : start + len(x)]
        block[:, :-2] = x.to(dtype)
        block[:, -2], block[:, -1] = coarse, (bias - coarse.float()).to(dtype)
    return keys


def as_queries(keys: torch.Tensor) -> torch.Tensor:
    """The same rows as questions: a copy whose last two columns are one."""
    queries = keys.clone()
    queries[:, -2:] = 1
    return queries


def _top(similarity: torch.Tensor, m: int) -> torch.Tensor:
    """Columns of the m largest entries of each row, unordered.

    The m largest lie within the m groups of largest maximum, so one cheap reduction leaves m × 16 entries to sort.
    """
    rows, columns = similarity.shape
    wide = columns // _GROUP
    if similarity.device.type != "cpu" or wide < 4 * m:
        return similarity.topk(min(m, columns), dim=1, sorted=False).indices
    grouped = similarity[:, : wide * _GROUP].view(rows, _GROUP, wide)
    best = grouped.amax(dim=1).topk(m, dim=1, sorted=False).indices
    columns_of = best[:, None, :] + torch.arange(_GROUP)[None, :, None] * wide
    candidates = columns_of.reshape(rows, -1)
    if wide * _GROUP < columns:
        tail = torch.arange(wide * _GROUP, columns).expand(rows, -1)
        candidates = torch.cat([candidates, tail], dim=1)
    values = similarity.gather(1, candidates)
    return candidates.gather(1, values.topk(m, dim=1, sorted=False).indices)


def search_all(queries: torch.Tensor, keys: torch.Tensor, m: int, tick: Tick) -> Int64:
    """Every query against every key. queries (q, e), keys (n, e) → (q, min(m, n)) rows of ``keys``, unordered."""
    n = len(keys)
    on_cpu = keys.device.type == "cpu"
    step = int(max(64, min(2048, _BLOCK_BYTES // (n * keys.element_size()))))
    if not on_cpu:
        step = int(max(256, min(8192, (1 << 31) // (n * 4))))
    out = np.empty((len(queries), min(m, n)), np.int64)

    def search(start: int) -> int:
        block = queries[start : start + step] @ keys.T
        out[start : start + step] = _top(block, min(m, n)).cpu().numpy()
        return len(block)

    with single_threaded_pool(keys.device.type) as pool:
        for count in ordered_map(pool, search, range(0, len(queries), step)):
            tick(count)
    return out


@dataclass(frozen=True)
class Cells:
    """A partition of the rows by k-means.

    Attributes
    ----------
    order
        Rows sorted by cell; start (cells + 1,) : where each cell begins. cell (n,) : of each row.
    near
        (cells, cells) the cells by distance of their centres, nearest (itself) first. away (n,) : squared distance of
        each row to its cell's centre. centres (cells, d).
    """

    order: Int64
    start: Int64
    cell: Int64
    near: Int64
    away: Float32
    centres: Float32


def partition(rows: Float32, seed: int) -> Cells:
    """About √n cells (Sivic and Zisserman 2003; Jégou et al. 2011: inverted file), cut on at most 64 rows a cell."""
    n, d = rows.shape
    count = int(np.clip(np.sqrt(n), 8, 4096))
    kmeans = faiss.Kmeans(d, count, niter=6, seed=seed, max_points_per_centroid=64, spherical=False, verbose=False)
    away, cell = np.empty(n, np.float32), np.empty(n, np.int64)

    def assign(start: int) -> None:
        found, where = kmeans.index.search(rows[start : start + _ASSIGN], 1)
        away[start : start + len(found)], cell[start : start + len(found)] = found[:, 0], where[:, 0]

    with single_threaded_pool() as pool:
        kmeans.train(rows)
        list(pool.map(assign, range(0, n, _ASSIGN)))
    first = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(cell, minlength=count), out=first[1:])
    centres = np.asarray(kmeans.centroids, np.float32).reshape(count, d)
    norm = (centres * centres).sum(axis=1)
    apart = norm[:, None] + norm[None, :] - 2.0 * (centres @ centres.T)
    np.fill_diagonal(apart, -np.inf)
    near = np.argsort(apart, axis=1, kind="stable")
    return Cells(np.argsort(cell, kind="stable"), first, cell, near, away, centres)


@dataclass(frozen=True)
class SearchPlan:
    """How to search a partition: ``probes`` nearest cells for every row, all rows for those in ``lost`` (n,) bool.

    Attributes
    ----------
    work
        Share of all pairs that are then looked at.
    """

    probes: int
    lost: Bool
    work: float


def plan(cells: Cells, rows: Int64, truth: Int64, share: float) -> SearchPlan:
    """The cheapest plan that finds ``share`` of the true neighbours (s, k) of the sampled ``rows`` (s,).

    Rows far from every centre (outliers) have their neighbours anywhere: a few in a hundred of them would have every
    row look into most cells. So the farthest are searched everywhere, and the rest in few cells.
    """
    n = len(cells.cell)
    place = np.empty_like(cells.near)
    np.put_along_axis(place, cells.near, np.arange(cells.near.shape[1])[None, :], axis=1)
    depth = place[cells.cell[rows][:, None], cells.cell[truth]]
    sizes = np.diff(cells.start)
    within = np.cumsum(sizes[cells.near], axis=1)  # rows in the nearest 1, 2, … cells of each cell
    allowed = int((1.0 - share) * truth.size)
    best = SearchPlan(len(sizes), np.zeros(n, bool), 1.0)
    for lost_share in _LOST:
        cut = np.quantile(cells.away, 1.0 - lost_share) if lost_share else np.inf
        lost = cells.away > cut
        hidden = np.sort(depth[~lost[rows]], axis=None)[::-1]
        probes = int(hidden[allowed]) + 1 if len(hidden) > allowed else 1
        work = float(lost.mean() + (within[:, probes - 1] * sizes).sum() / n**2)
        if work < best.work:
            best = SearchPlan(probes, lost, work)
    return best


def search_cells(keys: torch.Tensor, cells: Cells, probes: int, m: int, tick: Tick) -> Int64:
    """Each cell's rows against the rows of its ``probes`` nearest cells, one matrix product a cell.

    Parameters
    ----------
    keys
        In the order of ``cells.order``. Returns (n, m) int64 rows, unordered, −1 where the probed cells hold fewer.
    """
    n, e = keys.shape
    out = np.full((n, m), -1, np.int64)
    nothing = torch.zeros((_KEYS, e), dtype=keys.dtype)
    nothing[:, -2] = _NEVER  # the column that queries multiply by one

    def search(c: int) -> int:
        lo, hi = int(cells.start[c]), int(cells.start[c + 1])
        if lo == hi:
            return 0
        spans = sorted((int(cells.start[p]), int(cells.start[p + 1])) for p in cells.near[c, :probes])
        positions = np.concatenate([np.arange(a, b) for a, b in spans])
        # few distinct shapes: the matrix kernels are compiled once for each
        block_keys = torch.cat([*(keys[a:b] for a, b in spans), nothing[: -len(positions) % _KEYS]])
        take = min(m, len(positions))
        for start in range(lo, hi, _QUERIES):
            stop = min(hi, start + _QUERIES)
            asked = torch.zeros((64 * 2 ** math.ceil(math.log2(max((stop - start) / 64, 1))), e), dtype=keys.dtype)
            asked[: stop - start] = keys[start:stop]
            asked[:, -2:] = 1
            best = _top((asked @ block_keys.T)[: stop - start], take).numpy()
            out[cells.order[start:stop], :take] = cells.order[positions[best]]
        return hi - lo

    with single_threaded_pool() as pool:
        for count in ordered_map(pool, search, range(len(cells.start) - 1)):
            tick(count)
    return out


def rerank(rows: Float32, queries: Int64, candidates: Int64, k: int, tick: Tick) -> tuple[Int32, Float32]:
    """The k nearest of each query's candidates by exact cosine distance, ties by row number, self left out.

    rows (n, d) float32 unit, C-contiguous; queries (q,); candidates (q, m), −1 = none.
    Returns indices (q, k) int32 with −1 for none and distances (q, k) float32, ascending, +inf for none.
    """
    q, m = candidates.shape
    d = rows.shape[1]
    indices = np.full((q, k), -1, np.int32)
    distances = np.full((q, k), np.inf, np.float32)
    take = min(k, m)
    step = max(1, (1 << 20) // max(1, m))

    def measure(start: int) -> int:
        mine = queries[start : start + step]
        ids = np.ascontiguousarray(candidates[start : start + step])
        product = np.empty(ids.shape, np.float32)
        source = np.ascontiguousarray(rows[mine])
        faiss.fvec_inner_products_by_idx(  # type: ignore[attr-defined]  # missing from faiss's stubs
            faiss.swig_ptr(product), faiss.swig_ptr(source), faiss.swig_ptr(rows), faiss.swig_ptr(ids), d, len(ids), m
        )
        away = np.clip(1.0 - product, 0.0, 2.0)
        away[(ids < 0) | (ids == mine[:, None])] = np.inf
        by_row = np.argsort(ids, axis=1, kind="stable")
        away = np.take_along_axis(away, by_row, axis=1)
        best = np.argsort(away, axis=1, kind="stable")[:, :take]
        chosen = np.take_along_axis(away, best, axis=1)
        found = np.take_along_axis(np.take_along_axis(ids, by_row, axis=1), best, axis=1)
        distances[start : start + step, :take] = chosen
        indices[start : start + step, :take] = np.where(np.isfinite(chosen), found, -1)
        return len(ids)

    with single_threaded_pool() as pool:
        for count in ordered_map(pool, measure, range(0, q, step)):
            tick(count)
    return indices, distances
