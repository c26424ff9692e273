"""The demo dataset: scikit-learn's handwritten digits, enlarged, with problems planted in it and recorded.

The 1,797 scans of 8 × 8 pixels (Alpaydin and Kaynak 1998, shipped with scikit-learn) become 64 × 64 PNGs. Planted, each
with its truth: wrong labels, foreign images from five different generators, copies of three kinds, and broken files. It
is generated from one seed, offline, in a few seconds.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from ..storage.artifacts import save_table
from ..storage.atomic import atomic_write

PLANTED = "planted.parquet"
"""The file with the truth, in the demo's folder and in its workspace."""
SIDE = 64
SEED = 7
WRONG_SHARE = 0.05
FOREIGN, COPIES, BROKEN = 45, 36, 16

CONFUSABLE: dict[int, tuple[int, ...]] = {
    0: (6, 8),
    1: (7, 4, 2),
    2: (3, 7),
    3: (8, 5, 9),
    4: (9, 1, 7),
    5: (6, 3, 9),
    6: (0, 5, 8),
    7: (1, 9, 4),
    8: (3, 9, 1),
    9: (4, 8, 3),
}
"""Digits that people mix up: four in five of the planted wrong labels are from here, the rest are any digit."""

Grey = NDArray[np.uint8]


@dataclass
class _Sample:
    image: bytes
    label: str
    kind: str
    true_label: str | None
    source: str
    dup_of: int = -1


def make_demo(out_dir: Path | str) -> Path:
    """Write the demo dataset.

    Parameters
    ----------
    out_dir
        Receives ``samples.parquet`` (id, image, label, split, source), ``planted.parquet`` (id, kind, true_label,
        dup_of: the truth, in the same row order; never read by a scan) and ``README.txt``.

    Returns
    -------
    Path
        Of ``samples.parquet``; the same bytes every time.
    """
    folder = Path(out_dir)
    rng = np.random.default_rng(SEED)
    samples = _digits(rng)
    originals = len(samples)
    samples += _foreign(rng)
    samples += _copies(samples[:originals], rng)
    samples += _broken(samples[:originals], rng)
    order = rng.permutation(len(samples))
    place = np.empty(len(samples), int)
    place[order] = np.arange(len(samples))
    ids = [f"digit-{i:04d}" for i in range(len(samples))]
    shuffled = [samples[i] for i in order]
    split = np.where(rng.random(len(samples)) < 0.8, "train", "test")
    table = pa.table(
        {
            "id": ids,
            "image": pa.array([s.image for s in shuffled], pa.binary()),
            "label": [s.label for s in shuffled],
            "split": split.tolist(),
            "source": [s.source for s in shuffled],
        }
    )
    truth = pa.table(
        {
            "id": ids,
            "kind": [s.kind for s in shuffled],
            "true_label": pa.array([s.true_label for s in shuffled], pa.string()),
            "dup_of": pa.array([ids[place[s.dup_of]] if s.dup_of >= 0 else None for s in shuffled], pa.string()),
        }
    )
    save_table(folder / PLANTED, truth)
    save_table(folder / "samples.parquet", table)
    atomic_write(folder / "README.txt", lambda f: f.write(_README.encode()))
    return folder / "samples.parquet"


_README = """Winnow's demo: 1,797 handwritten digits (scikit-learn's copy of the UCI "Optical Recognition of
Handwritten Digits" test set, E. Alpaydin and C. Kaynak, CC BY 4.0), enlarged to 64 x 64.

The problems in it were planted on purpose: wrong labels, foreign images, copies and broken files.
planted.parquet says where. A scan never reads it; the Overview shows it beside what was found.
"""


def _png(pixels: Grey | Image.Image, level: int = 6) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=level)
    return out.getvalue()


