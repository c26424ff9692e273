"""Files sent over the network as they are read: a file as it is, a folder as a ZIP archive that is never stored."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from zipstream import ZIP_STORED, ZipStream

from ..errors import ExportError
from .target import CONTENTS, folder_contents, plain_name, reason_of

CHUNK = 1 << 20


@dataclass(frozen=True)
class Download:
    """What a browser gets.

    Attributes
    ----------
    name
        Of the file.
    size
        In bytes; known before it is read, since nothing is compressed.
    chunks
        Its content, about 1 MiB at a time.
    """

    name: str
    size: int
    chunks: Iterator[bytes]


def open_download(path: Path) -> Download:
    """Read an export to be sent.

    Parameters
    ----------
    path
        A file, or the folder of an export: its files go into one archive, links do not.

    Raises
    ------
    OSError
        It cannot be read.
    """
    if not path.is_dir():
        return Download(path.name, os.path.getsize(path), _read(path))
    archive = ZipStream(compress_type=ZIP_STORED, sized=True)
    for name in (CONTENTS, *folder_contents(path)):
        file = path / name
        if file.is_file() and not file.is_symlink():
            archive.add_path(str(file), f"{path.name}/{name}")
    return Download(f"{path.name}.zip", len(archive), iter(archive))


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def made_download(name: str, write: Callable[[Path], object]) -> Download:
    """Write a file that is there only while it is sent.

    Parameters
    ----------
    name
        Of the file; becomes a plain file name.
    write
        Called with the path at which to write it, in a folder of its own for temporary files.

    Raises
    ------
    ExportError
        There is no room for temporary files, or they cannot be written; and what ``write`` raises.
    """
    try:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="winnow-", ignore_cleanup_errors=True))
            path = Path(folder) / plain_name(name)
            write(path)
            download = open_download(path)
            return replace(download, chunks=_sent(stack.pop_all(), download.chunks))
    except OSError as error:
        raise ExportError(f"A temporary file for {name!r} cannot be written: {reason_of(error)}.") from error


def _sent(folder: ExitStack, chunks: Iterator[bytes]) -> Iterator[bytes]:
    with folder:  # removed as well where nobody reads a single chunk: the folder is then no longer referenced
        yield from chunks
