"""The media folder of a workspace: one .npy file per array, packed thumbnails, and an index written last."""

from __future__ import annotations

import mmap
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ...errors import WorkspaceError
from ...storage.artifacts import load_array, load_json, save_json
from ...storage.atomic import raise_os_error
from ...types import Int64, MediaFeatures, Strings
from .measure import PROPERTIES, TINY

MEDIA_VERSION = 1
"""Raised when the numbers of the media pass change."""

ARRAYS: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
    "file_hash": (np.uint64, ()),
    "pixel_hash": (np.uint64, ()),
    "perceptual_hash": (np.uint64, ()),
    "width": (np.int32, ()),
    "height": (np.int32, ()),
    "tiny": (np.uint8, (TINY * TINY * 3,)),
    "properties": (np.float32, (len(PROPERTIES),)),
    "thumbs_index": (np.int64, (2,)),
}
"""Name → (type, shape of one row)."""

_TYPES = {b"\x89PNG": "image/png", b"RIFF": "image/webp", b"\xff\xd8\xff\xe0": "image/jpeg"}


def reserve_array(path: Path, dtype: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """Create a memory-mapped .npy file and reserve its room on disk.

    A full disk is thus an error here, and not a crash at a later write.
    """
    try:
        array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
        if array.size and hasattr(os, "posix_fallocate"):
            with path.open("r+b") as stream:
                os.posix_fallocate(stream.fileno(), 0, os.fstat(stream.fileno()).st_size)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise_os_error(error, path, "the array")
    return cast(NDArray[Any], array)


class MediaWriter:
    """Fills the media folder row by row; nothing has its final name before :meth:`finish`.

    Parameters
    ----------
    folder
        The media folder.
    n
        Number of samples.
    """

    def __init__(self, folder: Path, n: int) -> None:
        self.folder = folder
        self._n = n
        folder.mkdir(parents=True, exist_ok=True)
        self._suffix = f".{secrets.token_hex(6)}.tmp"
        self.arrays: dict[str, NDArray[Any]] = {}
        self.errors: dict[int, str] = {}
        self._end = 0
        self._thumbs: Any = None
        try:
            for name, (dtype, shape) in ARRAYS.items():
                self.arrays[name] = reserve_array(self._path(f"{name}.npy"), dtype, (n, *shape))
            self.arrays["properties"][:] = np.nan
            self._thumbs = self._path("thumbs.bin").open("wb")
        except BaseException:
            self.abandon()
            raise

    def _path(self, name: str) -> Path:
        return self.folder / f".{name}{self._suffix}"

    def add_thumb(self, row: int, data: bytes) -> None:
        """Append the thumbnail of a row."""
        try:
            self._thumbs.write(data)
        except OSError as error:
            raise_os_error(error, self.folder / "thumbs.bin", "the thumbnails")
        self.arrays["thumbs_index"][row] = (self._end, len(data))
        self._end += len(data)

    def finish(self, info: Mapping[str, Any]) -> None:
        """Flush, rename, and write the index that says the folder is complete."""
        index = self.folder / "media.json"
        index.unlink(missing_ok=True)
        try:
            self._thumbs.flush()
            os.fsync(self._thumbs.fileno())
            self._thumbs.close()
            os.replace(self._path("thumbs.bin"), self.folder / "thumbs.bin")
            for name, array in self.arrays.items():
                cast(np.memmap[Any, Any], array).flush()
                os.replace(self._path(f"{name}.npy"), self.folder / f"{name}.npy")
        except OSError as error:
            raise_os_error(error, self.folder, "the media folder")
        errors = {str(row): why for row, why in sorted(self.errors.items())}
        save_json(index, {"version": MEDIA_VERSION, "n": self._n, "properties": PROPERTIES, **info, "errors": errors})

    def abandon(self) -> None:
        """Remove what was written."""
        self.arrays.clear()
        if self._thumbs is not None:
            self._thumbs.close()
        for path in self.folder.glob(f".*{self._suffix}"):
            path.unlink(missing_ok=True)


def load_media_features(out_dir: Path | str) -> MediaFeatures:
    """Read back what :func:`~.scan.scan_media` wrote; arrays are memory-mapped. Raises WorkspaceError."""
    folder = Path(out_dir)
    index = load_json(folder / "media.json")
    if index.get("version") != MEDIA_VERSION:
        raise WorkspaceError(f"{str(folder)!r} was written by another version of Winnow. Run the scan again.")
    arrays = {name: load_array(folder / f"{name}.npy") for name in ARRAYS if name != "thumbs_index"}
    error = np.full(index["n"], "", object)
    for row, why in index["errors"].items():
        error[int(row)] = why
    table = arrays["properties"]
    return MediaFeatures(
        error=error,
        width=arrays["width"],
        height=arrays["height"],
        file_hash=arrays["file_hash"],
        pixel_hash=arrays["pixel_hash"],
        perceptual_hash=arrays["perceptual_hash"],
        tiny=arrays["tiny"],
        properties={name: np.ascontiguousarray(table[:, i]) for i, name in enumerate(index["properties"])},
    )


def content_hashes(features: MediaFeatures) -> Strings:
    """Give (n,) content hashes as in ``Dataset.content_hash`` from the media pass ("" where unreadable)."""
    return np.array([f"{int(h):016x}" if h else "" for h in features.file_hash], object)


class Thumbnails:
    """The packed thumbnails of a media folder, memory-mapped; safe to share between threads."""

    def __init__(self, out_dir: Path | str) -> None:
        folder = Path(out_dir)
        self._index: Int64 = load_array(folder / "thumbs_index.npy")
        try:
            with (folder / "thumbs.bin").open("rb") as stream:
                empty = os.fstat(stream.fileno()).st_size == 0
                self._data = None if empty else mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise WorkspaceError(f"{str(folder)!r} has no thumbnails ({error}). Run the scan again.") from error

    def __len__(self) -> int:
        return len(self._index)

    def get(self, row: int) -> tuple[bytes, str] | None:
        """Give (bytes, media type) of a row's thumbnail; None where the image was not decoded, or for no such row."""
        if self._data is None or not 0 <= row < len(self._index):
            return None
        offset, length = (int(v) for v in self._index[row])
        if not length:
            return None
        data = self._data[offset : offset + length]
        return data, _TYPES.get(data[:4], "application/octet-stream")
