"""Reuse of an earlier media pass: an image whose bytes were measured before is not decoded again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import WorkspaceError
from ...storage.artifacts import load_array
from ...types import Int64
from .measure import Measured, hash64, measure
from .store import ARRAYS, MediaWriter, Thumbnails, load_media_features

UInt64 = NDArray[np.uint64]

Stamp = tuple[str, int, int]
"""Path, inode and time of a file of hashes, so that a worker never mixes up the hashes of two passes."""


@dataclass(frozen=True)
class KnownImage:
    """Stands for an image that the earlier pass has measured.

    Attributes
    ----------
    file_hash
        64-bit hash of its bytes.
    """

    file_hash: int


def measure_chunk(cells: list[bytes | str], known: Stamp | None = None) -> list[Measured | KnownImage]:
    """Measure a chunk of images, in a worker process.

    Parameters
    ----------
    cells
        Bytes; a str is the reason why they could not be read.
    known
        The earlier pass (:attr:`EarlierPass.stamp`), whose images are not decoded.
    """
    return [Measured(error=cell) if isinstance(cell, str) else _measured(cell, known) for cell in cells]


def _measured(data: bytes, known: Stamp | None) -> Measured | KnownImage:
    if known is not None:
        file_hash, hashes = hash64(data), _hashes(known)
        place = int(np.searchsorted(hashes, np.uint64(file_hash)))
        if place < len(hashes) and hashes[place] == file_hash:
            return KnownImage(file_hash)
    return measure(data)


@lru_cache(maxsize=1)
def _hashes(stamp: Stamp) -> UInt64:
    return np.sort(np.load(stamp[0], allow_pickle=False))


class EarlierPass:
    """What an earlier pass measured, row by row. Its files may be replaced once it is no longer used.

    Parameters
    ----------
    folder
        Where :func:`~.scan.scan_media` wrote.

    Raises
    ------
    WorkspaceError
        The folder holds no complete pass of this version.
    """

    def __init__(self, folder: Path) -> None:
        features = load_media_features(folder)
        self._errors = features.error
        self._arrays = {name: load_array(folder / f"{name}.npy") for name in ARRAYS if name != "thumbs_index"}
        self._thumbs = Thumbnails(folder)
        hashes: UInt64 = np.asarray(self._arrays["file_hash"])
        end = int(load_array(folder / "thumbs_index.npy").sum(axis=1).max(initial=0))
        if not len(hashes) == len(self._thumbs) == len(self._errors) or end != (folder / "thumbs.bin").stat().st_size:
            raise WorkspaceError(f"{str(folder)!r} holds parts of two passes. Run the scan again.")
        self._order: Int64 = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._order]
        path = folder.absolute() / "file_hash.npy"
        self.stamp: Stamp = (str(path), path.stat().st_ino, path.stat().st_mtime_ns)

    def __len__(self) -> int:
        return len(self._order)

    def copy(self, file_hash: int, writer: MediaWriter, row: int) -> None:
        """Write what was measured on these bytes as ``row``."""
        old = int(self._order[np.searchsorted(self._hashes, np.uint64(file_hash))])
        for name, array in self._arrays.items():
            writer.arrays[name][row] = array[old]
        if self._errors[old]:
            writer.errors[row] = str(self._errors[old])
        if (thumb := self._thumbs.get(old)) is not None:
            writer.add_thumb(row, thumb[0])


def load_earlier_pass(folder: Path) -> EarlierPass | None:
    """Open the pass in a folder; None where there is none, or it is incomplete or of another version."""
    try:
        return EarlierPass(folder)
    except (WorkspaceError, OSError):
        return None
