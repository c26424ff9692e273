"""Made-up embeddings of any size, a block at a time, for measuring time and memory (never quality).

The distribution, named "subspace": classes are unit centres in general position; around its centre a class spreads
in 32 directions of its own with variances falling as 1/i (real encoders: an intrinsic dimension of some tens inside a
few hundred) plus white noise that holds a tenth of the variance; rows are then scaled to unit length. 5% of the labels
are wrong (uniformly), 1% of the rows belong to no class, 1% are near copies of the row before. A block depends on the
seed and its number alone, so that any part of a million rows can be made without the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

BLOCK = 10_000
NAME = (
    "subspace: 32 directions a class, variance 1/i, a tenth white noise; 5% wrong labels, 1% outliers, 1% near copies"
)

_DIRECTIONS = 32
_SPREAD = 1.2
"""Length of the spread around a centre, in units of the centre's own length."""


def blocks(n: int, dim: int, classes: int, seed: int = 0) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Yield (rows (b, dim) float32 of unit length, given labels (b,)) until n rows have been given."""
    fixed = np.random.default_rng(seed)
    centres = _unit(fixed.standard_normal((classes, dim), np.float32))
    axes = fixed.standard_normal((classes, _DIRECTIONS, dim), np.float32) / np.sqrt(np.float32(dim))
    scale = np.sqrt(1.0 / np.arange(1, _DIRECTIONS + 1)).astype(np.float32)
    scale *= _SPREAD / np.linalg.norm(scale)
    for number, start in enumerate(range(0, n, BLOCK)):
        rng = np.random.default_rng((seed, number))
        m = min(BLOCK, n - start)
        true = rng.integers(0, classes, m)
        x = rng.standard_normal((m, dim), np.float32) * np.float32(_SPREAD * np.sqrt(0.1 / dim))
        latent = rng.standard_normal((m, _DIRECTIONS), np.float32) * scale
        for c in range(classes):
            rows = np.flatnonzero(true == c)
            x[rows] += centres[c] + latent[rows] @ axes[c]
        out = rng.random(m) < 0.01
        x[out] = rng.standard_normal((int(out.sum()), dim), np.float32)
        x = _unit(x)
        copy = np.flatnonzero(rng.random(m) < 0.01)
        copy = copy[copy > 0]
        x[copy] = _unit(
            x[copy - 1] + rng.standard_normal((len(copy), dim), np.float32) * np.float32(0.05 / np.sqrt(dim))
        )
        given = np.where(rng.random(m) < 0.05, rng.integers(0, classes, m), true)
        yield x, given


def rows(n: int, dim: int, classes: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """All rows at once, for sizes that fit."""
    parts = list(blocks(n, dim, classes, seed))
    return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])


def write(folder: Path, n: int, dim: int, classes: int, seed: int = 0) -> tuple[Path, Path]:
    """Write samples.parquet (id, label) and embeddings.npy (float16, in row order); returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    table, array = folder / "samples.parquet", folder / "embeddings.npy"
    schema = pa.schema([("id", pa.string()), ("label", pa.string())])
    out = np.lib.format.open_memmap(array, mode="w+", dtype=np.float16, shape=(n, dim))
    at = 0
    with pq.ParquetWriter(table, schema) as writer:
        for x, given in blocks(n, dim, classes, seed):
            out[at : at + len(x)] = x
            ids = [f"s{i:07d}" for i in range(at, at + len(x))]
            writer.write_table(pa.table({"id": ids, "label": [f"class {c:03d}" for c in given]}, schema=schema))
            at += len(x)
    out.flush()
    return table, array


def _unit(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12), np.float32)
