"""Exports sent over the network as they are read: a file as it is, a folder as a ZIP archive that is never stored."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zipstream import ZIP_STORED, ZipStream

from .target import CONTENTS, folder_contents

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
