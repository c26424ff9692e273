"""What a GPU computes is what the CPU computes, within the rounding of its number formats.

Skipped, with a notice, where there is no CUDA device.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from winnow.core.data.sources import open_source
from winnow.core.detection.probe import ProbeConfig, run_probe
from winnow.core.features import neighbors
from winnow.core.features.encoders import choose, embed
from winnow.core.types import Modality

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: the GPU's results are not compared here"),
]


def world(n: int = 3000, d: int = 64) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = random.integers(0, 5, n).astype(np.int32)
    x = np.eye(d)[labels] * 2 + random.normal(size=(n, d)) * 0.5
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), labels


def test_neighbours_are_the_same() -> None:
    x, _ = world()
    ok = np.ones(len(x), bool)
    cpu, gpu = (neighbors.build(x, ok, 15, device=device) for device in ("cpu", "cuda"))
    same = (cpu.indices[:, :, None] == gpu.indices[:, None, :]).any(2).mean()
    assert same >= 0.999
    np.testing.assert_allclose(cpu.distances, gpu.distances, atol=1e-4)


def test_the_probe_believes_the_same() -> None:
    x, labels = world()
    config = ProbeConfig(epochs=6, kernel_anchors=300)
    cpu, gpu = (
        run_probe(x, labels, np.ones(len(x), bool), 5, ProbeConfig(**{**vars(config), "device": device}))
        for device in ("cpu", "cuda")
    )
    assert np.abs(cpu.probs - gpu.probs).mean() <= 2e-3
    assert (cpu.probs.argmax(1) == gpu.probs.argmax(1)).mean() >= 0.998
    np.testing.assert_allclose(cpu.dynamics["el2n"], gpu.dynamics["el2n"], atol=2e-2)


def test_embeddings_point_the_same_way(tmp_path: Path) -> None:
    """bfloat16 on the GPU against float32: cosines of at least .999."""
    import open_clip
    from PIL import Image

    folder = tmp_path / "images" / "one"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for i in range(24):
        pixels = random.integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).resize((320, 240), Image.Resampling.BICUBIC).save(folder / f"{i}.jpg")
    torch.manual_seed(0)
    weights = tmp_path / "random.pt"
    torch.save(open_clip.create_model("ViT-B-32").state_dict(), weights)
    dataset = open_source(folder.parent)
    found = []
    for device in ("cpu", "cuda"):
        choice = choose(f"open_clip:ViT-B-32/{weights}", Modality.IMAGE, device=device, allow_network=False)
        found.append(np.asarray(embed(dataset, choice, tmp_path / device).vectors, np.float32))
    assert (found[0] * found[1]).sum(1).min() >= 0.999
