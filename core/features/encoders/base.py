"""What an encoder is, what a choice of one is, and the registry of encoder families.

The contract (``tests/contract/test_encoders.py`` runs over every family): rows are unit vectors, they do not depend on
the batch size, equal inputs give equal rows in every run, unreadable inputs are answered with ``ok`` False and zeros,
and nothing touches the network unless it was allowed.
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
"""Cells (bytes, or the reason why there are none) → pixels as the encoder wants them, and which rows are good (zeros
elsewhere). Picklable and light: it runs in worker processes."""


@dataclass(frozen=True)
class EncoderInfo:
    """One line of ``winnow encoders``. dim 0 = known when loaded. cached : usable without a download."""

    name: str
    modality: Modality
    dim: int
    cached: bool
    downloadable: bool
    note: str = ""


class BaseEncoder:
    """Base of all encoders: what the embedding loop calls. Families override what applies to them.

    Attributes
    ----------
    spec
        What makes the vectors; ``dim`` may shrink when a fitted encoder meets a tiny dataset.
    batch
        Rows per call that suit the device.
    fitted
        True when :meth:`fit` must run on the dataset before anything is encoded.
    """

    spec: EncoderSpec
    batch: int = 256
    fitted: bool = False

    def fit(self, dataset: Dataset, progress: ProgressFn) -> None:
        """Learn from the dataset itself (only if ``fitted``). Deterministic."""

    def save(self, folder: Path) -> None:
        """Write what was fitted."""

    def load(self, folder: Path) -> None:
        """Read what was fitted."""

    def image_work(self) -> ImageWork:
        """The function that turns image bytes into this encoder's pixels."""
        raise EncoderError(f"{self.spec.name} does not encode images.")

    def encode_pixels(self, pixels: Pixels) -> Float32:
        """(m, d) float32 of pixels made by :meth:`image_work`."""
        raise EncoderError(f"{self.spec.name} does not encode images.")

    def encode_images(self, images: Sequence[Any]) -> Float32:
        """(m, d) float32 unit rows of image bytes or Pillow images; zeros for what cannot be decoded."""
        pixels, good = self.image_work()([_as_bytes(i) for i in images])
        vectors = unit_rows(self.encode_pixels(pixels))
        vectors[np.logical_not(good)] = 0
        return vectors

    def encode_texts(self, texts: Sequence[str]) -> Float32:
        """(m, d) float32 of texts."""
        raise EncoderError(f"{self.spec.name} does not encode text: choose an encoder with a text tower.")


def _as_bytes(image: Any) -> bytes | str:
    if isinstance(image, (bytes, str)):
        return image
    import io

    out = io.BytesIO()
    image.convert("RGB").save(out, "PNG")
    return out.getvalue()


def unit_rows(vectors: NDArray[Any]) -> Float32:
    """Rows divided by their Euclidean norm; rows that are zero or not finite become zeros."""
    v = np.asarray(vectors, np.float32)
    finite = np.asarray(np.isfinite(v).all(axis=1))
    v = np.where(finite[:, None], v, np.float32(0))
    norm = np.linalg.norm(v.astype(np.float64), axis=1, keepdims=True)
    return (v / np.where(norm > 1e-12, norm, 1.0)).astype(np.float32)


@dataclass(frozen=True)
class EncoderChoice:
    """An encoder that was chosen and can be had, not loaded yet.

    Attributes
    ----------
    spec
        Known before loading.
    device
        "cpu" or "cuda[:i]".
    build
        Loads it.
    notices
        What a person must know (a fallback is named here).
    """

    spec: EncoderSpec
    device: str
    build: Callable[[], BaseEncoder]
    notices: tuple[str, ...] = ()
    build_on: Callable[[str], BaseEncoder] | None = None
    """Loads it on a device of that name, for encoders that several GPUs can share."""

    @property
    def name(self) -> str:
        return self.spec.name


class Family(Protocol):
    """One kind of encoders, called ``name`` or ``name:rest``."""

    name: str

    def infos(self) -> list[EncoderInfo]:
        """What this family offers here, without touching the network."""
        ...

    def choose(self, rest: str, device: str, allow_network: bool) -> EncoderChoice:
        """Resolve ``name:rest``. Raises EncoderError (unknown) or WeightsUnavailable (cannot be had)."""
        ...


FAMILIES: Registry[Family] = Registry("encoder family")
"""Every family of encoders."""
