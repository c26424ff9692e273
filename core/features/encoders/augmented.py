"""Strongly augmented views of images through an encoder that has been chosen: what a sample looks like when distorted."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...types import EncoderSpec, Float32
from .base import BaseEncoder, EncoderChoice, ImageWork, Pixels
from .embed import load_fitted

if TYPE_CHECKING:
    from torchvision.transforms.v2 import Transform

_SMALLEST_CROP = 0.4
_OPERATIONS, _MAGNITUDE = 2, 9


def augmented(choice: EncoderChoice, fitted_in: Path, view: int) -> EncoderChoice:
    """The same encoder, looking at distorted pictures.

    A random crop of at least 40% of the area, then two operations of RandAugment (Cubuk et al. 2020) at magnitude 9, as
    torchvision has them. Nothing is mirrored: some classes differ by nothing else. The draw depends on the picture and
    the view alone, so that a resumed or repeated run gives the same vectors.

    Parameters
    ----------
    choice
        An encoder of images.
    fitted_in
        Where its embeddings lie (a fitted encoder is read from there, never fitted again).
    view
        Number of the view, ≥ 0.
    """
    spec = replace(choice.spec, preprocessing=f"{choice.spec.preprocessing} view {view}")
    return replace(choice, spec=spec, build=lambda: _Augmented(load_fitted(choice, fitted_in), spec, view), notices=())


class _Augmented(BaseEncoder):
    """Distorts pixels before the encoder sees them."""

    def __init__(self, encoder: BaseEncoder, spec: EncoderSpec, view: int) -> None:
        self._encoder, self._view = encoder, view
        self.spec, self.batch = spec, encoder.batch

    def image_work(self) -> ImageWork:
        return self._encoder.image_work()

    def encode_pixels(self, pixels: Pixels) -> Float32:
        return self._encoder.encode_pixels(
            np.stack([distort(p, self._view) for p in pixels]) if len(pixels) else pixels
        )


@cache
def _transform(height: int, width: int) -> Transform:
    from torchvision.transforms import v2

    crop = v2.RandomResizedCrop((height, width), scale=(_SMALLEST_CROP, 1.0), antialias=True)
    return v2.Compose([crop, v2.RandAugment(num_ops=_OPERATIONS, magnitude=_MAGNITUDE)])


def distort(picture: Any, view: int) -> Any:
    """One (height, width, 3) uint8 picture, distorted; the same for the same picture and view."""
    import torch

    digest = hashlib.blake2b(picture.tobytes(), digest_size=7, salt=view.to_bytes(4, "big")).digest()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int.from_bytes(digest, "big"))
        out = _transform(*picture.shape[:2])(torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))))
    return out.numpy().transpose(1, 2, 0)
