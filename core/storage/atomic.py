"""Writing files such that there is always the old one or the new one, never half of either.

The protocol is the usual one (https://lwn.net/Articles/457667/, "Ensuring data reaches disk"): write to a temporary
name in the same directory, flush, ``fsync``, rename over the target, ``fsync`` the directory. After a crash or on a
full disk there is the previous file or the complete new one. Each write returns a BLAKE2b checksum, computed while the
bytes are written; :class:`~.artifacts.StageStore` keeps it, so that a file that is damaged later is found and rebuilt.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, cast

from ..errors import DiskFull, ReadOnly, WorkspaceError

_CHUNK = 1 << 20
_DIGEST = 8  # bytes: 16 hex digits, like every fingerprint
_TEMPORARY = re.compile(r"^\..+\.[0-9a-f]{12}\.tmp$")
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
        f"{what.capitalize()} {str(path)!r} could not be written ({error}). "
        "Check the path and the disk, then try again."
    ) from error


@contextlib.contextmanager
def os_errors_in_words(path: Path, what: str = "the file") -> Iterator[None]:
    """Raise operating-system errors of the block as :func:`raise_os_error` does."""
    try:
        yield
    except OSError as error:
        raise_os_error(error, path, what)


class _HashingFile(io.RawIOBase):
    """Hashes what is written through it. After a seek the file is read again for its digest."""

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
    """Make a rename in ``directory`` survive a power cut, where the file system can."""
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
    """Open a binary file for writing that becomes ``path`` when the block ends, and vanishes when the block raises.

    A link is followed: its target is replaced and the link stays. The mode of a file that is replaced is kept.

    Parameters
    ----------
    path
        The target; missing folders are made.
    what
        What a person would call it, for messages.

    Raises
    ------
    DiskFull
        Nothing was changed and the temporary file is gone.
    ReadOnly
        Nothing was changed and the temporary file is gone.
    WorkspaceError
        Nothing was changed and the temporary file is gone.
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
                stream = _HashingFile(raw)
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
    """Write a file whole or not at all.

    Parameters
    ----------
    path, what
        As for :func:`atomic_file`, which also says what is raised.
    write
        Called once with a binary file, open for writing at position 0.

    Returns
    -------
    str
        The checksum of the file, 16 hex digits.
    """
    with atomic_file(path, what) as stream:
        write(cast(BinaryIO, stream))
    return stream.final


def remove_leftovers(root: str | Path) -> list[Path]:
    """Delete temporary files that a killed process left anywhere under ``root``, and return their paths.

    Call it only while holding the workspace's lock.
    """
    removed = []
    for folder, _, names in os.walk(root):
        for name in names:
            if _TEMPORARY.match(name):
                path = Path(folder, name)
                with contextlib.suppress(OSError):
                    path.unlink()
                    removed.append(path)
    return removed
