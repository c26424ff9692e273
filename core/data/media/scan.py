"""The media pass: every image is decoded once, in worker processes, and everything that needs pixels is kept. A later
pass into the same folder can leave out what was there before.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from ...errors import SourceError
from ...types import Dataset, MediaFeatures, Progress, ProgressFn, quiet
from .known import Known, Seen, earlier, measure_chunk
from .measure import Measured
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
        Receives one .npy per array, ``thumbs.bin`` with ``thumbs_index.npy``, and ``media.json`` last. What was there
        is replaced only when the new pass is complete.
    workers
        Number of processes; None = one per core, 0 = in this process.
    reuse
        Take over from what lies in ``out_dir`` (known to be whole) every picture of the same bytes, so that only new
        and changed ones are decoded. How many were taken over is ``kept`` in ``media.json``.

    Returns
    -------
    The features, memory-mapped. An image that cannot be read or decoded has its reason in ``error``, hashes 0 (but for
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
    known = earlier(Path(out_dir)) if reuse else None
    writer = MediaWriter(Path(out_dir), dataset.n)
    try:
        progress(Progress(_STAGE, 0, dataset.n, "images"))
        work = partial(measure_chunk, known=known.stamp if known else None)
        done = kept = 0
        for rows, results in decode_stream(dataset, range(dataset.n), work, workers):
            for row, found in zip(rows, results, strict=True):
                kept += _keep(writer, row, found, known)
            done += len(rows)
            progress(Progress(_STAGE, done, dataset.n, "images"))
        known = None  # its files are replaced now
        writer.finish({"kept": kept})
    except BaseException:
        writer.abandon()
        raise
    return load_media_features(out_dir)


def _keep(writer: MediaWriter, row: int, found: Measured | Seen, known: Known | None) -> bool:
    """Write what is known of a row. Returns whether it was known before."""
    if isinstance(found, Seen):
        assert known is not None
        known.copy(found.file_hash, writer, row)
        return True
    arrays = writer.arrays
    arrays["file_hash"][row] = found.file_hash
    if found.error:
        writer.errors[row] = found.error
        return False
    arrays["pixel_hash"][row] = found.pixel_hash
    arrays["perceptual_hash"][row] = found.perceptual_hash
    arrays["width"][row], arrays["height"][row] = found.width, found.height
    arrays["tiny"][row] = np.frombuffer(found.tiny, np.uint8)
    arrays["properties"][row] = found.properties
    writer.add_thumb(row, found.thumb)
    return False
