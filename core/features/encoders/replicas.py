"""The same encoder on every GPU of the machine: each takes its share of a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np

from ...types import Float32
from .base import BaseEncoder, EncoderChoice, ImageWork, Pixels

T = TypeVar("T")


class Replicas(BaseEncoder):
    """Several loaded copies of one encoder; a batch is cut into equal shares, which are encoded at the same time."""

    def __init__(self, encoders: Sequence[BaseEncoder]) -> None:
        self.encoders = list(encoders)
        first = self.encoders[0]
        self.spec, self.fitted, self.batch = first.spec, first.fitted, first.batch * len(self.encoders)
        self.device = getattr(first, "device", "cpu")
        self._pool = ThreadPoolExecutor(len(self.encoders), "winnow-gpu")

    def load(self, folder: Path) -> None:
        for encoder in self.encoders:
            encoder.load(folder)

    def image_work(self) -> ImageWork:
        return self.encoders[0].image_work()

    def encode_pixels(self, pixels: Pixels) -> Float32:
        return self._shared(lambda encoder, rows: encoder.encode_pixels(pixels[rows]), len(pixels))

    def encode_texts(self, texts: Sequence[str]) -> Float32:
        return self._shared(lambda encoder, rows: encoder.encode_texts(texts[rows]), len(texts))

    def _shared(self, work: Callable[[BaseEncoder, slice], Float32], n: int) -> Float32:
        cuts = np.linspace(0, n, min(len(self.encoders), n) + 1).astype(int)
        shares = [slice(int(a), int(b)) for a, b in pairwise(cuts)]
        return np.concatenate(list(self._pool.map(work, self.encoders, shares)))


def build_everywhere(choice: EncoderChoice) -> BaseEncoder:
    """Load the chosen encoder: on every GPU where the choice is "cuda", there are several, and it can be shared."""
    if choice.device != "cuda" or choice.build_on is None:
        return choice.build()
    import torch

    count = torch.cuda.device_count()
    if count < 2:
        return choice.build()
    return Replicas([choice.build_on(f"cuda:{i}") for i in range(count)])
