"""The media pass: every image is decoded once, in worker processes, and everything that needs pixels is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import SourceError
from ..types import Dataset, MediaFeatures, Progress, ProgressFn, quiet
from .measure import Measured, measure
from .store import MediaWriter, load_media_features
from .workers import decode_stream

_STAGE = "media"


def scan_media(
    dataset: Dataset, out_dir: Path | str, progress: ProgressFn = quiet, workers: int | None = None
) -> MediaFeatures:
    """Decode and measure every image of a dataset (see :class:`MediaFeatures` and ``measure.PROPERTIES``).

    Parameters
    ----------
    dataset : with images (``dataset.media.kind`` not "none").
    out_dir : receives one .npy per array, ``thumbs.bin`` with ``thumbs_index.npy``, and ``media.json`` last. What was
        there is replaced only when the new pass is complete.
    workers : number of processes; None = one per core, 0 = in this process.

    Returns
    -------
    The features, memory-mapped. An image that cannot be read or decoded has its reason in ``error``, hashes 0 (but for
    ``file_hash`` where bytes were read) and NaN properties.

    Raises
    ------
    SourceError : the dataset has no images. DiskFull : before anything was computed. Cancelled : by ``progress``.
    """
    if dataset.media.kind == "none":
        raise SourceError("This dataset has no images to measure.")
    writer = MediaWriter(Path(out_dir), dataset.n)
    try:
        progress(Progress(_STAGE, 0, dataset.n, "images"))
        done = 0
        for rows, results in _measured(dataset, workers):
            for row, found in zip(rows, results, strict=True):
                _keep(writer, row, found)
            done += len(rows)
            progress(Progress(_STAGE, done, dataset.n, "images"))
        writer.finish({})
    except BaseException:
        writer.abandon()
        raise
    return load_media_features(out_dir)


def measure_chunk(cells: list[bytes | str]) -> list[Measured]:
    """Measure a chunk; a str is the reason why the bytes could not be read. Runs in a worker process."""
    return [Measured(error=cell) if isinstance(cell, str) else measure(cell) for cell in cells]


def _measured(dataset: Dataset, workers: int | None) -> Iterator[tuple[list[int], list[Measured]]]:
    stream: Iterator[tuple[list[int], Any]] = decode_stream(dataset, range(dataset.n), measure_chunk, workers)
    yield from stream


def _keep(writer: MediaWriter, row: int, found: Measured) -> None:
    arrays = writer.arrays
    arrays["file_hash"][row] = found.file_hash
    if found.error:
        writer.errors[row] = found.error
        return
    arrays["pixel_hash"][row] = found.pixel_hash
    arrays["perceptual_hash"][row] = found.perceptual_hash
    arrays["width"][row], arrays["height"][row] = found.width, found.height
    arrays["tiny"][row] = np.frombuffer(found.tiny, np.uint8)
    arrays["properties"][row] = found.properties
    writer.add_thumb(row, found.thumb)
