"""The search index of a workspace: inner products with every raw unit row, kept in float16 by FAISS.

Rows lie in the cells that the neighbour search cut (Jégou et al. 2011, inverted file), where it cut any; a query then
looks into the nearest few. Ids are row numbers.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import WorkspaceError
from ..storage.atomic import raise_os_error
from ..types import Bool, Float32, Int64

_BLOCK = 65_536


def write_index(path: Path, vectors: NDArray[Any], ok: Bool, centres: Float32 | None) -> None:
    """Write the index of the rows that are ok. vectors (n, d), read by blocks; centres (cells, d) or None for a flat one.

    Raises DiskFull and the like; a file that is there is replaced only by a whole one.
    """
    import faiss

    d = vectors.shape[1]
    half = faiss.ScalarQuantizer.QT_fp16
    if centres is None:
        bare: Any = faiss.IndexScalarQuantizer(d, half, faiss.METRIC_INNER_PRODUCT)
    else:
        coarse = faiss.IndexFlatL2(d)
        coarse.add(np.ascontiguousarray(centres, np.float32))
        bare = faiss.IndexIVFScalarQuantizer(coarse, d, len(centres), half, faiss.METRIC_INNER_PRODUCT, False)
    index = faiss.IndexIDMap(bare) if centres is None else bare
    index.train(np.zeros((1, d), np.float32) if centres is None else np.ascontiguousarray(centres, np.float32))
    good = np.flatnonzero(ok).astype(np.int64)
    for start in range(0, len(good), _BLOCK):
        rows = good[start : start + _BLOCK]
        index.add_with_ids(np.asarray(vectors[rows], np.float32), rows)
    part = path.parent / f".{path.name}.{secrets.token_hex(6)}.tmp"
    try:
        faiss.write_index(index, str(part))
        part.replace(path)
    except OSError as error:
        raise_os_error(error, path, "the search index")
    except RuntimeError as error:  # FAISS's own, with the operating system's words in it
        raise WorkspaceError(f"The search index {str(path)!r} could not be written ({error}).") from error
    finally:
        part.unlink(missing_ok=True)


class SearchIndex:
    """An index on disk, memory-mapped. ``cells`` is how many cells it has, 0 = it is searched whole."""

    def __init__(self, path: Path) -> None:
        import faiss

        try:
            self._index: Any = faiss.read_index(str(path), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
        except RuntimeError as error:
            raise WorkspaceError(f"{str(path)!r} cannot be read ({error}). Run the scan again.") from error
        self.cells = int(getattr(self._index, "nlist", 0))
        self.n = int(self._index.ntotal)

    def centres(self) -> Float32 | None:
        """(cells, d) float32 of the partition, None where there is none."""
        if not self.cells:
            return None
        return np.asarray(self._index.quantizer.reconstruct_n(0, self.cells), np.float32)

    def search(self, queries: Float32, k: int, probes: int = 0, only: Int64 | None = None) -> tuple[Int64, Float32]:
        """The k best rows of each query (q, d) and their cosines (q, k), descending; −1 and −inf where there are fewer.

        Parameters
        ----------
        probes
            Cells to look into; 0 = all (exact up to the float16 of the rows).
        only
            Rows that may be found.
        """
        import faiss

        query = np.ascontiguousarray(queries, np.float32)
        wanted: dict[str, Any] = {}
        if only is not None:
            among = np.zeros(int(only.max(initial=0)) + 1, bool)
            among[only] = True
            bits = np.packbits(among, bitorder="little")
            wanted["sel"] = faiss.IDSelectorBitmap(bits)  # type: ignore[call-arg, arg-type]
        if self.cells:
            wanted["nprobe"] = min(probes or self.cells, self.cells)
            cosines, rows = self._index.search(query, k, params=faiss.SearchParametersIVF(**wanted))
        elif wanted:
            cosines, rows = self._index.search(query, k, params=faiss.SearchParameters(**wanted))
        else:
            cosines, rows = self._index.search(query, k)
        return rows.astype(np.int64), np.where(rows >= 0, cosines, -np.inf).astype(np.float32)


def probes_for(index: SearchIndex, vectors: NDArray[Any], ok: Bool, seed: int, k: int = 15) -> tuple[int, float]:
    """How many cells hold .99 of the k nearest of 128 sampled rows, and the recall measured on 128 others."""
    good = np.flatnonzero(ok)
    if not index.cells or len(good) < 2:
        return 0, 1.0
    rows = np.random.default_rng(seed).choice(good, min(256, len(good)), replace=False)
    queries = np.asarray(vectors[rows], np.float32)
    truth = index.search(queries, k)[0]
    probes = 1
    while True:
        found = index.search(queries, k, probes)[0]
        hit = (truth[:, :, None] == found[:, None, :]).any(axis=2)
        if hit[::2].mean() >= 0.99 or probes >= index.cells:
            return probes, float(hit[1::2].mean())
        probes = min(2 * probes, index.cells)
