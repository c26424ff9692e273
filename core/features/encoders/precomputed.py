"""Precomputed embeddings, stored as every encoder's are: float16 unit rows, memory-mapped."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, cast

import numpy as np

from ...data.media.store import reserve_array
from ...data.sources.precomputed import PrecomputedEmbeddings, usable
from ...types import Bool, Progress, ProgressFn
from .base import unit_rows

PRECOMPUTED = "brought"
"""Encoder name of precomputed embeddings and source of precomputed beliefs, as workspaces store it."""


def write_precomputed(embeddings: PrecomputedEmbeddings, path: Path, progress: ProgressFn) -> Bool:
    """Write the vectors as a (n, dim) float16 ``.npy`` of unit rows, zeros where unusable; block by block.

    Parameters
    ----------
    embeddings
        The vectors.
    path
        The file.
    progress
        Called as the stage "embed" after each block; may raise ``Cancelled``.

    Returns
    -------
    (n,) bool, which rows are usable.

    Raises
    ------
    DiskFull
        There is no room for the file; raised before anything is read.
    SourceError
        A block cannot be read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.parent / f".{path.name}.{secrets.token_hex(6)}.tmp"
    out = reserve_array(part, np.float16, (embeddings.n, embeddings.dim))
    ok = np.zeros(embeddings.n, bool)
    done = 0
    try:
        for rows, block in embeddings.blocks():
            ok[rows] = usable(block)
            out[rows] = unit_rows(block)
            done += len(rows)
            progress(Progress("embed", done, embeddings.n, "samples"))
        cast(np.memmap[Any, Any], out).flush()
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return ok
