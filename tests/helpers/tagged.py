"""A small dataset of texts with several tags each, some of them wrong on purpose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

WORDS = {
    "rain": "rain cloud storm wet umbrella drizzle puddle thunder",
    "money": "loan bank card debt rate interest salary cheque",
    "food": "tea rice soup cake pie bread cheese kitchen",
    "music": "song guitar drum choir melody piano concert rhythm",
    "sport": "goal match team coach stadium referee league score",
    "travel": "train ticket hotel airport luggage map island beach",
}
N = 300


def make_tagged(folder: Path, n: int = N) -> pd.DataFrame:
    """Write samples.parquet (id, text, tags); 1 in 20 lacks a tag, 1 in 30 has one too many (see ``true_tags``)."""
    rng = np.random.default_rng(5)
    names = list(WORDS)
    rows = []
    for i in range(n):
        tags = sorted(rng.choice(names, size=rng.choice([1, 2, 3], p=[0.4, 0.4, 0.2]), replace=False).tolist())
        words = [w for tag in tags for w in rng.choice(WORDS[tag].split(), size=5)]
        rows.append({"id": f"t{i:03d}", "text": " ".join(rng.permutation(words)), "true_tags": tags})
    table = pd.DataFrame(rows)
    given = [list(tags) for tags in table.true_tags]
    several = [i for i, tags in enumerate(given) if len(tags) > 1]
    lacking, excess = n // 20, n // 30
    for i in several[:lacking]:
        given[i] = given[i][1:]
    for i in several[lacking : lacking + excess]:
        given[i].append(next(tag for tag in names if tag not in given[i]))
    table["tags"] = given
    table[["id", "text", "tags"]].to_parquet(folder / "samples.parquet", index=False)
    return table
