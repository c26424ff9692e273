"""A tiny two-tower checkpoint whose joint space has a known geometry, and image–text pairs drawn from it.

Every concept is a colour for pictures, a word for texts, and one unit vector in the joint space. The picture tower
reads the colour and, from the texture, how far the sample lies from its concept; the text tower adds up its words.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors.numpy import load_file, save_file

from winnow.core.data.media.pixels import Fit
from winnow.core.features.encoders.base import FAMILIES, BaseEncoder, EncoderChoice, EncoderInfo, unit_rows
from winnow.core.types import EncoderSpec, Modality

WORDS = [
    "apple",
    "boat",
    "castle",
    "desert",
    "eagle",
    "forest",
    "guitar",
    "harbour",
    "island",
    "jacket",
    "kettle",
    "lantern",
    "mountain",
    "needle",
    "orchid",
    "piano",
    "quilt",
    "river",
    "statue",
    "tiger",
]
DIM = 48


def save_checkpoint(path: Path, seed: int = 0, jitter: float = 0.6) -> str:
    """Write a checkpoint; the name under which it can be chosen."""
    random = np.random.default_rng(seed)
    concepts = unit_rows(random.normal(size=(len(WORDS), DIM)))
    colours = np.stack(np.meshgrid([40, 120, 200], [40, 120, 200], [40, 120, 200]), -1).reshape(-1, 3)[: len(WORDS)]
    texture = random.normal(size=(DIM, DIM)).astype(np.float32)
    other = unit_rows(random.normal(size=(1, DIM)))
    save_file(
        {
            "concepts": concepts,
            "colours": colours.astype(np.float32),
            "texture": texture,
            "other": other,
            "jitter": np.array([jitter], np.float32),
        },
        path,
    )
    return f"towers:{path}"


class TwoTowers(BaseEncoder):
    """Reads the checkpoint; see the head of this file."""

    def __init__(self, path: Path) -> None:
        self.weights = load_file(path)
        self.spec = EncoderSpec(f"towers:{path}", "1", "none", DIM, Modality.IMAGE, has_text_tower=True)

    def image_work(self) -> Any:
        return Fit(16, 16, "squash", "bilinear", 0)

    def encode_pixels(self, pixels: Any) -> Any:
        x = pixels.astype(np.float32)
        colour = x.mean(axis=(1, 2))
        away = ((colour[:, None] - self.weights["colours"][None]) ** 2).sum(-1)
        noise = (x - colour[:, None, None]).reshape(len(x), -1)[:, :DIM]
        jitter = unit_rows(noise @ self.weights["texture"]) * self.weights["jitter"][0]
        return unit_rows(self.weights["concepts"][away.argmin(1)] + jitter)

    def encode_texts(self, texts: Any) -> Any:
        out = np.zeros((len(texts), DIM), np.float32)
        for i, text in enumerate(texts):
            for word in text.lower().replace(".", " ").replace("_", " ").split():
                if word in WORDS:
                    out[i] += self.weights["concepts"][WORDS.index(word)]
            if not out[i].any():
                out[i] = self.weights["other"][0]
        return unit_rows(out)


class Towers:
    """``towers:path``."""

    name = "towers"

    def infos(self) -> list[EncoderInfo]:
        return []

    def choose(self, rest: str, device: str, allow_network: bool) -> EncoderChoice:
        spec = EncoderSpec(f"towers:{rest}", "1", "none", DIM, Modality.IMAGE, has_text_tower=True)
        return EncoderChoice(spec, "cpu", lambda: TwoTowers(Path(rest)))


def install() -> None:
    """Make ``towers:`` an encoder family of this process."""
    if "towers" not in FAMILIES:
        FAMILIES.register("towers")(Towers())


def make_pairs(
    folder: Path, n: int = 400, swaps: int = 40, seed: int = 0, labels: bool = False
) -> tuple[Path, set[str]]:
    """A table of pictures with captions, ``swaps`` of them of another picture. Returns it and the swapped ids."""
    random = np.random.default_rng(seed)
    concept = np.arange(n) % len(WORDS)
    colours = np.stack(np.meshgrid([40, 120, 200], [40, 120, 200], [40, 120, 200]), -1).reshape(-1, 3)[: len(WORDS)]
    said = concept.copy()
    wrong = random.choice(n, swaps, replace=False)
    said[wrong] = (concept[wrong] + random.integers(1, len(WORDS), swaps)) % len(WORDS)
    frames = ("the {} seen from afar", "one more {} at noon", "the {} we liked", "{} on a table", "that old {}")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "pairs.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "image", "caption", "origin", *(["kind"] if labels else [])])
        for i in range(n):
            pixels = np.clip(colours[concept[i]] + random.normal(scale=12, size=(24, 24, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{i:04d}.png")
            caption = frames[i % len(frames)].format(WORDS[said[i]])
            origin = "web" if i in set(wrong.tolist()) or i % 4 == 0 else "book"
            table.writerow([f"p{i}", f"{i:04d}.png", caption, origin, *([WORDS[concept[i]]] if labels else [])])
    return folder / "pairs.csv", {f"p{i}" for i in wrong}
