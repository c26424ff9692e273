"""Embeddings that were brought, kept as every encoder's are: float16 unit rows, memory-mapped."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, cast

import numpy as np

from ...data.media.store import reserve_array
from ...data.sources.precomputed import PrecomputedEmbeddings, usable
from ...types import Bool, Progress, ProgressFn
from .base import unit_rows


def write_precomputed(brought: PrecomputedEmbeddings, path: Path, progress: ProgressFn) -> Bool:
    """Write the vectors to ``path`` as a (n, dim) float16 ``.npy`` of unit rows, zeros where unusable; block by block.

    Returns (n,) bool, which rows are usable. Raises what reading the blocks raises, and DiskFull before anything is read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.parent / f".{path.name}.{secrets.token_hex(6)}.tmp"
    out = reserve_array(part, np.float16, (brought.n, brought.dim))
    ok = np.zeros(brought.n, bool)
    done = 0
    try:
        for rows, block in brought.blocks():
            ok[rows] = usable(block)
            out[rows] = unit_rows(block)
            done += len(rows)
            progress(Progress("embed", done, brought.n, "samples"))
        cast(np.memmap[Any, Any], out).flush()
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return ok
