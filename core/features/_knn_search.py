"""Nearest-neighbour search behind :mod:`.neighbors`: candidates by matrix products, then exact distances.

:func:`search` lists the neighbours of all rows and :class:`Queries` those of some. The distances of candidates are
computed again, pair by pair in float32 (:func:`rerank`), so that the distance of a pair depends neither on its block
nor on the order of the rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import faiss
import numpy as np
import torch

from ..parallel import ordered_map, single_threaded_pool
from ..types import Bool, Float32, Int32, Int64, Neighbors
from .kmeans import fit_kmeans

_SLACK = 24
"""Candidates beyond k that are measured exactly: covers bfloat16's rounding and ties at the k-th place."""

_CELLS_FROM = 16_000
"""Rows from which partitioning pays. Below, all pairs are compared."""
_SAMPLE = 512
"""Rows that a plan is made on, and as many others that its recall is measured on."""
_LEAST_RECALL = 0.99
"""Measured on rows that the plan was not made on."""
_AIMS = (0.9975, 0.9995)
"""Share of true neighbours that the probed cells must hold (on the sample); the second if the first is not enough."""
_MOST_WORK = 0.5
"""Comparing more than this share of all pairs cell by cell is slower than comparing all pairs."""
_GROUP = 16
_BLOCK_BYTES = 1 << 26
"""Size of a block of similarities: small enough to stay near the cache, large enough for the matrix product."""

_QUERIES, _KEYS = 512, 1024
"""Most queries of a block in a partitioned search, and what its keys are padded to multiples of."""
_CONVERT = 65_536
"""Rows converted at a time."""
_ASSIGN = 4096
"""Rows that one core gives to their cells at a time."""
_OUTLYING = (0.0, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2)
"""Shares of the rows farthest from their centre that are tried as "search these everywhere"."""
_NEVER = -1e4
"""Similarity of padding rows: below that of every real row."""

Tick = Callable[[int], None]
"""Called with the number of rows that have been searched since the last call."""


def fast_dtype(device: str) -> torch.dtype:
    """bfloat16 where the processor multiplies it natively (AVX-512 BF16 or AMX), else float32."""
    if device != "cpu":
        return torch.float32
    flags = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # private, hence looked up with a default
    native = any(bool(getattr(torch.cpu, f, lambda: False)()) for f in flags)
    return torch.bfloat16 if native else torch.float32


def as_keys(rows: Float32, dtype: torch.dtype, device: str, order: Int64 | None = None) -> torch.Tensor:
    """(n, d + 2) keys whose inner product with :func:`as_queries` orders them by Euclidean distance.

    Parameters
    ----------
    rows
        (n, d) float32.
    dtype
        Number format of the keys.
    device
        "cpu" or a CUDA device.
    order
        (n,) int64, rows in the order in which keys are written; None = as they are.

    Notes
    -----
    −‖x−y‖²/2 = ⟨x−μ, y−μ⟩ − ‖y−μ‖²/2 + (a term of x alone). Taking out the mean keeps the products small, so that
    bfloat16 still separates neighbours in a narrow cone. The ‖y−μ‖² term is stored in two more columns, its rounding
    error in the second.
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
    """The same rows as queries: a copy whose last two columns are one."""
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


def search_all(queries: torch.Tensor, keys: torch.Tensor, m: int, tick: Tick = lambda _: None) -> Int64:
    """Compare every query (q, e) with every key (n, e): (q, min(m, n)) int64 rows of ``keys``, unordered."""
    n = len(keys)
    if keys.device.type == "cpu":
        step = int(max(64, min(2048, _BLOCK_BYTES // (n * keys.element_size()))))
    else:
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
        (n,) int64 rows sorted by cell.
    start
        (cells + 1,) int64, where each cell begins in ``order``.
    cell
        (n,) int64, the cell of each row.
    near
        (cells, cells) int64, for each cell all cells by the distance of their centres, itself first.
    away
        (n,) float32 squared distance of each row to the centre of its cell.
    centres
        (cells, d) float32.
    """

    order: Int64
    start: Int64
    cell: Int64
    near: Int64
    away: Float32
    centres: Float32


