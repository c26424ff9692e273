"""Names and bytes of the files in a folder export."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path
from urllib.parse import quote
from zlib import crc32

from ...errors import ExportError, SourceError
from .base import Item, Supplies

_LONGEST = 150
_MAGIC = (
    (b"\x89PNG", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF8", ".gif"),
    (b"BM", ".bmp"),
    (b"II*\x00", ".tiff"),
    (b"MM\x00*", ".tiff"),
)

_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "eval": "test",
}


def safe_name(text: str) -> str:
    """Make a text a file name for every file system: other characters as ``%XX``, long ones cut with a digest.

    Different texts get different names.

    >>> safe_name("a/b c.png"), safe_name(".."), safe_name("reh")
    ('a%2Fb%20c.png', '%2E%2E', 'reh')
    """
    name = quote(text, safe="", errors="surrogatepass")
    if name.startswith(".") or not name:
        name = "%2E" * len(name) if set(name) <= {"."} and name else ("%2E" + name[1:] if name else "%00")
    if len(name) > _LONGEST:
        name = f"{name[: _LONGEST - 20]}~{blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=8).hexdigest()}"
    return name


def suffix_of(data: bytes) -> str:
    """The usual file name suffix of an image by its first bytes; ".img" where they are of no known kind."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    return next((suffix for magic, suffix in _MAGIC if data.startswith(magic)), ".img")


def put_image(item: Item, folder: Path, supplies: Supplies) -> str | None:
    """Write (or link) the image of an item into ``folder``. Returns the file's name, None where it cannot be read."""
    assert supplies.image is not None
    stem = safe_name(item.sample_id)
    original = supplies.path(item.row) if supplies.links else None
    if original is not None:
        suffix = original.suffix.lower()
        name = stem if suffix and stem.lower().endswith(suffix) else stem + suffix
        os.symlink(os.path.realpath(original), folder / name)
        return name
    try:
        data = supplies.image(item.row)
    except SourceError:
        return None
    suffix = suffix_of(data)
    name = stem if Path(stem).suffix.lower() in (suffix, {".jpg": ".jpeg"}.get(suffix)) else stem + suffix
    (folder / name).write_bytes(data)
    return name


def split_of(item: Item) -> str:
    """Return train, val or test for their usual names, any other name unchanged, "" = none."""
    return _SPLITS.get(item.split.casefold(), item.split)


def drawn_split(item: Item, share: float = 0.2) -> str:
    """Assign val to a fixed fifth of all ids, else train: for layouts that must have both."""
    return "val" if crc32(item.sample_id.encode("utf-8", "surrogatepass")) % 1000 < 1000 * share else "train"


def need_images(supplies: Supplies, title: str) -> None:
    """Check that there are images to write.

    Raises
    ------
    ExportError
        The dataset has none.
    """
    if supplies.image is None:
        raise ExportError(
            f"{title} holds images, and this dataset has none. Choose Parquet, JSON Lines or Hugging Face."
        )
