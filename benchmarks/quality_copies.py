"""Altered copies planted in a dataset of pictures: crops, overlays, mirror images and re-encodings, in equal parts."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageEnhance

SHARE = 0.08
"""Planted copies per picture."""
MOST = 240
PICTURES = 5_000
"""Pictures of a larger dataset that are used."""


def plant_copies(samples: pd.DataFrame, truth: pd.DataFrame, out: Path) -> None:
    """Write a dataset of the ordinary pictures of another, and altered copies of some of them.

    Parameters
    ----------
    samples
        Columns id, image and label.
    truth
        Columns id and kind, and where there are any dup_of and unsure_twin.
    out
        Receives samples.parquet and truth.parquet, as of a case.
    """
    random = np.random.default_rng(3)
    taken = set(truth.dup_of.dropna()) if "dup_of" in truth else set()
    ordinary = truth[truth.kind.isin(["clean", "noisy_label"]) & ~truth.id.isin(taken)]
    if "unsure_twin" in ordinary:
        ordinary = ordinary[~ordinary.unsure_twin]
    ordinary = ordinary.sample(min(PICTURES, len(ordinary)), random_state=0)
    kept = samples[samples.id.isin(ordinary.id)].reset_index(drop=True)[["id", "image", "label"]]
    count = min(MOST, int(SHARE * len(kept)))
    rows = random.choice(len(kept), count, replace=False)
    copies = []
    for number, row in enumerate(rows):
        image = Image.open(io.BytesIO(kept.image[row]))
        image = image if image.mode == "L" else image.convert("RGB")
        data = ALTERED[number % len(ALTERED)](image, random)
        copies.append({"id": f"copy-{number:04d}", "image": data, "label": kept.label[row], "dup_of": kept.id[row]})
    both = pd.concat([kept, pd.DataFrame(copies)], ignore_index=True)
    both = both.iloc[random.permutation(len(both))].reset_index(drop=True)
    out.mkdir(parents=True)
    both[["id", "image", "label"]].to_parquet(out / "samples.parquet")
    both["kind"], both["true_label"] = np.where(both.dup_of.isna(), "clean", "duplicate"), both.label
    both[["id", "kind", "true_label", "dup_of"]].to_parquet(out / "truth.parquet")


def crop(image: Image.Image, random: np.random.Generator) -> bytes:
    """Three quarters to nineteen twentieths of each side, enlarged to the old size."""
    width, height = (
        max(1, round(share * side)) for share, side in zip(random.uniform(0.75, 0.95, 2), image.size, strict=True)
    )
    x, y = random.integers(0, image.width - width + 1), random.integers(0, image.height - height + 1)
    part = image.crop((x, y, x + width, y + height))
    return _png(part.resize(image.size, Image.Resampling.BICUBIC))


def overlay(image: Image.Image, random: np.random.Generator) -> bytes:
    """A rectangle of one colour over 4 to 20% of the area."""
    covered = image.copy()
    width, height = (int(share * side) for share, side in zip(random.uniform(0.2, 0.45, 2), image.size, strict=True))
    x, y = random.integers(0, image.width - width + 1), random.integers(0, image.height - height + 1)
    colour = tuple(int(v) for v in random.integers(0, 255, len(image.getbands())))
    ImageDraw.Draw(covered).rectangle((x, y, x + width, y + height), fill=colour if len(colour) > 1 else colour[0])
    return _png(covered)


def mirrored(image: Image.Image, random: np.random.Generator) -> bytes:
    """Left and right exchanged."""
    return _png(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))


def encoded_again(image: Image.Image, random: np.random.Generator) -> bytes:
    """JPEG of quality 40 to 84, up to a fifth brighter or darker, every other one reduced to 60% before."""
    if random.random() < 0.5:
        small = image.resize((int(image.width * 0.6), int(image.height * 0.6)), Image.Resampling.BILINEAR)
        image = small.resize(image.size, Image.Resampling.BICUBIC)
    out = io.BytesIO()
    toned = ImageEnhance.Brightness(image).enhance(float(random.uniform(0.8, 1.2)))
    toned.save(out, "JPEG", quality=int(random.integers(40, 85)))
    return out.getvalue()


ALTERED: tuple[Callable[[Image.Image, np.random.Generator], bytes], ...] = (crop, overlay, mirrored, encoded_again)


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
