"""The media pass of an earlier scan, by content: a picture whose bytes were measured before is not decoded again."""

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
"""Path, inode and time of a file of hashes: what a worker keeps of it is never that of another pass."""


@dataclass(frozen=True)
class Seen:
    """The answer for bytes that the earlier pass has measured."""

    file_hash: int


def measure_chunk(cells: list[bytes | str], known: Stamp | None = None) -> list[Measured | Seen]:
    """Measure a chunk; a str is the reason why the bytes could not be read. Runs in a worker process. ``known``: the
    earlier pass (:attr:`Known.stamp`), whose pictures are named and not decoded.
    """
    return [Measured(error=cell) if isinstance(cell, str) else _measured(cell, known) for cell in cells]


def _measured(data: bytes, known: Stamp | None) -> Measured | Seen:
    if known is not None:
        mine, hashes = hash64(data), _hashes(known)
        at = int(np.searchsorted(hashes, np.uint64(mine)))
        if at < len(hashes) and hashes[at] == mine:
            return Seen(mine)
    return measure(data)


@lru_cache(maxsize=1)
def _hashes(stamp: Stamp) -> UInt64:
    return np.sort(np.load(stamp[0], allow_pickle=False))


class Known:
    """What an earlier pass found, row by row. Its files may be replaced once it is not used any more.

    Parameters
    ----------
    folder
        Where :func:`~.scan.scan_media` wrote. Raises WorkspaceError where nothing whole of this version lies there.
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
        """Write what is known of these bytes as ``row``."""
        old = int(self._order[np.searchsorted(self._hashes, np.uint64(file_hash))])
        for name, array in self._arrays.items():
            writer.arrays[name][row] = array[old]
        if self._errors[old]:
            writer.errors[row] = str(self._errors[old])
        if (thumb := self._thumbs.get(old)) is not None:
            writer.add_thumb(row, thumb[0])


def earlier(folder: Path) -> Known | None:
    """The pass that lies in a folder; None where there is none, or it is not whole, or of another version."""
    try:
        return Known(folder)
    except (WorkspaceError, OSError):
        return None
