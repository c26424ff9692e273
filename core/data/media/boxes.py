"""Objects as samples: the image of a sample is the part of a picture inside its box, cut out when it is asked for.

``Dataset.uris`` name picture and box as media fragments do (W3C Media Fragments URI 1.0): ``a.jpg#xywh=10,20,30,40``,
in pixels, with fractions. Nothing is written to disk. The last picture stays decoded, so that the boxes of one picture,
which follow each other, cost one decoding.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from ...errors import SourceError
from ...types import Dataset, Float32, Int64, MediaRef, Strings
from .decode import Undecodable, decode
from .reader import READERS, Cell, find_file, read_file

BOXES = "boxes"
"""The kind of :class:`~winnow.core.types.MediaRef` of objects."""
LEAST_SIDE = 8
"""Pixels of the shorter side of a box below which a person could not judge what is in it."""
PAD = 0.1
"""Share of the longer side of a box that is shown around it."""
MOST_OUTSIDE = 1.0
"""Pixels that a box may reach out of its picture: rounding does that."""
_FRAGMENT = re.compile(r"#xywh=(-?[\d.e+-]+),(-?[\d.e+-]+),(-?[\d.e+-]+),(-?[\d.e+-]+)$")


def box_uri(picture: str, corners: tuple[float, float, float, float]) -> str:
    """Name a part of a picture.

    >>> box_uri("a.jpg", (10, 20.5, 3, 4))
    'a.jpg#xywh=10,20.5,3,4'
    """
    return f"{picture}#xywh={','.join(f'{v:.10g}' for v in corners)}"


def split_uri(uri: str) -> tuple[str, tuple[float, float, float, float] | None]:
    """Give picture and box; no box where the name has none.

    >>> split_uri("a.jpg#xywh=10,20.5,3,4")
    ('a.jpg', (10.0, 20.5, 3.0, 4.0))
    """
    match = _FRAGMENT.search(uri)
    if match is None:
        return uri, None
    x, y, w, h = (float(v) for v in match.groups())
    return uri[: match.start()], (x, y, w, h)


def picture_numbers(dataset: Dataset) -> Int64 | None:
    """(n,) int64: samples with the same number are objects of one picture; None where samples are not objects."""
    if dataset.media.kind != BOXES or dataset.uris is None:
        return None
    return np.unique([split_uri(uri)[0] for uri in dataset.uris], return_inverse=True)[1].astype(np.int64)


def box_corners(dataset: Dataset) -> Float32 | None:
    """(n, 4) float32 x, y, width and height in pixels, NaN where there is no box; None where samples are no objects."""
    if dataset.media.kind != BOXES or dataset.uris is None:
        return None
    none = (np.nan,) * 4
    return np.array([split_uri(uri)[1] or none for uri in dataset.uris], np.float32).reshape(-1, 4)


def box_features(dataset: Dataset) -> Float32 | None:
    """Size, aspect and place of every box, as a label view: (n, 6) float32 unit rows; None without boxes.

    Logarithms of width, height and their ratio and both coordinates of the centre, each over its spread, with a
    constant beside them that keeps what the length of a row says. Rows without a box of positive size are zero.
    """
    corners = box_corners(dataset)
    if corners is None:
        return None
    x, y, w, h = corners.T
    ok = (w > 0) & (h > 0)
    out = np.zeros((len(corners), 6), np.float32)
    if ok.sum() >= 2:
        side = np.log(corners[ok, 2:])
        features = np.column_stack([side, side[:, 0] - side[:, 1], (x + w / 2)[ok], (y + h / 2)[ok]])
        scaled = (features - np.median(features, 0)) / np.maximum(features.std(0), 1e-6)
        rows = np.column_stack([np.clip(scaled, -5, 5), np.full(len(scaled), 2.0)])
        out[ok] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return out


def crop(picture: Image.Image, corners: tuple[float, float, float, float]) -> Image.Image:
    """Cut out a box with a tenth of its longer side around it, as far as the picture goes.

    Raises
    ------
    OSError
        The box has no area, is too small to be judged, or reaches out of the picture; with the numbers.
    """
    x, y, w, h = corners
    if w <= 0 or h <= 0:
        raise OSError(f"the box has no area ({w:g} × {h:g} pixels)")
    by = max(-x, -y, x + w - picture.width, y + h - picture.height)
    if by > MOST_OUTSIDE:
        raise OSError(f"the box reaches {by:g} pixels out of its picture, which has {picture.width} × {picture.height}")
    if min(w, h) < LEAST_SIDE:
        raise OSError(f"the box has {w:g} × {h:g} pixels; under {LEAST_SIDE} nobody could judge what is in it")
    pad = PAD * max(w, h)
    left, top = max(int(x - pad), 0), max(int(y - pad), 0)
    right, bottom = min(int(np.ceil(x + w + pad)), picture.width), min(int(np.ceil(y + h + pad)), picture.height)
    return picture.crop((left, top, right, bottom))


class _Boxes:
    def __init__(self, media: MediaRef, uris: Strings | None) -> None:
        if uris is None:
            raise SourceError("This dataset has no boxes to read.")
        self._root = Path(media.root).resolve()
        self._uris = uris
        self._last: tuple[str, Image.Image | OSError] | None = None

    def path(self, row: int) -> None:
        """None: the image of an object is no file."""

    def read(self, row: int) -> bytes:
        name, corners = split_uri(self._uris[row])
        if corners is None:
            raise OSError("the annotation has no box of four numbers")
        part = crop(self._picture(name), corners)
        out = io.BytesIO()
        part.save(out, "PNG", compress_level=1)
        return out.getvalue()

    def _picture(self, name: str) -> Image.Image:
        if self._last is None or self._last[0] != name:
            self._last = (name, self._decoded(name))
        if isinstance(self._last[1], OSError):
            raise self._last[1]
        return self._last[1]

    def _decoded(self, name: str) -> Image.Image | OSError:
        file = find_file(self._root, name).resolve()
        if not name or not file.is_relative_to(self._root):
            return OSError("its picture does not lie in the folder of the pictures")
        try:
            return decode(read_file(file))
        except (OSError, Undecodable) as error:
            return OSError(f"its picture cannot be used: {error}")

    def iter(self, rows: Iterable[int]) -> Iterator[tuple[int, Cell]]:
        for row in rows:
            try:
                yield row, self.read(row)
            except OSError as error:
                yield row, error


READERS.register(BOXES)(_Boxes)