def partition(rows: Float32, seed: int) -> Cells:
    """Cut the rows (n, d) into about √n cells by k-means on at most 64 rows a cell (an inverted file).

    References
    ----------
    Sivic and Zisserman (2003); Jégou, Douze and Schmid (2011).
    """
    n = len(rows)
    count = int(np.clip(np.sqrt(n), 8, 4096))
    away, cell = np.empty(n, np.float32), np.empty(n, np.int64)
    with single_threaded_pool() as pool:
        centres, index = fit_kmeans(rows, count, seed, iterations=6, rows_per_centre=64)

        def assign(start: int) -> None:
            part = slice(start, start + _ASSIGN)
            away[part], cell[part] = (a[:, 0] for a in index.search(rows[part], 1))

        list(pool.map(assign, range(0, n, _ASSIGN)))
    first = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(cell, minlength=count), out=first[1:])
    norm = (centres * centres).sum(axis=1)
    apart = norm[:, None] + norm[None, :] - 2.0 * (centres @ centres.T)
    np.fill_diagonal(apart, -np.inf)
    near = np.argsort(apart, axis=1, kind="stable")
    return Cells(np.argsort(cell, kind="stable"), first, cell, near, away, centres)


@dataclass(frozen=True)
class SearchPlan:
    """How to search a partition.

    Attributes
    ----------
    probes
        Nearest cells that a row is compared with.
    outlying
        (n,) bool, rows that are compared with all rows instead.
    work
        Share of all pairs that are compared, in [0, 1].
    """

    probes: int
    outlying: Bool
    work: float


def plan(cells: Cells, rows: Int64, truth: Int64, share: float) -> SearchPlan:
    """Find the cheapest plan that finds ``share`` of the true neighbours (s, k) of the sampled ``rows`` (s,).

    The neighbours of rows far from every centre (outliers) may lie in any cell: for a few such rows in a hundred, all
    rows would have to be compared with most cells. So the farthest rows are compared with all rows, and the others
    with few cells.
    """
    n = len(cells.cell)
    rank = np.empty_like(cells.near)
    np.put_along_axis(rank, cells.near, np.arange(cells.near.shape[1])[None, :], axis=1)
    depth = rank[cells.cell[rows][:, None], cells.cell[truth]]
    sizes = np.diff(cells.start)
    within = np.cumsum(sizes[cells.near], axis=1)  # rows in the nearest 1, 2, … cells of each cell
    allowed = int((1.0 - share) * truth.size)
    best = SearchPlan(len(sizes), np.zeros(n, bool), 1.0)
    for outlying_share in _OUTLYING:
        cut = np.quantile(cells.away, 1.0 - outlying_share) if outlying_share else np.inf
        outlying = cells.away > cut
        deepest = np.sort(depth[~outlying[rows]], axis=None)[::-1]
        probes = int(deepest[allowed]) + 1 if len(deepest) > allowed else 1
        work = float(outlying.mean() + (within[:, probes - 1] * sizes).sum() / n**2)
        if work < best.work:
            best = SearchPlan(probes, outlying, work)
    return best


