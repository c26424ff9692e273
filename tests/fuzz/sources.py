"""A coverage-guided fuzz target for the sources: any bytes under any name are a dataset, or a SourceError in words.

make fuzz                    ten minutes, beginning with the hostile tables and pictures
make fuzz FUZZ_SECONDS=60    shorter
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["winnow.core.data.sources", "winnow.core.data.media"]):
    from winnow.core.data.media.decode import Undecodable, decode
    from winnow.core.data.sources import open_source, preview
    from winnow.core.errors import SourceError

from tests.helpers.hostile import pictures, tables

SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".parquet", ".npy", ".csv.gz", "")
FOLDER = Path(tempfile.mkdtemp(prefix="winnow-fuzz-"))


def one(data: bytes) -> None:
    """The first byte says which kind of file it is; ``SUFFIXES[-1]``: a picture."""
    if not data:
        return
    suffix, body = SUFFIXES[data[0] % len(SUFFIXES)], data[1:]
    if not suffix:
        with contextlib.suppress(Undecodable):
            decode(body)
        return
    path = FOLDER / f"x{suffix}"
    path.write_bytes(body)
    for look in (preview, open_source):
        with contextlib.suppress(SourceError):
            look(path)


def seeds(folder: Path) -> None:
    """The corpus that is begun with: every hostile file that is not large."""
    with tempfile.TemporaryDirectory() as made:
        found = [(p.suffixes, p.read_bytes()) for p in tables(Path(made)) if p.is_file() and p.stat().st_size < 20_000]
    found += [([""], data) for data in pictures(bombs=False).values() if len(data) < 20_000]
    for number, (suffixes, data) in enumerate(found):
        kind = SUFFIXES.index("".join(suffixes)) if "".join(suffixes) in SUFFIXES else len(SUFFIXES) - 1
        (folder / str(number)).write_bytes(bytes([kind]) + data)


if __name__ == "__main__":
    corpus = Path(sys.argv.pop(1))
    corpus.mkdir(parents=True, exist_ok=True)
    if not any(corpus.iterdir()):
        seeds(corpus)
    atheris.Setup([*sys.argv, str(corpus)], one)
    atheris.Fuzz()
