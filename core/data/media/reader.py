"""Raw image bytes by row, from wherever they are: files, Parquet, or a Hugging Face dataset on disk.

Memory is bounded: files are read one at a time, Parquet and Arrow in batches of about 32 MiB. A whole dataset is
never held.
"""

from __future__ import annotations

import stat
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import SourceError
from ...types import Dataset, MediaRef, Strings

MAX_FILE_BYTES = 1 << 30
"""A single image file above 1 GiB is refused: no decoder of ours would accept its pixels."""

_BATCH_BYTES = 32 << 20
_CACHE_BYTES = 256 << 20

Cell = bytes | Exception


def escape_path(path: str) -> str:
    """A file name as text that UTF-8 can hold: undecodable bytes become ``\\xNN``."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def find_file(root: Path, uri: str) -> Path:
    """The file of a stored ``uri``; undoes :func:`escape_path` where the plain name is not there."""
    direct = root / uri
    if "\\x" in uri and not direct.exists():
        raw = uri.encode("utf-8")
        for byte in range(0x80, 0x100):
            raw = raw.replace(b"\\x%02x" % byte, bytes([byte]))
        return root / raw.decode("utf-8", "surrogateescape")
    return direct


def read_file(path: Path) -> bytes:
    """A whole file. Raises OSError with a reason that a person can read; devices and pipes, which may never end, are refused."""
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
    """The bytes of one image cell: binary, or Hugging Face's struct of ``bytes`` and ``path``."""
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


def parquet_files(path: Path) -> list[Path]:
    """The files of a Parquet dataset: the file itself, or a folder's ``*.parquet`` in order of their names."""
    if path.is_dir():
        return sorted(p for p in path.rglob("*.parquet") if not any(part.startswith(".") for part in p.parts[-2:]))
    return [path]


def load_splits(path: Path) -> list[tuple[str, Any]]:
    """(split name, dataset) of a saved dataset; one unnamed split for a plain Dataset. Raises SourceError."""
    import datasets

    try:
        loaded = datasets.load_from_disk(str(path))
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise SourceError(
            f"{str(path)!r} looks like a saved Hugging Face dataset but cannot be read ({error}). "
            "Save it again with save_to_disk."
        ) from error
    if isinstance(loaded, datasets.DatasetDict):
        return [(str(key), part) for key, part in loaded.items()]
    return [("", loaded)]


class _Files:
    def __init__(self, root: Path, uris: Strings) -> None:
        self._root = root
        self._uris = uris

    def read(self, row: int) -> bytes:
        uri = self._uris[row]
        if not uri:
            raise OSError("the path is empty")
        return read_file(find_file(self._root, uri))

    def iter(self, rows: Iterable[int]) -> Iterator[tuple[int, Cell]]:
        for row in rows:
            try:
                yield row, self.read(row)
            except OSError as error:
                yield row, error


class _Batched:
    """Rows that come in groups, each read front to back; subclasses say where groups start and how they are read."""

    root: Path
    starts: list[int]

    def __init__(self) -> None:
        self._cached: tuple[int, pa.ChunkedArray] | None = None

    def batches(self, group: int, rows: list[int]) -> Iterator[tuple[int, pa.Array]]:
        """(first row, cells) pieces of a group, in order, at least those that hold ``rows``."""
        raise NotImplementedError

    def small(self, group: int) -> bool:
        raise NotImplementedError

    def read(self, row: int) -> bytes:
        group = self._group(row)
        if not self.small(group):
            cell: Cell = next(self.iter([row]))[1]
        else:
            if self._cached is None or self._cached[0] != group:
                self._cached = None
                pieces = [cells for _, cells in self.batches(group, [])]
                self._cached = (group, pa.chunked_array(pieces))
            cell = cell_bytes(self._cached[1][row - self.starts[group]].as_py(), self.root)
        if isinstance(cell, Exception):
            raise cell
        return cell

    def iter(self, rows: Iterable[int]) -> Iterator[tuple[int, Cell]]:
        for group, members in groupby(rows, key=self._group):
            wanted = sorted(members)
            at = 0
            try:
                for first, cells in self.batches(group, wanted):
                    while at < len(wanted) and wanted[at] < first + len(cells):
                        yield wanted[at], cell_bytes(cells[wanted[at] - first].as_py(), self.root)
                        at += 1
                    if at == len(wanted):
                        break
            except (pa.ArrowException, OSError) as error:  # a damaged page: what lies before it was read
                for row in wanted[at:]:
                    yield row, OSError(f"the table is damaged here ({str(error).splitlines()[0]})")

    def _group(self, row: int) -> int:
        return bisect_right(self.starts, row) - 1


