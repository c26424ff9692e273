"""Files that are either the old one or the new one, never half of either, and the records of finished stages.

The protocol is the usual one (https://lwn.net/Articles/457667/, "Ensuring data reaches disk"): write to a temporary
name in the same directory, flush, ``fsync``, rename over the target, ``fsync`` the directory. A reader, a crash or a
full disk therefore meets the previous file or the complete new one. Each write returns a BLAKE2b checksum, taken
while the bytes passed by; :class:`StageStore` keeps it, so that a file damaged later is named and rebuilt.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import io
import json
import math
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..errors import DiskFull, ReadOnly, WinnowError, WorkspaceError

RECORD_FORMAT = 1
"""Layout of ``stages/<name>.json``; a record of another layout counts as absent, so that the stage re-runs."""

_CHUNK = 1 << 20
_DIGEST = 8  # bytes: 16 hex digits, like every fingerprint
_TEMPORARY = re.compile(r"^\..+\.[0-9a-f]{12}\.tmp$")
_STAGE_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]*$")
_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}


def raise_os_error(error: OSError, path: Path, what: str) -> NoReturn:
    """Raise an operating-system error as the :class:`WinnowError` that says what to do about it."""
    if error.errno in _FULL:
        raise DiskFull(
            f"The disk is full: {what} {str(path)!r} could not be written. The previous version is intact. "
            "Free some room (or choose another disk) and run the same command again: it goes on where it stopped."
        ) from error
    if error.errno in _FORBIDDEN:
        raise ReadOnly(
            f"{str(path)!r} cannot be written: {os.strerror(error.errno or 0).lower()}. "
            "The workspace can be looked at, not changed. Make the folder writable, or copy it to one that is."
        ) from error
    raise WorkspaceError(
        f"{what.capitalize()} {str(path)!r} could not be written ({error}). Check the path and the disk, then try again."
    ) from error


class _HashingFile(io.RawIOBase):
    """Passes writes on and keeps their digest. A seek makes the digest stale; it is then taken from the file."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._hash = hashlib.blake2b(digest_size=_DIGEST)
        self._sequential = True
        self.final = ""
        """The checksum, once the file is complete."""

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self._raw.write(view)
        if self._sequential:
            self._hash.update(view)
        return view.nbytes

    def flush(self) -> None:
        if not self._raw.closed:
            self._raw.flush()

    def tell(self) -> int:
        return self._raw.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        before = self._raw.tell()
        after = self._raw.seek(offset, whence)
        self._sequential = self._sequential and after == before
        return after

    def read(self, size: int = -1) -> bytes:
        self._sequential = False
        return self._raw.read(size)

    def truncate(self, size: int | None = None) -> int:
        self._sequential = False
        return self._raw.truncate(size)

    def checksum(self) -> str:
        if self._sequential:
            return self._hash.hexdigest()
        self._raw.flush()
        self._raw.seek(0)
        return _digest(self._raw)


def _digest(stream: BinaryIO) -> str:
    h = hashlib.blake2b(digest_size=_DIGEST)
    while block := stream.read(_CHUNK):
        h.update(block)
    return h.hexdigest()


def checksum_of(path: str | Path) -> str:
    """BLAKE2b digest of a file's bytes (16 hex digits)."""
    with open(path, "rb") as stream:
        return _digest(stream)


def sync_directory(directory: str | Path) -> None:
    """Make a rename in ``directory`` survive a power cut. File systems without the notion are left alone."""
    try:
        fd = os.open(directory, os.O_RDONLY)
    except OSError:
        return
    try:
        with contextlib.suppress(OSError):
            os.fsync(fd)
    finally:
        os.close(fd)


@contextlib.contextmanager
def atomic_file(path: str | Path, what: str = "the file") -> Iterator[_HashingFile]:
    """A binary file, open for writing, that becomes ``path`` when the block ends and vanishes when it raises.

    A link is followed, so that its target is replaced and the link stays. The mode of a file that is replaced is
    kept. ``OSError`` of the disk becomes DiskFull, ReadOnly or WorkspaceError.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name[:200]}.{secrets.token_hex(6)}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            mode = target.stat().st_mode & 0o777
        except FileNotFoundError:
            mode = None
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        try:
            with open(fd, "w+b", buffering=_CHUNK) as raw:
                stream = _HashingFile(cast(BinaryIO, raw))
                yield stream
                raw.flush()
                if mode is not None and hasattr(os, "fchmod"):
                    with contextlib.suppress(OSError):
                        os.fchmod(raw.fileno(), mode)
                os.fsync(raw.fileno())
                stream.final = stream.checksum()
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise_os_error(error, target, what)
    sync_directory(target.parent)


def atomic_write(path: str | Path, write: Callable[[BinaryIO], object], what: str = "the file") -> str:
    """Write a file all or nothing and return its checksum (16 hex digits).

    Parameters
    ----------
    path : the target; missing folders are made.
    write : called once with a binary file, open for writing at position 0.
    what : how a person would call it, for messages.

    Raises
    ------
    DiskFull, ReadOnly, WorkspaceError : nothing was changed and the temporary file is gone.
    """
    with atomic_file(path, what) as stream:
        write(cast(BinaryIO, stream))
    return stream.final


def remove_leftovers(root: str | Path) -> list[Path]:
    """Delete temporary files that a killed process left anywhere under ``root``; call it only while holding the
    workspace's lock. Returns what was removed."""
    gone = []
    for folder, _, names in os.walk(root):
        for name in names:
            if _TEMPORARY.match(name):
                path = Path(folder, name)
                with contextlib.suppress(OSError):
                    path.unlink()
                    gone.append(path)
    return gone


