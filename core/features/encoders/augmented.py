"""Strongly augmented views of images, seen by the chosen encoder."""

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
from .replicas import build_on_all_devices

if TYPE_CHECKING:
    from torchvision.transforms.v2 import Transform

_SMALLEST_CROP = 0.4
_OPERATIONS, _MAGNITUDE = 2, 9


def augmented(choice: EncoderChoice, fitted_in: Path, view: int) -> EncoderChoice:
    """Give the same encoder, which distorts every image first.

    Parameters
    ----------
    choice
        An encoder of images.
    fitted_in
        Folder of its embeddings (a fitted encoder is read from there, never fitted again).
    view
        Number of the view, ≥ 0.

    Notes
    -----
    A random crop of at least 40% of the area, then two operations of RandAugment at magnitude 9, as torchvision
    implements them. Nothing is mirrored, because some classes differ only in that. The draw depends on the image and
    the view alone, so that a resumed or repeated scan gives the same vectors.

    References
    ----------
    Cubuk et al. (2020), "RandAugment: Practical automated data augmentation with a reduced search space".
    """
    spec = replace(choice.spec, preprocessing=f"{choice.spec.preprocessing} view {view}")

    def build() -> BaseEncoder:
        # one wrapper around all copies: the transforms draw from torch's one generator, which copies would race for
        return _Augmented(load_fitted(choice, fitted_in, build_on_all_devices), spec, view)

    return replace(choice, spec=spec, build=build, build_on=None, notices=())


class _Augmented(BaseEncoder):
    """Distorts pixels before the encoder sees them."""

    def __init__(self, encoder: BaseEncoder, spec: EncoderSpec, view: int) -> None:
        self._encoder, self._view = encoder, view
        self.spec, self.batch = spec, encoder.batch
        self.device = getattr(encoder, "device", "cpu")

    def image_work(self) -> ImageWork:
        """Give the image function of the encoder itself."""
        return self._encoder.image_work()

    def encode_pixels(self, pixels: Pixels) -> Float32:
        """Distort the pixels, then encode them."""
        return self._encoder.encode_pixels(
            np.stack([distort(p, self._view) for p in pixels]) if len(pixels) else pixels
        )


@cache
def _transform(height: int, width: int) -> Transform:
    from torchvision.transforms import v2

    crop = v2.RandomResizedCrop((height, width), scale=(_SMALLEST_CROP, 1.0), antialias=True)
    return v2.Compose([crop, v2.RandAugment(num_ops=_OPERATIONS, magnitude=_MAGNITUDE)])


def distort(image: Any, view: int) -> Any:
    """Distort a (height, width, 3) uint8 image; the same image and view give the same result."""
    import torch

    digest = hashlib.blake2b(image.tobytes(), digest_size=7, salt=view.to_bytes(4, "big")).digest()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int.from_bytes(digest, "big"))
        out = _transform(*image.shape[:2])(torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))))
    return out.numpy().transpose(1, 2, 0)
