"""The same encoder on every GPU of the machine, each for its share of a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np

from ...types import Float32
from .base import BaseEncoder, EncoderChoice, ImageWork, Pixels


class Replicas(BaseEncoder):
    """Several loaded copies of one encoder; a batch is cut into equal shares, which are encoded at the same time.

    Parameters
    ----------
    encoders
        The copies, at least one.
    """

    def __init__(self, encoders: Sequence[BaseEncoder]) -> None:
        self.encoders = list(encoders)
        first = self.encoders[0]
        self.spec, self.fitted, self.batch = first.spec, first.fitted, first.batch * len(self.encoders)
        self.device = getattr(first, "device", "cpu")
        self._pool = ThreadPoolExecutor(len(self.encoders), "winnow-gpu")

    def load(self, folder: Path) -> None:
        """Read what was fitted, in every copy."""
        for encoder in self.encoders:
            encoder.load(folder)

    def image_work(self) -> ImageWork:
        """Give the image function, which all copies share."""
        return self.encoders[0].image_work()

    def encode_pixels(self, pixels: Pixels) -> Float32:
        """Encode pixels, each copy its share: (m, d) float32."""
        return self._shared(lambda encoder, rows: encoder.encode_pixels(pixels[rows]), len(pixels))

    def encode_texts(self, texts: Sequence[str]) -> Float32:
        """Encode texts, each copy its share: (m, d) float32."""
        return self._shared(lambda encoder, rows: encoder.encode_texts(texts[rows]), len(texts))

    def _shared(self, work: Callable[[BaseEncoder, slice], Float32], n: int) -> Float32:
        cuts = np.linspace(0, n, min(len(self.encoders), n) + 1).astype(int)
        shares = [slice(int(a), int(b)) for a, b in pairwise(cuts)]
        return np.concatenate(list(self._pool.map(work, self.encoders, shares)))


def build_on_all_devices(choice: EncoderChoice) -> BaseEncoder:
    """Load the chosen encoder, on every GPU if the choice is "cuda" and several can share it."""
    if choice.device != "cuda" or choice.build_on is None:
        return choice.build()
    import torch

    count = torch.cuda.device_count()
    if count < 2:
        return choice.build()
    return Replicas([choice.build_on(f"cuda:{i}") for i in range(count)])
