"""The interface of encoders, the choice of one, and the registry of encoder families.

The contract, tested over every family: rows are unit vectors, they do not depend on the batch size, equal inputs give
equal rows in every run, unreadable inputs give ``ok`` False and zeros, and nothing touches the network unless that is
allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import EncoderError
from ...registry import Registry
from ...types import Bool, Dataset, EncoderSpec, Float32, Modality, ProgressFn

Pixels = NDArray[np.uint8]
"""(m, height, width, 3) RGB."""

ImageWork = Callable[[list[bytes | str]], tuple[Pixels, Bool]]
"""Bytes of images (or the reason why there are none) → pixels in the encoder's size, zeros where unreadable, and which
rows are readable. Picklable and light: it runs in worker processes."""


@dataclass(frozen=True)
class EncoderInfo:
    """One line of ``winnow encoders``.

    Attributes
    ----------
    name
        What ``--encoder`` takes.
    modality
        What it encodes.
    dim
        Width of its vectors; 0 = known when loaded.
    cached
        Whether it can be used without a download.
    downloadable
        Whether its weights can be downloaded.
    note
        A few words for the person.
    """

    name: str
    modality: Modality
    dim: int
    cached: bool
    downloadable: bool
    note: str = ""


class BaseEncoder:
    """Base of all encoders, with the methods that the embedding loop calls; families override what applies to them.

    Attributes
    ----------
    spec
        Identifies the encoder; ``dim`` may shrink when an encoder is fitted on a tiny dataset.
    batch
        Rows per call that suit the device.
    fitted
        True when :meth:`fit` must run on the dataset before anything is encoded.
    """

    spec: EncoderSpec
    batch: int = 256
    fitted: bool = False

    def fit(self, dataset: Dataset, progress: ProgressFn) -> None:
        """Fit the encoder on the dataset (only if ``fitted``); deterministic."""

    def save(self, folder: Path) -> None:
        """Write what was fitted into the folder."""

    def load(self, folder: Path) -> None:
        """Read what was fitted from the folder."""

    def image_work(self) -> ImageWork:
        """Give the function that turns image bytes into this encoder's pixels."""
        raise EncoderError(f"{self.spec.name} does not encode images.")

    def encode_pixels(self, pixels: Pixels) -> Float32:
        """Encode pixels from :meth:`image_work`: (m, d) float32."""
        raise EncoderError(f"{self.spec.name} does not encode images.")

    def encode_images(self, images: Sequence[Any]) -> Float32:
        """Encode image bytes or Pillow images: (m, d) float32 unit rows, zeros for what cannot be decoded."""
        pixels, good = self.image_work()([_as_bytes(i) for i in images])
        vectors = unit_rows(self.encode_pixels(pixels))
        vectors[np.logical_not(good)] = 0
        return vectors

    def encode_texts(self, texts: Sequence[str]) -> Float32:
        """Encode texts: (m, d) float32."""
        raise EncoderError(f"{self.spec.name} does not encode text: choose an encoder with a text tower.")


def _as_bytes(image: Any) -> bytes | str:
    if isinstance(image, (bytes, str)):
        return image
    import io

    out = io.BytesIO()
    image.convert("RGB").save(out, "PNG")
    return out.getvalue()


def unit_rows(vectors: NDArray[Any]) -> Float32:
    """Divide rows (n, d) by their Euclidean norms: float32; rows that are zero or not finite become zeros."""
    v = np.asarray(vectors, np.float32)
    finite = np.asarray(np.isfinite(v).all(axis=1))
    v = np.where(finite[:, None], v, np.float32(0))
    norm = np.linalg.norm(v.astype(np.float64), axis=1, keepdims=True)
    return (v / np.where(norm > 1e-12, norm, 1.0)).astype(np.float32)


@dataclass(frozen=True)
class EncoderChoice:
    """An encoder that was chosen and is available, not loaded yet.

    Attributes
    ----------
    spec
        Identifies it; known before loading.
    device
        "cpu" or "cuda[:i]".
    build
        Loads it.
    notices
        Sentences for the person (such as a fallback).
    build_on
        Loads it on the device of that name; None where several GPUs cannot share it.
    """

    spec: EncoderSpec
    device: str
    build: Callable[[], BaseEncoder]
    notices: tuple[str, ...] = ()
    build_on: Callable[[str], BaseEncoder] | None = None

    @property
    def name(self) -> str:
        """The name under which it can be chosen."""
        return self.spec.name


class Family(Protocol):
    """A family of encoders, chosen by ``name`` or ``name:rest``."""

    name: str

    def infos(self) -> list[EncoderInfo]:
        """List what this family offers on this machine, without touching the network."""

    def choose(self, rest: str, device: str, allow_network: bool) -> EncoderChoice:
        """Resolve ``name:rest``; raises EncoderError (unknown) or WeightsUnavailable (cannot be loaded here)."""


FAMILIES: Registry[Family] = Registry("encoder family")
"""Every family of encoders."""
