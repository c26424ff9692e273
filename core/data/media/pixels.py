"""Pixels as image encoders need them, prepared in worker processes.

Pillow and NumPy only: importing torch in every worker would cost seconds and gigabytes. The steps are those of
open_clip's and torchvision's transforms on Pillow images, up to the conversion to floats, which the encoder does on its
device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ...types import Bool
from .decode import Undecodable, decode

_FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "random": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True)
class Fit:
    """How an image becomes ``height`` × ``width`` pixels.

    Attributes
    ----------
    height, width
        Of the result, in pixels.
    mode
        "shortest" (resize the shorter side, crop the centre), "longest" (resize the longer side, pad with ``fill``)
        or "squash" (change the aspect).
    interpolation
        "bicubic", "bilinear" or "lanczos".
    fill
        Grey value of the padding, 0–255.
    reserve
        A JPEG is decoded at a reduced size that is at least this many times the size needed; 0 = always at full size.
    """

    height: int
    width: int
    mode: str = "shortest"
    interpolation: str = "bicubic"
    fill: int = 0
    reserve: int = 2

    def __call__(self, cells: list[bytes | str]) -> tuple[NDArray[np.uint8], Bool]:
        """Decode and fit a batch.

        Parameters
        ----------
        cells
            (m,) bytes of image files; a str is the reason why there are none.

        Returns
        -------
        pixels
            (m, height, width, 3) uint8, zeros where not decoded.
        good
            (m,) bool, which rows were decoded.
        """
        out = np.zeros((len(cells), self.height, self.width, 3), np.uint8)
        good = np.zeros(len(cells), bool)
        for i, cell in enumerate(cells):
            if isinstance(cell, str):
                continue
            try:
                out[i] = np.asarray(self.image(decode(cell, self.min_size if self.reserve else None)))
            except Undecodable:
                continue
            good[i] = True
        return out, good

    def min_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height to which an image of this size may be reduced while it is decoded."""
        w, h = (self.width, self.height) if self.mode == "squash" else self._size(width, height)
        return self.reserve * max(w, 1), self.reserve * max(h, 1)

    def image(self, image: Image.Image) -> Image.Image:
        """Resize one RGB image, and crop or pad it."""
        resample = _FILTERS[self.interpolation]
        if self.mode == "squash":
            return image.resize((self.width, self.height), resample)
        w, h = self._size(*image.size)
        resized = image.resize((w, h), resample) if (w, h) != image.size else image
        return self._centre(resized)

    @property
    def _colour(self) -> tuple[int, int, int]:
        """Of the padding."""
        return (self.fill, self.fill, self.fill)

    def _size(self, w: int, h: int) -> tuple[int, int]:
        if self.mode == "shortest" and self.height == self.width:  # torchvision.transforms.Resize(int)
            side = self.height
            return (side, int(side * h / w)) if w <= h else (int(side * w / h), side)
        ratios = (h / self.height, w / self.width)
        ratio = max(ratios) if self.mode == "longest" else min(ratios)
        return max(1, round(w / ratio)), max(1, round(h / ratio))

    def _centre(self, image: Image.Image) -> Image.Image:
        dw, dh = max(0, self.width - image.width), max(0, self.height - image.height)
        if dw or dh:
            box = (dw // 2, dh // 2, (dw + 1) // 2, (dh + 1) // 2)
            image = ImageOps.expand(image, box, self._colour)
        top = round((image.height - self.height) / 2.0)
        left = round((image.width - self.width) / 2.0)
        return image.crop((left, top, left + self.width, top + self.height))


@dataclass(frozen=True)
class CroppedFit(Fit):
    """A fit to a larger size, of which the centre is cut out: timm's transforms for evaluation.

    Attributes
    ----------
    share
        Height and width of the result as a share of those before the cut (timm's ``crop_pct``), in (0, 1].
    colour
        RGB of the padding, each 0–255.
    """

    share: float = 1.0
    colour: tuple[int, int, int] = (0, 0, 0)

    @property
    def _colour(self) -> tuple[int, int, int]:
        return self.colour

    def _whole(self) -> Fit:
        """The fit before the cut."""
        height, width = (math.floor(side / self.share) for side in (self.height, self.width))
        return Fit(height, width, self.mode, self.interpolation, self.fill, self.reserve)

    def _size(self, w: int, h: int) -> tuple[int, int]:
        whole = self._whole()
        return (whole.width, whole.height) if self.mode == "squash" else whole._size(w, h)

    def min_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height to which an image of this size may be reduced while it is decoded."""
        w, h = self._size(width, height)
        return self.reserve * max(w, 1), self.reserve * max(h, 1)

    def image(self, image: Image.Image) -> Image.Image:
        """Resize one RGB image, and cut or pad it."""
        size = self._size(*image.size)
        return self._centre(image.resize(size, _FILTERS[self.interpolation]) if size != image.size else image)
