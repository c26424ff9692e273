"""A small scanned workspace of pictures with every kind of problem; ids and a class name look like markup."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.datasets import load_digits

from winnow.core import ColumnMap, Workspace
from winnow.core.types import Decision

MARKUP = 'it\'s <b>odd</b>/"é"'
CLASSES = ("bird", "cat", "deer", MARKUP)
N, WRONG, COPIES, NOISE = 400, 40, 8, 12
N_ALL = N + COPIES + NOISE + 1


def _png(picture: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray((picture * 15.9).astype(np.uint8)).resize((32, 32), Image.Resampling.BICUBIC).save(out, "PNG")
    return out.getvalue()


def scan_pictures(folder: Path) -> Path:
    """Scan 400 digits, 40 of them mislabelled, 8 copies (two with another label), 12 of noise and a broken file."""
    digits, random = load_digits(n_class=len(CLASSES)), np.random.default_rng(7)
    pick = random.permutation(len(digits.images))[:N]
    labels = digits.target[pick].copy()
    wrong = random.choice(N, WRONG, replace=False)
    labels[wrong] = (labels[wrong] + 1 + random.integers(0, 3, WRONG)) % len(CLASSES)
    pictures = [*digits.images[pick], *digits.images[pick][20 : 20 + COPIES], *random.random((NOISE, 8, 8)) * 16]
    labels = [
        *labels,
        *((labels[20 + i] + (i < 2)) % len(CLASSES) for i in range(COPIES)),
        *(i % 4 for i in range(NOISE)),
    ]
    names = [f'dir {i % 3}/it\'s "{i}" é.png' for i in range(N)]
    names += [*(f"copy {i}" for i in range(COPIES)), *(f"noise {i}" for i in range(NOISE)), "broken"]
    rows = pd.DataFrame({"id": names, "image": [*map(_png, pictures), b"\x89PNG broken"]})
    rows["label"] = [CLASSES[label] for label in (*labels, 1)]
    rows["split"] = np.where(rows.index % 4 == 0, "test", "train")
    rows["origin"] = np.where(rows.index % 3 == 0, "camera", "scan")
    rows.to_parquet(folder / "samples.parquet")
    columns = ColumnMap(source="origin")
    workspace = folder / "pictures.winnow"
    Workspace.scan(folder / "samples.parquet", workspace, encoder="patches", columns=columns, name="Pictures").close()
    return workspace


def samples(workspace: Workspace) -> pd.DataFrame:
    """What the scan wrote about each sample: its label, split and source, verdict, scores and place on the map."""
    verdicts = pd.read_parquet(workspace.path / "verdicts.parquet")
    return pd.read_parquet(workspace.path / "dataset.parquet").merge(verdicts, on=["row", "sample_id"])


def log(workspace: Workspace) -> list[Decision]:
    """Every decision, the oldest first."""
    return workspace.history(limit=10**6)[::-1]
