"""Raw image bytes by row, read from files or from inside a table.

A source registers how the images of its kind of :class:`~winnow.core.types.MediaRef` are read (:data:`READERS`); image
files are read here. Memory is bounded: files are read one at a time, tables in batches. A whole dataset is never held.
"""

from __future__ import annotations

import stat
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from ...errors import SourceError
from ...registry import Registry
from ...types import Dataset, MediaRef, Strings

MAX_FILE_BYTES = 1 << 30
"""A single image file above 1 GiB is refused: no decoder of ours would accept its pixels."""

Cell = bytes | Exception
"""The bytes of an image, or why they cannot be read."""


class BytesReader(Protocol):
    """Reads the image bytes of one dataset."""

    def read(self, row: int) -> bytes:
        """Read one row. Raises OSError with the reason."""

    def path(self, row: int) -> Path | None:
        """Find the file that a row's image is read from; None where its bytes lie in the table. Raises OSError."""

    def iter(self, rows: Iterable[int]) -> Iterator[tuple[int, Cell]]:
        """Yield (row, bytes or exception) of rows, which are best ascending."""


READERS: Registry[Callable[[MediaRef, Strings | None], BytesReader]] = Registry("kind of image store")
"""``MediaRef.kind`` → what opens such images, given the reference and ``Dataset.uris``."""


def escape_path(path: str) -> str:
    r"""Write a file name as text that UTF-8 can hold: undecodable bytes become ``\xNN``."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def find_file(root: Path, uri: str) -> Path:
    """Find the file of a stored ``uri``; undoes :func:`escape_path` where there is no file of the plain name."""
    direct = root / uri
    if "\\x" in uri and not direct.exists():
        raw = uri.encode("utf-8")
        for byte in range(0x80, 0x100):
            raw = raw.replace(b"\\x%02x" % byte, bytes([byte]))
        return root / raw.decode("utf-8", "surrogateescape")
    return direct


def read_file(path: Path) -> bytes:
    """Read a whole file. Raises OSError with the reason in words.

    Devices and pipes are refused: they may never end.
    """
    try:
        status = path.stat()
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise OSError("this is a device or a pipe, not a file")
        size = status.st_size
        if size > MAX_FILE_BYTES:
            raise OSError(f"the file has {size / 2**30:.1f} GiB, more than the 1 GiB that is read")
        return path.read_bytes()
    except FileNotFoundError:
        raise OSError("the file is not there") from None
    except IsADirectoryError:
        raise OSError("the path is a folder, not a file") from None
    except PermissionError:
        raise OSError("the file may not be read (permission denied)") from None
    except ValueError as error:  # a NUL byte in the name
        raise OSError(f"the file name cannot be used ({error})") from None


def cell_bytes(cell: Any, root: Path) -> Cell:
    """Read one image cell: binary, or Hugging Face's struct of ``bytes`` and ``path`` (relative to ``root``)."""
    if isinstance(cell, dict):
        if cell.get("bytes") is not None:
            return bytes(cell["bytes"])
        path = cell.get("path")
        if path:
            try:
                return read_file(root / path)
            except OSError as error:
                return error
        return OSError("the image cell is empty")
    if cell is None:
        return OSError("the image cell is empty")
    return bytes(cell)


class _Files:
    def __init__(self, media: MediaRef, uris: Strings | None) -> None:
        if uris is None:
            raise SourceError("This dataset has no images to read.")
        self._root = Path(media.root)
        self._uris = uris

    def path(self, row: int) -> Path:
        uri = self._uris[row]
        if not uri:
            raise OSError("the path is empty")
        return find_file(self._root, uri)

    def read(self, row: int) -> bytes:
        return read_file(self.path(row))

    def iter(self, rows: Iterable[int]) -> Iterator[tuple[int, Cell]]:
        for row in rows:
            try:
                yield row, self.read(row)
            except OSError as error:
                yield row, error


READERS.register("files")(_Files)


