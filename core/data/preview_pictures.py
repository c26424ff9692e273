"""The first pictures of a source, small, to look at before it is scanned."""

from __future__ import annotations

import io
from pathlib import Path

from ..types import ColumnMap, Modality, quiet
from .media import Undecodable, decode
from .sources import MediaReader, find_source
from .sources.build import build_dataset

SIDE = 96
"""Longest side of a picture, in pixels."""


def preview_pictures(path: Path | str, columns: ColumnMap | None = None, rows: int = 8) -> list[tuple[str, bytes]]:
    """Read the first images of an input, without reading the rest where possible.

    Parameters
    ----------
    path, columns
        As for :func:`winnow.core.data.sources.open_source`, which also says what is raised.
    rows
        How many samples are looked at, at least 1.

    Returns
    -------
    list
        (label, "" = none; WebP of at most SIDE pixels a side) of each that can be decoded; [] without images.
    """
    where = Path(path).expanduser()
    dataset = build_dataset(find_source(where).read(where, max(1, rows), quiet), columns or ColumnMap(), quiet)
    if dataset.modality not in (Modality.IMAGE, Modality.PAIR):
        return []
    reader, pictures = MediaReader(dataset), []
    for row in range(min(rows, dataset.n)):
        try:
            picture = decode(reader.read(row), lambda w, h: (SIDE, SIDE))
        except (OSError, Undecodable):
            continue
        picture.thumbnail((SIDE, SIDE))
        out = io.BytesIO()
        picture.save(out, "WEBP", quality=80)
        code = int(dataset.labels[row])
        pictures.append((dataset.class_names[code] if code >= 0 else "", out.getvalue()))
    return pictures
