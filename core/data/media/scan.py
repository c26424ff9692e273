"""The media pass: every image is decoded once, in worker processes, and all that needs pixels is measured.

A later pass into the same folder can skip images that were measured before.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from ...errors import SourceError
from ...types import Dataset, MediaFeatures, Progress, ProgressFn, quiet
from .measure import Measured
from .reuse import EarlierPass, KnownImage, load_earlier_pass, measure_chunk
from .store import MediaWriter, load_media_features
from .workers import decode_stream

_STAGE = "media"


def scan_media(
    dataset: Dataset, out_dir: Path | str, progress: ProgressFn = quiet, workers: int | None = None, reuse: bool = False
) -> MediaFeatures:
    """Decode and measure every image of a dataset (see :class:`MediaFeatures` and ``measure.PROPERTIES``).

    Parameters
    ----------
    dataset
        With images (``dataset.media.kind`` not "none").
    out_dir
        Receives one .npy per array, ``thumbs.bin`` with ``thumbs_index.npy``, and ``media.json`` last. Older files are
        replaced only when the new pass is complete.
    progress
        Called after every chunk.
    workers
        Number of processes; None = one per core, 0 = in this process.
    reuse
        Copy the measurements of images with the same bytes from ``out_dir`` (known to be whole), so that only new and
        changed images are decoded. Their number is ``kept`` in ``media.json``.

    Returns
    -------
    MediaFeatures
        Memory-mapped. An image that cannot be read or decoded has its reason in ``error``, hashes 0 (but for
        ``file_hash`` where bytes were read) and NaN properties.

    Raises
    ------
    SourceError
        The dataset has no images.
    DiskFull
        Before anything was computed.
    Cancelled
        By ``progress``.
    """
    if dataset.media.kind == "none":
        raise SourceError("This dataset has no images to measure.")
    earlier = load_earlier_pass(Path(out_dir)) if reuse else None
    writer = MediaWriter(Path(out_dir), dataset.n)
    try:
        progress(Progress(_STAGE, 0, dataset.n, "images"))
        work = partial(measure_chunk, known=earlier.stamp if earlier else None)
        done = kept = 0
        for rows, results in decode_stream(dataset, range(dataset.n), work, workers):
            for row, result in zip(rows, results, strict=True):
                kept += _write(writer, row, result, earlier)
            done += len(rows)
            progress(Progress(_STAGE, done, dataset.n, "images"))
        earlier = None  # its files are replaced now
        writer.finish({"kept": kept})
    except BaseException:
        writer.abandon()
        raise
    return load_media_features(out_dir)


def _write(writer: MediaWriter, row: int, result: Measured | KnownImage, earlier: EarlierPass | None) -> bool:
    """Write the measurements of a row. Returns whether they were copied from the earlier pass."""
    if isinstance(result, KnownImage):
        assert earlier is not None
        earlier.copy(result.file_hash, writer, row)
        return True
    arrays = writer.arrays
    arrays["file_hash"][row] = result.file_hash
    if result.error:
        writer.errors[row] = result.error
        return False
    arrays["pixel_hash"][row] = result.pixel_hash
    arrays["perceptual_hash"][row] = result.perceptual_hash
    arrays["width"][row], arrays["height"][row] = result.width, result.height
    arrays["tiny"][row] = np.frombuffer(result.tiny, np.uint8)
    arrays["properties"][row] = result.properties
    writer.add_thumb(row, result.thumb)
    return False
