"""The files of a workspace: arrays, tables, JSON, and the records of finished stages.

Every file is written whole or not at all (:mod:`.atomic`). Nothing is ever pickled.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..errors import WinnowError, WorkspaceError
from .atomic import atomic_write, checksum_of

RECORD_FORMAT = 1
"""Layout of ``stages/<name>.json``; a record of another layout counts as absent, so that the stage runs again."""

_STAGE_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]*$")


def _unreadable(path: Path, error: Exception) -> WorkspaceError:
    if isinstance(error, FileNotFoundError):
        return WorkspaceError(f"{str(path)!r} is missing. Run the scan again: it rebuilds what is not there.")
    if isinstance(error, PermissionError):
        return WorkspaceError(f"{str(path)!r} may not be read by this user. Change its permissions and try again.")
    return WorkspaceError(
        f"{str(path)!r} is damaged ({error}). Delete it and run the scan again: only what depends on it is rebuilt."
    )


def save_array(path: str | Path, array: NDArray[Any]) -> str:
    """Write an array as ``.npy`` (never pickled: object arrays are refused). Returns the checksum."""
    array = np.asarray(array)
    if array.dtype.hasobject:
        raise TypeError(f"{Path(path).name}: object arrays are not stored as .npy; use save_table for strings")
    return atomic_write(path, lambda f: np.save(f, array, allow_pickle=False), "the array")


def load_array(path: str | Path, mmap: bool = True) -> NDArray[Any]:
    """Read a ``.npy`` file, by default memory-mapped and read-only. Raises WorkspaceError if absent or damaged."""
    path = Path(path)
    try:
        return cast(NDArray[Any], np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise _unreadable(path, error) from error


def save_table(path: str | Path, table: pa.Table, row_group_size: int = 65_536) -> str:
    """Write an Arrow table as Parquet (zstd). Returns the checksum."""

    def write(stream: BinaryIO) -> None:
        pq.write_table(table, stream, compression="zstd", row_group_size=row_group_size)

    return atomic_write(path, write, "the table")


def load_table(path: str | Path, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet file (or some of its columns). Raises WorkspaceError if absent or damaged."""
    path = Path(path)
    try:
        return pq.read_table(path, columns=columns, memory_map=True)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error


def load_schema(path: str | Path) -> pa.Schema:
    """Read the columns' names and types of a Parquet file. Raises WorkspaceError if it is absent or damaged."""
    path = Path(path)
    try:
        return pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error


def iter_table(path: str | Path, columns: list[str] | None = None, rows: int = 65_536) -> Iterator[pa.RecordBatch]:
    """Read a Parquet file in batches of ``rows``. Raises WorkspaceError if it is absent or damaged."""
    path = Path(path)
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            yield from file.iter_batches(rows, columns=columns)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error


def plain(value: Any) -> Any:
    """Turn a value into what JSON can hold.

    Dataclasses and mappings become objects, arrays and sets lists, enums and paths text, NaN and infinities null.
    Raises TypeError for anything else.
    """
    if isinstance(value, Enum):
        return plain(value.value)
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(plain(k)): plain(v) for k, v in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted((plain(v) for v in value), key=repr)
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"cannot write a {type(value).__name__} as JSON: {value!r}")