class BatchedReader:
    """Rows in groups, each read front to back; subclasses know where the groups start and how they are read.

    Attributes
    ----------
    root
        Folder that paths in image cells are relative to.
    starts
        First row of each group, ascending.
    """

    root: Path
    starts: list[int]

    def __init__(self) -> None:
        self._cached: tuple[int, pa.ChunkedArray] | None = None
        self._last: tuple[int, Any] | None = None

    def batches(self, group: int, rows: list[int]) -> Iterator[tuple[int, pa.Array]]:
        """Yield (first row, cells) of the pieces of a group in order, at least those that hold ``rows``."""
        raise NotImplementedError

    def small(self, group: int) -> bool:
        """Whether the whole group may be kept in memory."""
        raise NotImplementedError

    def read(self, row: int) -> bytes:
        """Read one row. Raises OSError with the reason."""
        cell = cell_bytes(self._cell(row), self.root)
        if isinstance(cell, Exception):
            raise cell
        return cell

    def path(self, row: int) -> Path | None:
        """Find the file that the cell names; None where it holds the bytes. Raises OSError."""
        cell = self._cell(row)
        if not isinstance(cell, dict) or cell.get("bytes") is not None or not cell.get("path"):
            return None
        return self.root / str(cell["path"])

    def _cell(self, row: int) -> Any:
        """Read one cell; the last one is kept."""
        if self._last is not None and self._last[0] == row:
            return self._last[1]
        group = self._group(row)
        if self.small(group):
            if self._cached is None or self._cached[0] != group:
                self._cached = None
                pieces = [cells for _, cells in self.batches(group, [])]
                self._cached = (group, pa.chunked_array(pieces))
            cell = self._cached[1][row - self.starts[group]].as_py()
        else:
            cell = next(cell for _, cell in self._cells(group, [row]))
        self._last = (row, cell)
        return cell

    def _cells(self, group: int, wanted: list[int]) -> Iterator[tuple[int, Any]]:
        """Yield (row, cell) of rows of one group, which are ascending."""
        done = 0
        for first, cells in self.batches(group, wanted):
            while done < len(wanted) and wanted[done] < first + len(cells):
                yield wanted[done], cells[wanted[done] - first].as_py()
                done += 1
            if done == len(wanted):
                return

    def iter(self, rows: Iterable[int]) -> Iterator[tuple[int, Cell]]:
        """Yield (row, bytes or exception) of rows, which are best ascending."""
        for group, members in groupby(rows, key=self._group):
            wanted = sorted(members)
            done = 0
            try:
                for row, cell in self._cells(group, wanted):
                    yield row, cell_bytes(cell, self.root)
                    done += 1
            except (pa.ArrowException, OSError) as error:  # a damaged page: the rows before it were read
                for row in wanted[done:]:
                    yield row, OSError(f"the table is damaged here ({str(error).splitlines()[0]})")

    def _group(self, row: int) -> int:
        return bisect_right(self.starts, row) - 1


class MediaReader:
    """Gives the raw bytes of a sample's image, by row. Picklable: it opens its files where it is used.

    Parameters
    ----------
    dataset
        With images; its source has registered how they are read.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._media, self._uris = dataset.media, dataset.uris
        self._open: BytesReader | None = None

    @classmethod
    def of(cls, media: MediaRef, uris: Strings | None = None) -> MediaReader:
        """Make a reader without a dataset, as a stored workspace needs it."""
        reader = cls.__new__(cls)
        reader.__setstate__({"_media": media, "_uris": uris})
        return reader

    def __getstate__(self) -> dict[str, Any]:
        return {"_media": self._media, "_uris": self._uris}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._media, self._uris, self._open = state["_media"], state["_uris"], None

    def _reader(self) -> BytesReader:
        if self._open is None:
            if self._media.kind == "none":
                raise SourceError("This dataset has no images to read.")
            self._open = READERS.get(self._media.kind)(self._media, self._uris)
        return self._open

    def read(self, row: int) -> bytes:
        """Read the bytes of a row. Raises OSError with the reason, SourceError when there are no images."""
        try:
            return self._reader().read(int(row))
        except pa.ArrowException as error:
            raise OSError(f"the table could not be read ({error})") from error

    def path(self, row: int) -> Path | None:
        """Find the file that a row's image is read from; None where its bytes lie in a table. Raises OSError."""
        try:
            return self._reader().path(int(row))
        except pa.ArrowException as error:
            raise OSError(f"the table could not be read ({error})") from error

    def iter(self, rows: Iterable[int]) -> Iterator[tuple[int, Cell]]:
        """Yield (row, bytes or exception) for every row; ascending rows are fastest, each group is read once."""
        yield from self._reader().iter(int(r) for r in rows)