class _Parquet(_Batched):
    def __init__(self, root: str, column: str) -> None:
        super().__init__()
        path = Path(root)
        self.root = path if path.is_dir() else path.parent
        self._column = column
        self._groups: list[tuple[pq.ParquetFile, int]] = []
        self.starts, self._sizes, self._rows = [], [], []
        row = 0
        for file in parquet_files(path):
            opened = pq.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False)
            for group in range(opened.metadata.num_row_groups):
                meta = opened.metadata.row_group(group)
                columns = [meta.column(i) for i in range(meta.num_columns)]
                mine = [c for c in columns if c.path_in_schema.split(".")[0] == column]
                self._groups.append((opened, group))
                self.starts.append(row)
                self._sizes.append(sum(c.total_uncompressed_size for c in mine))
                self._rows.append(meta.num_rows)
                row += meta.num_rows

    def small(self, group: int) -> bool:
        return bool(self._sizes[group] <= _CACHE_BYTES)

    def batches(self, group: int, rows: list[int]) -> Iterator[tuple[int, pa.Array]]:
        file, number = self._groups[group]
        mean = max(1, self._sizes[group] // max(1, self._rows[group]))
        size = int(np.clip(_BATCH_BYTES // mean, 1, 4096))
        first = self.starts[group]
        for batch in file.iter_batches(size, row_groups=[number], columns=[self._column], use_threads=False):
            yield first, batch.column(0)
            first += batch.num_rows


class _Arrow(_Batched):
    """A Hugging Face dataset saved on disk; the groups are its splits."""

    _STEP = 64

    def __init__(self, root: str, column: str) -> None:
        super().__init__()
        self.root = Path(root)
        self._column = column
        self._parts = [part.select_columns([column]).with_format("arrow") for _, part in load_splits(Path(root))]
        self.starts = [0, *np.cumsum([len(p) for p in self._parts]).tolist()][:-1]

    def small(self, group: int) -> bool:
        return False  # memory-mapped: any row is as near as another

    def batches(self, group: int, rows: list[int]) -> Iterator[tuple[int, pa.Array]]:
        part, base = self._parts[group], self.starts[group]
        steps = sorted({(row - base) // self._STEP for row in rows})
        for step in steps:
            at = step * self._STEP
            column = part[at : at + self._STEP].column(self._column)
            kind = column.type
            storage = column.cast(kind.storage_type) if isinstance(kind, pa.ExtensionType) else column
            yield base + at, storage.combine_chunks() if isinstance(storage, pa.ChunkedArray) else storage


class MediaReader:
    """Gives the raw bytes of a sample's image, by row. Picklable: it opens its files where it is used.

    ``read(row)`` returns the bytes or raises OSError with the reason. ``iter(rows)`` yields ``(row, bytes)``, or
    ``(row, exception)`` for a row that cannot be read, grouped by row group: sequential rows are read once, in
    batches of bounded memory.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._media: MediaRef = dataset.media
        self._uris = dataset.uris
        self._open: Any = None

    @classmethod
    def of(cls, media: MediaRef, uris: Strings | None = None) -> MediaReader:
        """A reader without a dataset, as a stored workspace needs it."""
        reader = cls.__new__(cls)
        reader._media, reader._uris, reader._open = media, uris, None
        return reader

    def __getstate__(self) -> dict[str, Any]:
        return {"_media": self._media, "_uris": self._uris, "_open": None}

    def _reader(self) -> Any:
        if self._open is None:
            media = self._media
            if media.kind == "files" and self._uris is not None:
                self._open = _Files(Path(media.root), self._uris)
            elif media.kind == "parquet":
                self._open = _Parquet(media.root, media.column)
            elif media.kind == "arrow":
                self._open = _Arrow(media.root, media.column)
            else:
                raise SourceError("This dataset has no images to read.")
        return self._open

    def read(self, row: int) -> bytes:
        """The bytes of row ``row``. Raises OSError when it cannot be read, SourceError when there are no images."""
        try:
            data: bytes = self._reader().read(int(row))
        except pa.ArrowException as error:
            raise OSError(f"the table could not be read ({error})") from error
        return data

    def iter(self, rows: Iterable[int]) -> Iterator[tuple[int, Cell]]:
        """(row, bytes or exception) for every row asked for; ascending rows are fastest."""
        yield from self._reader().iter(int(r) for r in rows)
