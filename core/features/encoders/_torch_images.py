"""What image encoders that run on torch share: pixels to the device, normalised there, in half precision on GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from ... import fingerprint as fp
from ...data.media.pixels import Fit
from ...types import Float32
from .base import BaseEncoder, ImageWork, Pixels


class TorchImageEncoder(BaseEncoder):
    """A torch model of images; a family loads it, says how images are prepared, and runs its forward pass.

    Parameters
    ----------
    device
        "cpu" or "cuda[:i]".
    """

    def __init__(self, device: str) -> None:
        import torch

        self.device = device
        self._cuda = device.startswith("cuda")
        self.batch = 512 if self._cuda else 64
        self._precision = "bf16" if self._cuda and torch.cuda.is_bf16_supported() else "fp16" if self._cuda else "fp32"
        self._half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self._precision)

    def prepare(self, fit: Fit, mean: Sequence[float], std: Sequence[float]) -> str:
        """Keep how images are resized and normalised (``mean`` and ``std`` of RGB in [0, 1]); its fingerprint."""
        import torch

        self._fit = fit
        self._mean = torch.tensor(list(mean), device=self.device).view(1, 3, 1, 1) * 255
        self._std = torch.tensor(list(std), device=self.device).view(1, 3, 1, 1) * 255
        return fp.of(fit, list(mean), list(std), self._precision)

    def forward(self, pixels: Any) -> Any:
        """(m, d) features of normalised pixels (m, 3, height, width), both on the device."""
        raise NotImplementedError

    def image_work(self) -> ImageWork:
        """Give the resizing of the model's own preprocessing."""
        return self._fit

    def encode_pixels(self, pixels: Pixels) -> Float32:
        """Encode pixels: (m, d) float32."""
        import torch

        x = torch.from_numpy(np.ascontiguousarray(pixels))
        if self._cuda:
            x = x.pin_memory().to(self.device, non_blocking=True)
        x = x.permute(0, 3, 1, 2)  # a view: rows of pixels are "channels last" as they come
        with torch.inference_mode(), self.autocast():
            features = self.forward((x.float() - self._mean) / self._std)
        return cast("Float32", features.float().cpu().numpy())

    def autocast(self) -> Any:
        """The context in which the model runs."""
        import torch

        return torch.autocast("cuda" if self._cuda else "cpu", dtype=self._half, enabled=self._half is not None)