def search_cells(keys: torch.Tensor, cells: Cells, probes: int, m: int, tick: Tick) -> Int64:
    """Compare the rows of each cell with those of its ``probes`` nearest cells, one matrix product a cell.

    Parameters
    ----------
    keys
        (n, e), in the order of ``cells.order``.
    cells
        The partition.
    probes
        Cells that a row is compared with.
    m
        Candidates a row.
    tick
        Called with the number of rows done.

    Returns
    -------
    (n, m) int64 rows, unordered, −1 where the probed cells hold fewer.
    """
    n, e = keys.shape
    out = np.full((n, m), -1, np.int64)
    padding = torch.zeros((_KEYS, e), dtype=keys.dtype)
    padding[:, -2] = _NEVER  # the column that queries multiply by one

    def search(c: int) -> int:
        lo, hi = int(cells.start[c]), int(cells.start[c + 1])
        if lo == hi:
            return 0
        spans = sorted((int(cells.start[p]), int(cells.start[p + 1])) for p in cells.near[c, :probes])
        positions = np.concatenate([np.arange(a, b) for a, b in spans])
        # few distinct shapes: the matrix kernels are compiled once for each
        block_keys = torch.cat([*(keys[a:b] for a, b in spans), padding[: -len(positions) % _KEYS]])
        take = min(m, len(positions))
        for start in range(lo, hi, _QUERIES):
            stop = min(hi, start + _QUERIES)
            queries = torch.zeros((64 * 2 ** math.ceil(math.log2(max((stop - start) / 64, 1))), e), dtype=keys.dtype)
            queries[: stop - start] = keys[start:stop]
            queries[:, -2:] = 1
            best = _top((queries @ block_keys.T)[: stop - start], take).numpy()
            out[cells.order[start:stop], :take] = cells.order[positions[best]]
        return hi - lo

    with single_threaded_pool() as pool:
        for count in ordered_map(pool, search, range(len(cells.start) - 1)):
            tick(count)
    return out


