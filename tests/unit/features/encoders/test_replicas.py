"""One encoder on several GPUs: every copy encodes its share, and augmented views are augmented on each of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from winnow.core.data.media.pixels import Fit
from winnow.core.features.encoders import BaseEncoder, EncoderChoice, augmented
from winnow.core.features.encoders.augmented import distort
from winnow.core.features.encoders.base import ImageWork, Pixels
from winnow.core.features.encoders.replicas import build_on_all_devices
from winnow.core.types import EncoderSpec, Float32, Modality

SPEC = EncoderSpec("recording", "1", "none", 2, Modality.IMAGE)


class Recording(BaseEncoder):
    """Keeps the pixels that it is given."""

    batch = 4

    def __init__(self, device: str) -> None:
        self.spec, self.device = SPEC, device
        self.seen: list[Pixels] = []

    def image_work(self) -> ImageWork:
        return Fit(16, 16, "squash", "bicubic")

    def encode_pixels(self, pixels: Pixels) -> Float32:
        self.seen.append(pixels)
        return np.ones((len(pixels), 2), np.float32)


@pytest.fixture
def two_devices(monkeypatch: pytest.MonkeyPatch) -> tuple[EncoderChoice, dict[str, Recording]]:
    """An encoder that can be loaded on two devices, and the copies that were."""
    copies: dict[str, Recording] = {}

    def build(device: str = "cuda:0") -> Recording:
        return copies.setdefault(device, Recording(device))

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    return EncoderChoice(SPEC, "cuda", build, build_on=build), copies


def test_every_device_encodes_its_share(two_devices: tuple[EncoderChoice, dict[str, Recording]]) -> None:
    choice, copies = two_devices
    encoder = build_on_all_devices(choice)
    pixels = np.random.default_rng(0).integers(0, 255, (8, 16, 16, 3), np.uint8)
    assert encoder.encode_pixels(pixels).shape == (8, 2)
    np.testing.assert_array_equal(copies["cuda:0"].seen[0], pixels[:4])
    np.testing.assert_array_equal(copies["cuda:1"].seen[0], pixels[4:])


def test_views_are_augmented_on_every_device(
    two_devices: tuple[EncoderChoice, dict[str, Recording]], tmp_path: Path
) -> None:
    choice, copies = two_devices
    encoder = build_on_all_devices(augmented(choice, tmp_path, view=1))
    assert getattr(encoder, "device", "") == "cuda:0", "decoding must know that a GPU encodes"
    pixels = np.random.default_rng(0).integers(0, 255, (8, 16, 16, 3), np.uint8)
    encoder.encode_pixels(pixels)
    wanted = np.stack([distort(p, 1) for p in pixels])
    np.testing.assert_array_equal(copies["cuda:0"].seen[0], wanted[:4])
    np.testing.assert_array_equal(copies["cuda:1"].seen[0], wanted[4:])
