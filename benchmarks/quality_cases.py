"""Datasets with known truth for quality.py.

Generated worlds and handwritten digits, written as a person would bring them.

Every case is a folder with ``samples.parquet`` or ``samples.csv`` (id, label, and image bytes or text), where there
are any ``embeddings.parquet`` (id, embedding), and ``truth.parquet`` or ``truth.csv`` (id, kind, true_label, dup_of,
and
cscore:
the larger, the easier). Truth is read by the judge only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.quality_copies import plant_copies
from tests.helpers.factories import World, world
from winnow.core.data.demo import make_demo

WORLDS: dict[str, dict[str, Any]] = {
    "10 classes, 10% noise, scattered outliers": {
        "n": 2000,
        "noise": 0.1,
        "separation": 4,
        "outliers": 60,
        "copies": 30,
    },
    "10 overlapping classes, 20% confusable noise": {"n": 2000, "noise": 0.2, "separation": 3, "confusable": True},
    "100 classes 1:100, 10% noise": {"n": 5000, "classes": 100, "noise": 0.1, "imbalance": 100, "separation": 6},
    "2 classes, 40% noise": {"n": 2000, "classes": 2, "noise": 0.4, "separation": 4},
    "1% scattered outliers": {"n": 4000, "noise": 0.1, "separation": 4, "outliers": 40},
    "2% scattered outliers": {"n": 4000, "noise": 0.1, "separation": 4, "outliers": 80},
    "5% scattered outliers": {"n": 4000, "noise": 0.1, "separation": 4, "outliers": 200},
    "2% coherent outliers": {"n": 4000, "noise": 0.1, "separation": 4, "outliers": 80, "coherent": True},
    "no outliers": {"n": 4000, "noise": 0.1, "separation": 4},
}


@dataclass(frozen=True)
class Case:
    """A dataset on disk: its name, and the folder in the form above."""

    name: str
    folder: Path

    @property
    def source(self) -> Path:
        return next(p for p in (self.folder / "samples.parquet", self.folder / "samples.csv") if p.exists())

    @property
    def embeddings(self) -> Path | None:
        path = self.folder / "embeddings.parquet"
        return path if path.exists() else None

    def table(self, name: str) -> pd.DataFrame:
        if (self.folder / f"{name}.parquet").exists():
            return pd.read_parquet(self.folder / f"{name}.parquet")
        return pd.read_csv(self.folder / f"{name}.csv", keep_default_na=False)


def generated(out: Path) -> list[Case]:
    """The worlds and the demo's digits, written below ``out``."""
    cases = []
    for number, (name, shape) in enumerate(WORLDS.items()):
        folder = out / f"world-{number}"
        folder.mkdir(parents=True)
        _write(world(seed=7, **shape), folder)
        cases.append(Case(f"World: {name}", folder))
    folder = out / "digits"
    make_demo(folder)
    (folder / "planted.parquet").rename(folder / "truth.parquet")
    cases.append(Case("Digits with planted faults, built-in encoder", folder))
    return [*cases, *with_copies(cases[-1], "Digits", out / "digits-copies")]


def with_copies(case: Case, name: str, out: Path) -> list[Case]:
    """The pictures of a case with altered copies planted among them; none where it has no pictures."""
    samples = pd.read_parquet(case.source) if case.source.suffix == ".parquet" else pd.DataFrame()
    if "image" not in samples:
        return []
    plant_copies(samples, case.table("truth"), out)
    return [Case(f"{name} with crops, overlays, mirror images and re-encodings, built-in encoder", out)]


def _write(made: World, folder: Path) -> None:
    ids = np.array([f"r{i:06d}" for i in range(made.n)])
    names = np.array([f"class {i}" for i in range(made.classes)] + [None], object)
    pd.DataFrame({"id": ids, "label": names[made.labels]}).to_parquet(folder / "samples.parquet")
    pd.DataFrame({"id": ids, "embedding": list(made.vectors)}).to_parquet(folder / "embeddings.parquet")
    pd.DataFrame(
        {
            "id": ids,
            "kind": made.kind,
            "true_label": names[made.true],
            "dup_of": np.where(made.twin >= 0, ids[made.twin], None),
            "cscore": made.ease,
        }
    ).to_parquet(folder / "truth.parquet")
