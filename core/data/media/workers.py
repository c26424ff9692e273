"""Worker processes for decoding: chunks go out, results come back in order, memory stays bounded.

joblib's loky processes are used: they start clean (no fork of a process with threads or CUDA), need no
``if __name__ == "__main__"`` guard in the caller's script, and a dead worker is an error instead of a hang. Images in
files are read by the workers; images inside a table are read once, in order, by this process and sent to them.
"""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

from ...parallel import core_count
from ...types import Dataset
from .reader import MediaReader, find_file, read_file

R = TypeVar("R")

CHUNK_ROWS = 128
CHUNK_BYTES = 16 << 20
_SMALL = 256
"""Fewer images than this are done in this process: starting workers takes longer."""

Cell = bytes | str


def read_cells(paths: list[str]) -> list[Cell]:
    """Read the bytes of each file, or the reason why it cannot be read."""
    cells: list[Cell] = []
    for path in paths:
        try:
            cells.append(read_file(Path(path)) if path else "the path is empty")
        except OSError as error:
            cells.append(str(error))
    return cells


def _from_files(work: Callable[[list[Cell]], R], paths: list[str]) -> R:
    return work(read_cells(paths))


def decode_stream(
    dataset: Dataset,
    rows: Sequence[int],
    work: Callable[[list[Cell]], R],
    workers: int | None = None,
    polite: bool = False,
) -> Generator[tuple[list[int], R], None, None]:
    """Apply ``work`` to the images of ``rows``, a chunk at a time.

    Parameters
    ----------
    dataset
        With images.
    rows
        Of the dataset, ascending.
    work
        A picklable function of a list of cells (bytes, or the reason why there are none), run in a worker process.
    workers
        Number of processes; None = one per core, 0 = in this process.
    polite
        Let other work on the same cores go first (the encoder that the pixels are for, on a CPU).

    Yields
    ------
    (rows of the chunk, result of ``work``), in the order of ``rows``.
    """
    processes = core_count() if workers is None else workers
    chunks = _chunks(dataset, rows)
    if processes < 1 or len(rows) < _SMALL:
        for chunk, job in chunks:
            yield chunk, _run(work, job)
        return
    from joblib import Parallel, delayed

    sent: list[list[int]] = []

    def jobs() -> Iterator[object]:
        for chunk, job in chunks:
            sent.append(chunk)
            yield delayed(_run_in_worker)(work, job, os.getpid(), polite)

    pool = Parallel(n_jobs=processes, return_as="generator", pre_dispatch="3*n_jobs", batch_size=1, max_nbytes=None)
    results = pool(jobs())
    try:
        for number, result in enumerate(results):
            chunk, sent[number] = sent[number], []
            yield chunk, result
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # joblib warns of tasks that a cancelled scan no longer needs
            results.close()


_Job = tuple[str, list[Cell] | list[str]]


def _run(work: Callable[[list[Cell]], R], job: _Job) -> R:
    kind, cells = job
    return _from_files(work, [str(c) for c in cells]) if kind == "files" else work(list(cells))


def _path(root: Path, uri: str) -> str:
    if "\\x" in uri:  # an escaped file name: look for it
        return str(find_file(root, uri))
    return os.path.join(root, uri) if uri else ""


def _run_in_worker(work: Callable[[list[Cell]], R], job: _Job, parent: int, polite: bool) -> R:
    _end_with(parent)
    if polite:
        _lower_priority()
    return _run(work, job)


@cache
def _lower_priority() -> None:
    """Lower this worker's priority, once."""
    if hasattr(os, "nice"):
        os.nice(10)


@cache
def _end_with(parent: int) -> None:
    """End this worker soon after its parent process is gone: one that was killed cannot stop its workers."""
    if os.getppid() != parent:
        return  # not the direct parent

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(0)

    threading.Thread(target=watch, daemon=True, name="winnow-parent-watch").start()


def _chunks(dataset: Dataset, rows: Sequence[int]) -> Iterator[tuple[list[int], _Job]]:
    if dataset.media.kind == "files" and dataset.uris is not None:
        root, uris = Path(dataset.media.root), dataset.uris
        for start in range(0, len(rows), CHUNK_ROWS):
            chunk = [int(r) for r in rows[start : start + CHUNK_ROWS]]
            yield chunk, ("files", [_path(root, uris[r]) for r in chunk])
        return
    chunk, cells, size = [], [], 0
    for row, cell in MediaReader(dataset).iter(rows):
        chunk.append(row)
        cells.append(str(cell) if isinstance(cell, Exception) else cell)
        size += len(cells[-1])
        if len(chunk) >= CHUNK_ROWS or size >= CHUNK_BYTES:
            yield chunk, ("cells", cells)
            chunk, cells, size = [], [], 0
    if chunk:
        yield chunk, ("cells", cells)