# --- one function per kind of content -------------------------------------------------------------------------


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


def plain(value: Any) -> Any:
    """``value`` as what JSON can hold: dataclasses and mappings as objects, arrays and sets as lists, enums and
    paths as text, NaN and infinities as null (JSON has no word for them)."""
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
    """One file that a stage made: its size in bytes and its checksum (16 hex digits)."""

    bytes: int
    checksum: str


@dataclass(frozen=True)
class StageRecord:
    """What ``stages/<name>.json`` holds: which inputs made which files, and how long it took."""

    name: str
    fingerprint: str
    outputs: Mapping[str, Output]
    seconds: float = 0.0
    info: Mapping[str, Any] = field(default_factory=dict)
    version: int = RECORD_FORMAT


@dataclass(frozen=True)
class Damage:
    """A file of a finished stage that is not what the stage wrote."""

    stage: str
    path: str
    reason: str


class StageStore:
    """Which stages of a workspace are done, and whether what they wrote is still there.

    Parameters
    ----------
    root : the workspace folder. Output paths in records are relative to it and use ``/``, so that the folder
        can be copied or moved.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def path(self, name: str) -> Path:
        """Where the record of a stage lies."""
        if not _STAGE_NAME.match(name):
            raise ValueError(f"a stage name is lower case letters, digits, '-' and '_', not {name!r}")
        return self.root / "stages" / f"{name}.json"

    def names(self) -> list[str]:
        """The stages that have a record, sorted."""
        return sorted(p.stem for p in (self.root / "stages").glob("*.json") if _STAGE_NAME.match(p.stem))

    def read(self, name: str) -> StageRecord | None:
        """The record of a stage; None where there is none, or it is damaged or of another layout."""
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
        """The record of a stage if it was made from ``fingerprint`` and every output is there with its size.

        ``verify=True`` reads every output and compares its checksum too (about 1 GB/s).
        """
        record = self.read(name)
        if record is None or record.fingerprint != fingerprint:
            return None
        for relative, output in record.outputs.items():
            if self._fault(relative, output, verify):
                return None
        return record

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
        fingerprint : of the stage's inputs, configuration and own version.
        outputs : paths (relative to the root, or below it), or path → checksum as the ``save_*`` functions return
            it, which saves reading the file again.
        info : plain values for the manifest.
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

    def forget(self, name: str) -> None:
        """Drop the record of a stage, so that it runs again."""
        path = self.path(name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise_os_error(error, path, "the stage record")
        sync_directory(path.parent)

    def damaged(self, verify: bool = True) -> list[Damage]:
        """Every recorded output that is missing, of another size or (``verify``) of another content, and every
        record that cannot be read."""
        found = []
        for name in self.names():
            record = self.read(name)
            if record is None:
                found.append(Damage(name, f"stages/{name}.json", "the record cannot be read"))
                continue
            for relative, output in record.outputs.items():
                if reason := self._fault(relative, output, verify):
                    found.append(Damage(name, relative, reason))
        return found

    @property
    def _base(self) -> Path:
        return Path(os.path.abspath(self.root))

    def _inside(self, relative: str | Path) -> Path:
        path = Path(os.path.abspath(self._base / relative))
        if not path.is_relative_to(self._base) or path == self._base:
            raise ValueError(f"the output {str(relative)!r} lies outside the workspace {str(self.root)!r}")
        return path

    def _fault(self, relative: str, output: Output, verify: bool) -> str:
        path = self._inside(relative)
        try:
            size = path.stat().st_size
            if size != output.bytes:
                return f"it has {size:,} bytes instead of {output.bytes:,}"
            if verify and checksum_of(path) != output.checksum:
                return "its content has changed since it was written"
        except FileNotFoundError:
            return "it is missing"
        except OSError as error:
            return f"it cannot be read ({error.strerror})"
        return ""