def enlarge(scan: NDArray[Any]) -> Grey:
    """Enlarge an 8 × 8 scan of values 0–16 to a smooth 64 × 64 image: dark ink on paper, with a margin."""
    ink = Image.fromarray(np.pad(np.asarray(np.clip(scan / 16.0, 0, 1) * 255, np.uint8), 1))
    page = ink.resize((SIDE, SIDE), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(0.8))
    v = np.asarray(page, np.float32) / 255
    v = np.clip((v - 0.25) / 0.5, 0, 1)  # firm strokes with soft edges
    return np.asarray(250 - 225 * v * v * (3 - 2 * v), np.uint8)


def _digits(rng: np.random.Generator) -> list[_Sample]:
    from sklearn.datasets import load_digits

    data = load_digits()
    target = np.asarray(data.target, int)
    wrong = np.zeros(len(target), bool)
    wrong[rng.choice(len(target), round(WRONG_SHARE * len(target)), replace=False)] = True
    samples = []
    for scan, truth, is_wrong in zip(data.images, target, wrong, strict=True):
        given = int(truth)
        if is_wrong:
            pool = CONFUSABLE[given] if rng.random() < 0.8 else tuple(d for d in range(10) if d != given)
            given = int(rng.choice(pool))
        kind = "noisy_label" if is_wrong else "clean"
        scanner = "scanner A" if rng.random() < 0.6 else "scanner B"
        samples.append(_Sample(_png(enlarge(scan)), str(given), kind, str(truth), scanner))
    return samples


# ── foreign images ────────────────────────────────────────────────────────────────────────────────────────────────


def _foreign(rng: np.random.Generator) -> list[_Sample]:
    makers = (_texture, _letter, _shape, _plasma, _photographs())
    samples = []
    for i in range(FOREIGN):
        picture = makers[i % len(makers)](rng)
        samples.append(_Sample(_png(picture), str(rng.integers(10)), "ood", None, _scanner(rng)))
    return samples


def _scanner(rng: np.random.Generator) -> str:
    return "scanner B" if rng.random() < 0.7 else "scanner A"


def _texture(rng: np.random.Generator) -> Grey:
    """Gratings: one or two waves of random direction and pitch."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    total = np.zeros((SIDE, SIDE), np.float32)
    for _ in range(int(rng.integers(1, 3))):
        angle, pitch = rng.uniform(0, np.pi), rng.uniform(5, 16)
        total += np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / pitch + rng.uniform(0, 6))
    return _spread(total + rng.normal(0, 0.1, total.shape))


def _plasma(rng: np.random.Generator) -> Grey:
    """Cloud noise: random values at four scales."""
    total = np.zeros((SIDE, SIDE), np.float32)
    for cells, weight in ((3, 8), (6, 4), (12, 2), (24, 1)):
        layer = Image.fromarray(rng.integers(0, 256, (cells, cells)).astype(np.uint8))
        total += weight * np.asarray(layer.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float32)
    return _spread(total)


def _spread(values: NDArray[Any]) -> Grey:
    low, high = float(values.min()), float(values.max())
    return np.asarray(20 + 230 * (values - low) / max(high - low, 1e-6), np.uint8)


def _letter(rng: np.random.Generator) -> Grey:
    """A capital letter that is no digit's twin, set and turned."""
    letter = str(rng.choice(list("AEFHKMNRTWXY")))
    image = Image.new("L", (SIDE, SIDE), 250)
    font = ImageFont.load_default(size=int(rng.integers(42, 54)))
    ImageDraw.Draw(image).text((SIDE / 2, SIDE / 2), letter, fill=25, font=font, anchor="mm")
    turned = image.rotate(float(rng.uniform(-12, 12)), Image.Resampling.BICUBIC, fillcolor=250)
    return np.asarray(turned.filter(ImageFilter.GaussianBlur(0.8)))


def _shape(rng: np.random.Generator) -> Grey:
    """Filled polygons, a star or a cross."""
    image = Image.new("L", (SIDE, SIDE), 250)
    draw = ImageDraw.Draw(image)
    corners = int(rng.integers(3, 8))
    turn = rng.uniform(0, np.pi)
    radius = np.where(np.arange(2 * corners) % 2, rng.uniform(8, 26), 28.0)
    angle = turn + np.arange(2 * corners) * np.pi / corners
    points = [(SIDE / 2 + r * np.cos(a), SIDE / 2 + r * np.sin(a)) for r, a in zip(radius, angle, strict=True)]
    draw.polygon(points, fill=int(rng.integers(20, 90)))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(0.8)))