def save_json(path: str | Path, value: Any) -> str:
    """Write ``value`` (see :func:`plain`) as indented UTF-8 JSON, keys in their order. Returns the checksum."""
    text = json.dumps(plain(value), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    data = text.encode("utf-8", "surrogatepass")
    return atomic_write(path, lambda f: f.write(data), "the file")


def load_json(path: str | Path) -> Any:
    """Read a JSON file. Raises WorkspaceError if absent or damaged."""
    path = Path(path)
    try:
        return json.loads(path.read_bytes().decode("utf-8", "surrogatepass"))
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(path, error) from error


# --- the records of finished stages -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Output:
    """One file that a stage wrote.

    Attributes
    ----------
    bytes
        Its size.
    checksum
        16 hex digits.
    """

    bytes: int
    checksum: str


@dataclass(frozen=True)
class StageRecord:
    """What ``stages/<name>.json`` holds: which inputs gave which files, and how long it took.

    Attributes
    ----------
    name
        Of the stage.
    fingerprint
        Of its inputs, configuration and own version.
    outputs
        Path, relative to the workspace → file.
    seconds
        How long it ran.
    info
        Plain values for the manifest.
    version
        Layout of the record.
    """

    name: str
    fingerprint: str
    outputs: Mapping[str, Output]
    seconds: float = 0.0
    info: Mapping[str, Any] = field(default_factory=dict)
    version: int = RECORD_FORMAT


class StageStore:
    """The records of a workspace's finished stages, and whether their files are still there.

    Parameters
    ----------
    root
        The workspace folder. Output paths in records are relative to it and use ``/``, so that the folder can be
        copied or moved.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def path(self, name: str) -> Path:
        """Give the path of a stage's record."""
        if not _STAGE_NAME.match(name):
            raise ValueError(f"a stage name is lower case letters, digits, '-' and '_', not {name!r}")
        return self.root / "stages" / f"{name}.json"

    def read(self, name: str) -> StageRecord | None:
        """Read the record of a stage; None where there is none, or it is damaged or of another layout."""
        try:
            raw = load_json(self.path(name))
            if raw["version"] != RECORD_FORMAT or raw["name"] != name:
                return None
            outputs = {str(k): Output(int(v["bytes"]), str(v["checksum"])) for k, v in raw["outputs"].items()}
            for relative in outputs:
                self._inside(relative)
            return StageRecord(name, str(raw["fingerprint"]), outputs, float(raw["seconds"]), dict(raw["info"]))
        except (WinnowError, KeyError, TypeError, AttributeError, ValueError):
            return None

    def fresh(self, name: str, fingerprint: str, verify: bool = False) -> StageRecord | None:
        """Read the record of a stage that need not run again: same fingerprint, every output there with its size.

        Parameters
        ----------
        verify
            Also read every output and compare its checksum (about 1 GB/s).
        """
        record = self.read(name)
        if record is None or record.fingerprint != fingerprint:
            return None
        whole = all(self._is_whole(path, output, verify) for path, output in record.outputs.items())
        return record if whole else None

    def commit(
        self,
        name: str,
        fingerprint: str,
        outputs: Iterable[str | Path] | Mapping[str, str],
        seconds: float = 0.0,
        info: Mapping[str, Any] | None = None,
    ) -> StageRecord:
        """Record a stage as done. Call it last, after its outputs were written.

        Parameters
        ----------
        name
            Of the stage.
        fingerprint
            Of the stage's inputs, configuration and own version.
        outputs
            Paths (relative to the root, or below it), or path → checksum as the ``save_*`` functions return it, which
            saves reading the file again.
        seconds
            How long it ran.
        info
            Plain values for the manifest.

        Raises
        ------
        WorkspaceError
            An output is not there or cannot be read.
        ValueError
            An output lies outside the workspace.
        """
        known = dict(outputs) if isinstance(outputs, Mapping) else {}
        kept: dict[str, Output] = {}
        for item in outputs:
            path = self._inside(item)
            try:
                size = path.stat().st_size
                checksum = known.get(str(item)) or checksum_of(path)
            except OSError as error:
                raise _unreadable(path, error) from error
            kept[path.relative_to(self._base).as_posix()] = Output(size, checksum)
        record = StageRecord(name, fingerprint, kept, float(seconds), plain(dict(info or {})))
        save_json(self.path(name), record)
        return record

    @property
    def _base(self) -> Path:
        return Path(os.path.abspath(self.root))

    def _inside(self, relative: str | Path) -> Path:
        path = Path(os.path.abspath(self._base / relative))
        if not path.is_relative_to(self._base) or path == self._base:
            raise ValueError(f"the output {str(relative)!r} lies outside the workspace {str(self.root)!r}")
        return path

    def _is_whole(self, relative: str, output: Output, verify: bool) -> bool:
        path = self._inside(relative)
        try:
            return path.stat().st_size == output.bytes and (not verify or checksum_of(path) == output.checksum)
        except OSError:
            return False


def utc_seconds() -> str:
    """Give the time now: UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