def rerank(rows: Float32, queries: Int64, candidates: Int64, k: int) -> tuple[Int32, Float32]:
    """Keep the k nearest of each query's candidates by exact cosine distance, ties by row number, without itself.

    Parameters
    ----------
    rows
        (n, d) float32 unit rows, C-contiguous.
    queries
        (q,) int64 rows.
    candidates
        (q, m) int64 rows, −1 = none.
    k
        Neighbours a query.

    Returns
    -------
    tuple
        Indices (q, k) int32, −1 = none, and distances (q, k) float32 in [0, 2], ascending, +inf for none.
    """
    q, m = candidates.shape
    d = rows.shape[1]
    indices = np.full((q, k), -1, np.int32)
    distances = np.full((q, k), np.inf, np.float32)
    take = min(k, m)
    step = max(1, (1 << 20) // max(1, m))

    def measure(start: int) -> None:
        block = queries[start : start + step]
        ids = np.ascontiguousarray(candidates[start : start + step])
        product = np.empty(ids.shape, np.float32)
        source = np.ascontiguousarray(rows[block])
        faiss.fvec_inner_products_by_idx(  # type: ignore[attr-defined]  # missing from faiss's stubs
            faiss.swig_ptr(product), faiss.swig_ptr(source), faiss.swig_ptr(rows), faiss.swig_ptr(ids), d, len(ids), m
        )
        away = np.clip(1.0 - product, 0.0, 2.0)
        away[(ids < 0) | (ids == block[:, None])] = np.inf
        by_row = np.argsort(ids, axis=1, kind="stable")
        away = np.take_along_axis(away, by_row, axis=1)
        best = np.argsort(away, axis=1, kind="stable")[:, :take]
        nearest = np.take_along_axis(away, best, axis=1)
        neighbors = np.take_along_axis(np.take_along_axis(ids, by_row, axis=1), best, axis=1)
        distances[start : start + step, :take] = nearest
        indices[start : start + step, :take] = np.where(np.isfinite(nearest), neighbors, -1)

    with single_threaded_pool() as pool:
        list(ordered_map(pool, measure, range(0, q, step)))
    return indices, distances


def search(
    rows: Float32, k: int, device: str, seed: int, report: Callable[[int], None]
) -> tuple[Neighbors, Float32 | None]:
    """List the k nearest other rows of every row; see :func:`winnow.core.features.neighbors.build`.

    Parameters
    ----------
    rows
        (n, d) float32 unit rows, C-contiguous, n >= 2.
    k
        Neighbours wanted, >= 1.
    device
        "cpu" or a CUDA device.
    seed
        Draws sampled rows and starts k-means.
    report
        Called with the number of rows done so far; another attempt begins at 0 again.

    Returns
    -------
    tuple
        The graph, and the centres (cells, d) float32 of the partition, None where all pairs were compared.
    """
    n = len(rows)
    every = np.arange(n, dtype=np.int64)
    m = min(n, k + 1 + _SLACK)
    done = 0

    def tick(count: int) -> None:
        nonlocal done
        done += count
        report(min(done, n))

    dtype = fast_dtype(device)
    sample, truth = every[:0], every[:0]
    if dtype != torch.float32 or (device == "cpu" and n >= _CELLS_FROM):
        sample = np.sort(np.random.default_rng(seed).choice(n, min(n, 2 * _SAMPLE), replace=False)).astype(np.int64)
        full = search_all(torch.from_numpy(rows[sample]), torch.from_numpy(rows), m)
        truth = rerank(rows, sample, full, min(k, n - 1))[0].astype(np.int64)
    if device == "cpu" and n >= _CELLS_FROM:
        cells = partition(rows, seed)
        for aim in _AIMS:
            search_plan = plan(cells, sample[::2], truth[::2], aim)
            if search_plan.work > _MOST_WORK:
                break
            done = 0
            indices, distances = rerank(rows, every, _candidates_in_cells(rows, cells, search_plan, dtype, m, tick), k)
            recall = _recall(indices[sample[1::2]], truth[1::2])
            if recall >= _LEAST_RECALL:
                percent = 100 * search_plan.outlying.mean()
                method = f"cells {search_plan.probes}/{len(cells.centres)}, {percent:.1f}% of the rows everywhere"
                return Neighbors(indices, distances, recall=recall, method=method), cells.centres
    for kind in dict.fromkeys((dtype, torch.float32)):
        done = 0
        indices, distances = rerank(rows, every, _candidates_anywhere(rows, kind, device, m, tick), k)
        recall = _recall(indices[sample[1::2]], truth[1::2]) if kind != torch.float32 else 1.0
        if recall >= _LEAST_RECALL:
            break
    return Neighbors(indices, distances, recall=recall, method="exact"), None


def _candidates_anywhere(rows: Float32, dtype: torch.dtype, device: str, m: int, tick: Tick) -> Int64:
    keys = as_keys(rows, dtype, device)
    return search_all(as_queries(keys), keys, m, tick)


def _candidates_in_cells(
    rows: Float32, cells: Cells, search_plan: SearchPlan, dtype: torch.dtype, m: int, tick: Tick
) -> Int64:
    keys = as_keys(rows, dtype, "cpu", cells.order)
    candidates = search_cells(keys, cells, search_plan.probes, m, tick)
    outlying = np.flatnonzero(search_plan.outlying[cells.order])  # positions in the order of the cells
    nearest = search_all(as_queries(keys[torch.from_numpy(outlying)]), keys, m)
    candidates[cells.order[outlying]] = cells.order[nearest]
    return candidates


def _recall(indices: Int32, truth: Int64) -> float:
    """Share of the true neighbours (s, t) that were found (s, k >= t)."""
    if truth.size == 0:
        return 1.0
    return float((truth[:, :, None] == indices[:, None, :]).any(axis=2).mean())


class Queries:
    """Searches the neighbours of some rows among all rows, or among some.

    Parameters
    ----------
    rows
        (n, d) float32 unit rows, C-contiguous.
    device
        "cpu" or a CUDA device.
    """

    def __init__(self, rows: Float32, device: str) -> None:
        self._rows, self._keys = rows, as_keys(rows, fast_dtype(device), device)

    def nearest(self, queries: Int64, k: int, among: Int64 | None = None) -> tuple[Int32, Float32]:
        """List the k nearest rows of each query (q,), as :func:`rerank`; ``among`` (m,) int64 = the rows to search."""
        keys = self._keys if among is None else self._keys[torch.from_numpy(among)]
        m = k + _SLACK + (among is None)  # all rows include the query itself
        nearest = search_all(as_queries(self._keys[torch.from_numpy(queries)]), keys, m)
        return rerank(self._rows, queries, nearest if among is None else among[nearest], k)
