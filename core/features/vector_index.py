"""The search index of a workspace: inner products with every raw unit row, kept in float16 by FAISS.

Where the neighbour search made a partition, rows lie in its cells (an inverted file, Jégou et al. 2011), and a query is
compared with the nearest few cells. Ids are row numbers.
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
    """Write the index of the rows that are ok; an existing file is replaced only by a complete one.

    Parameters
    ----------
    path
        The file.
    vectors
        (n, d) unit rows, read by blocks.
    ok
        (n,) bool.
    centres
        (cells, d) float32 of the partition; None = an index without cells.

    Raises
    ------
    DiskFull
        There is no room for the file.
    WorkspaceError
        The file cannot be written.
    """
    import faiss

    d = vectors.shape[1]
    half = faiss.ScalarQuantizer.QT_fp16
    if centres is None:
        index: Any = faiss.IndexIDMap(faiss.IndexScalarQuantizer(d, half, faiss.METRIC_INNER_PRODUCT))
        index.train(np.zeros((1, d), np.float32))
    else:
        coarse = faiss.IndexFlatL2(d)
        coarse.add(np.ascontiguousarray(centres, np.float32))
        index = faiss.IndexIVFScalarQuantizer(coarse, d, len(centres), half, faiss.METRIC_INNER_PRODUCT, False)
        index.train(np.ascontiguousarray(centres, np.float32))
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
    """An index on disk, memory-mapped.

    Attributes
    ----------
    cells
        How many cells it has, 0 = none: all rows are compared.
    n
        How many rows it has.
    """

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
        """Find the k best rows of each query.

        Parameters
        ----------
        queries
            (q, d) unit rows.
        k
            Rows wanted, >= 1.
        probes
            Cells that a query is compared with; 0 = all (exact up to the float16 of the rows).
        only
            (m,) int64, the rows that may be found; None = all.

        Returns
        -------
        tuple
            Rows (q, k) int64 and their cosines (q, k) float32, descending; −1 and −inf where there are fewer.
        """
        import faiss

        query = np.ascontiguousarray(queries, np.float32)
        options: dict[str, Any] = {}
        if only is not None:
            allowed = np.zeros(int(only.max(initial=0)) + 1, bool)
            allowed[only] = True
            bits = np.packbits(allowed, bitorder="little")
            options["sel"] = faiss.IDSelectorBitmap(bits)  # type: ignore[call-arg, arg-type]
        if self.cells:
            options["nprobe"] = min(probes or self.cells, self.cells)
        kind = faiss.SearchParametersIVF if self.cells else faiss.SearchParameters
        cosines, rows = self._index.search(query, k, params=kind(**options) if options else None)
        return rows.astype(np.int64), np.where(rows >= 0, cosines, -np.inf).astype(np.float32)


def probes_for(index: SearchIndex, vectors: NDArray[Any], ok: Bool, seed: int, k: int = 15) -> tuple[int, float]:
    """Count the cells that hold .99 of the k nearest of 128 sampled rows; measure the recall on 128 others."""
    good = np.flatnonzero(ok)
    if not index.cells or len(good) < 2:
        return 0, 1.0
    rows = np.random.default_rng(seed).choice(good, min(256, len(good)), replace=False)
    queries = np.asarray(vectors[rows], np.float32)
    truth = index.search(queries, k)[0]
    probes = 1
    while True:
        neighbors = index.search(queries, k, probes)[0]
        hit = (truth[:, :, None] == neighbors[:, None, :]).any(axis=2)
        if hit[::2].mean() >= 0.99 or probes >= index.cells:
            return probes, float(hit[1::2].mean())
        probes = min(2 * probes, index.cells)
