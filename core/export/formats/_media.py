"""Names and bytes of the files in a folder export."""

from __future__ import annotations

import os
import re
import unicodedata
from hashlib import blake2b
from pathlib import Path
from zlib import crc32

from ...data.media.decode import Undecodable, begins_like_image, decode
from ...errors import ExportError, SourceError
from ..target import RESERVED, reason_of
from .base import Item, Supplies

_LONGEST = 200
"""Bytes of a file name, so that a suffix still fits into the 255 of most file systems."""

_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|\ud800-\udfff]|%(?=[0-9A-Fa-f]{2})|^[. ]+|[. ]+$')
BROKEN = "broken"
"""How the reason begins where the bytes are no whole picture."""

_MAGIC = (
    (b"\x89PNG", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF8", ".gif"),
    (b"BM", ".bmp"),
    (b"II*\x00", ".tiff"),
    (b"MM\x00*", ".tiff"),
    (b"\x00\x00\x00\x0cjP  ", ".jp2"),
    (b"\xff\x4f\xff\x51", ".jp2"),
    (b"\x00\x00\x01\x00", ".ico"),
    *((b"P%d" % kind, suffix) for kind, suffix in zip(range(1, 7), (".pbm", ".pgm", ".ppm") * 2, strict=True)),
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
    """Make a text a file name for every file system: what one forbids as ``%XX``, long ones cut with a digest.

    Different texts get different names, which may still be the same to a file system without upper and lower case (see
    :class:`Names`); ``urllib.parse.unquote`` undoes it, except for a cut.

    >>> safe_name("a/b c.png"), safe_name(".."), safe_name("100% reh"), safe_name("a%2Fb")
    ('a%2Fb c.png', '%2E%2E', '100% reh', 'a%252Fb')
    """
    name = _FORBIDDEN.sub(_encoded, text) or "%00"
    if name.partition(".")[0].rstrip().casefold() in RESERVED:
        name = f"%{ord(name[0]):02X}{name[1:]}"
    if len(name.encode()) > _LONGEST:
        name = f"{name.encode()[: _LONGEST - 20].decode('utf-8', 'ignore')}~{_digest(text)}"
    return name


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


class Names:
    """Names in one folder, no two of them the same to a file system without upper and lower case or Unicode forms.

    The first text of such a pair keeps its :func:`safe_name`, the others get a digest of the text behind it.

    Parameters
    ----------
    by_stem
        Whether names that differ in the suffix alone count as the same.

    >>> names = Names()
    >>> names.of("Cat"), names.of("cat"), names.of("Cat")
    ('Cat', 'cat~3327dd2c7b9d982f', 'Cat')
    """

    def __init__(self, by_stem: bool = False) -> None:
        self._by_stem = by_stem
        self._names: dict[str, str] = {}
        self._taken: set[str] = set()

    def of(self, text: str) -> str:
        """The name of a text, the same for every call."""
        if text not in self._names:
            self._names[text] = self.new(text)
        return self._names[text]

    def new(self, text: str, suffix: str = "", joint: str = "~") -> str:
        """A further name, which ends in ``suffix`` unless the text does. ``joint`` comes before the digest."""
        name = safe_name(text)
        if suffix and Path(name).suffix.lower() in (suffix, {".jpg": ".jpeg"}.get(suffix)):
            name, suffix = name[: -len(Path(name).suffix)], Path(name).suffix
        if self._key(name, suffix) in self._taken:
            name += joint + _digest(text)
        self._taken.add(self._key(name, suffix))
        return name + suffix

    def _key(self, name: str, suffix: str) -> str:
        whole = unicodedata.normalize("NFC", name if self._by_stem else name + suffix)
        return unicodedata.normalize("NFC", whole.casefold())

    def changed(self) -> dict[str, str]:
        """Name → text, where they differ."""
        return {name: text for text, name in sorted(self._names.items()) if name != text}


def _encoded(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match.group().encode("utf-8", "surrogatepass"))


def suffix_of(data: bytes) -> str:
    """The usual file name suffix of an image by its first bytes; ".img" where they are of no known kind."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    if data[4:12] in (b"ftypavif", b"ftypavis"):
        return ".avif"
    return next((suffix for magic, suffix in _MAGIC if data.startswith(magic)), ".img")


def read_image(item: Item, supplies: Supplies) -> bytes | None:
    """Read the image of an item if it is a picture that may be exported; else None, with the reason in ``left_out``."""
    assert supplies.image is not None
    try:
        data = supplies.image(item.row)
        if not (supplies.keep_broken and begins_like_image(data)):
            decode(data, min_size=lambda width, height: (max(width // 8, 1), max(height // 8, 1)))
        return data
    except Undecodable as error:
        supplies.left_out[item.sample_id] = f"{BROKEN}: {error}"
    except (SourceError, OSError) as error:
        supplies.left_out[item.sample_id] = reason_of(error)
    return None


def put_image(item: Item, folder: Path, supplies: Supplies, names: Names) -> str | None:
    """Write (or link) the image of an item into ``folder``. Returns the file's name, None where it is left out."""
    data = read_image(item, supplies)
    if data is None:
        return None
    original = supplies.path(item.row) if supplies.links else None
    if original is not None:
        name = names.new(item.sample_id, original.suffix.lower())
        os.symlink(os.path.realpath(original), folder / name)
        return name
    name = names.new(item.sample_id, suffix_of(data))
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