def _photographs() -> Callable[[np.random.Generator], Grey]:
    """Crops of scikit-learn's two bundled photographs, in grey."""
    from sklearn.datasets import load_sample_images

    photos = [Image.fromarray(p).convert("L") for p in load_sample_images().images]

    def crop(rng: np.random.Generator) -> Grey:
        while True:
            photo = photos[int(rng.integers(len(photos)))]
            side = int(rng.integers(SIDE, 3 * SIDE))
            x, y = int(rng.integers(photo.width - side)), int(rng.integers(photo.height - side))
            box = np.asarray(photo.crop((x, y, x + side, y + side)).resize((SIDE, SIDE), Image.Resampling.LANCZOS))
            if box.std() > 20:  # not a stretch of plain sky or shadow
                return box

    return crop


# ── copies and broken files ───────────────────────────────────────────────────────────────────────────────────────


def _copies(originals: list[_Sample], rng: np.random.Generator) -> list[_Sample]:
    """Exact copies, re-encoded ones (JPEG) and shifted ones (by a pixel or two), in equal parts."""
    makers: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (lambda data, _: data, _reencoded, _shifted)
    clean = [i for i, s in enumerate(originals) if s.kind == "clean"]
    chosen = rng.choice(clean, COPIES, replace=False)
    samples = []
    for i, row in enumerate(chosen):
        twin = originals[int(row)]
        data = makers[i % len(makers)](twin.image, rng)
        samples.append(_Sample(data, twin.label, "duplicate", twin.true_label, _scanner(rng), int(row)))
    return samples


def _reencoded(data: bytes, rng: np.random.Generator) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(data), formats=("PNG",)).save(out, "JPEG", quality=int(rng.integers(70, 92)))
    return out.getvalue()


def _shifted(data: bytes, rng: np.random.Generator) -> bytes:
    image = Image.open(io.BytesIO(data), formats=("PNG",))
    dx, dy = (int(v) for v in rng.choice((-2, -1, 1, 2), 2))
    moved = Image.new("L", image.size, 250)
    moved.paste(image, (dx, dy))
    return _png(moved)


def _broken(originals: list[_Sample], rng: np.random.Generator) -> list[_Sample]:
    """Cut short, empty, random bytes, and pages of one flat colour, in equal parts."""
    samples = []
    for i in range(BROKEN):
        kin = originals[int(rng.integers(len(originals)))]
        data = (
            kin.image[: len(kin.image) // 3],
            b"",
            rng.bytes(600),
            _png(np.full((SIDE, SIDE), int(rng.integers(40, 220)), np.uint8)),
        )[i % 4]
        samples.append(_Sample(data, kin.label, "broken", None, _scanner(rng)))
    return samples


def planted_found(truth: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Count by kind how many problems were planted, found, and flagged in all.

    Parameters
    ----------
    truth
        Columns id, kind and dup_of, one row per sample.
    scores
        Column id and a column of flags for each kind, one row per sample.

    Returns
    -------
    One row per kind: kind, planted, found, flagged.
    """
    scores = scores.set_index("id")
    rows = []
    for kind in ("noisy_label", "ood", "duplicate", "broken"):
        planted, flag = truth[truth["kind"] == kind], scores[f"{kind}_flag"]
        flagged = flag.reindex(planted["id"], fill_value=False).to_numpy()
        if kind == "duplicate":  # either of a pair may be flagged; the other is its keeper
            flagged = flagged | flag.reindex(planted["dup_of"], fill_value=False).to_numpy()
        rows.append({"kind": kind, "planted": len(planted), "found": int(flagged.sum()), "flagged": int(flag.sum())})
    return pd.DataFrame(rows)
