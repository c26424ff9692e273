"""Embeddings alone, as a NumPy array; embeddings in Parquet are read by the Parquet source."""

from __future__ import annotations

from pathlib import Path
from tokenize import TokenError

import numpy as np
import pyarrow as pa

from ... import fingerprint as fp
from ...errors import SourceError
from ...types import Progress, ProgressFn
from .base import SOURCES, RawTable


class NumpySource:
    """A ``.npy`` array (n, d): only a map can be shown. Ids are content hashes of the rows."""

    name = "embeddings"
    title = "embeddings (.npy, or Parquet with an embedding column)"
    rank = 1

    def accepts(self, path: Path) -> bool:
        """Whether this source reads ``path``."""
        return path.is_file() and path.suffix.lower() == ".npy"

    def read(self, path: Path, limit: int | None, progress: ProgressFn) -> RawTable:
        """Read the rows, or the first ``limit`` of them."""
        progress(Progress("source", message=f"reading {path.name}"))
        array = load_npy(path)
        rows = array.shape[0] if limit is None else min(limit, array.shape[0])
        if not rows:
            raise SourceError(f"{path.name} holds no rows.")
        table = pa.table({"vector_hash": pa.array([fp.of_array(np.asarray(row)) for row in array[:rows]], pa.string())})
        note = f"vector of {array.shape[1]:,} numbers"
        return RawTable(
            source=self.name,
            path=path,
            n=table.num_rows,
            table=table,
            order=("vector_hash", "vector"),
            types={"vector_hash": pa.string(), "vector": pa.list_(pa.float32())},
            root=path.parent,
            total=int(array.shape[0]),
            vector_columns=("vector",),
            head={"vector": [note] * rows},
        )


def load_npy(path: Path) -> np.ndarray[tuple[int, int], np.dtype[np.generic]]:
    """Open a memory-mapped (n, d) array of numbers. Raises SourceError where the file holds something else."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (
        OSError,
        ValueError,
        EOFError,
        SyntaxError,
        TypeError,
        KeyError,
        OverflowError,
        MemoryError,
        TokenError,
    ) as error:
        # a damaged header is parsed as a Python literal, and fails as one
        raise SourceError(f"{path.name} cannot be read as a NumPy array ({error}). Save it with numpy.save.") from error
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "fiu" or not array.shape[1]:
        shape, kind = getattr(array, "shape", "?"), getattr(array, "dtype", "?")
        raise SourceError(
            f"{path.name} holds an array of shape {shape} and type {kind}; a table of numbers is needed, one row per "
            "sample and one column per dimension."
        )
    return array


SOURCES.register(NumpySource.name)(NumpySource())
