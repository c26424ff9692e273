"""A class that people make while they review: how soon it is suggested, and whether the other classes' figures move.

    python -m benchmarks.new_class FOLDER [--hidden ship] [--inside airplane] [--name boat] [--samples 30] [--out FILE]

FOLDER holds embeddings.parquet (id, a list of numbers), samples (.parquet or .csv: id, label) and truth (.parquet or
.csv: id, kind, true_label). In the given labels one class is hidden inside another; a person relabels some of its
samples, drawn at random, to a class of a new name. Measured after each half of them (two rounds), and after a second
scan that learns from them: the share of the other samples of the hidden class for which the new one is suggested first,
the same share of samples of all other classes, and the noisy-label figures of samples that neither class holds.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score

from winnow.core import Workspace

LOOKED_AT = 400
"""Samples of the hidden class, and of the others, whose suggestions are looked at."""


def read(folder: Path, name: str) -> pd.DataFrame:
    """A table of the folder by sample id."""
    path = folder / f"{name}.parquet"
    table = pd.read_parquet(path) if path.exists() else pd.read_csv(folder / f"{name}.csv", keep_default_na=False)
    return table.assign(id=table["id"].astype(str)).set_index("id", drop=False)


def suggested(ws: Workspace, ids: list[str], name: str) -> float:
    """Share of the samples for which a class is suggested first."""
    ws.queue_ranker.now()
    first = [card["suggestions"][:1] for card in ws.cards(ids)]
    return float(np.mean([bool(s) and s[0][0] == name for s in first]))


def figures(ws: Workspace, wrong: pd.Series, aside: set[str]) -> dict[str, float]:
    """AP, AUROC and F1 of noisy labels among the samples whose given label is none of ``aside``."""
    scores = ws.scores().set_index("id")
    rows = ws.rows(limit=len(scores))
    given = pd.Series({r["sample_id"]: r["label"] for r in rows})
    kept = given.index[~given.isin(aside)]
    y, p, flag = wrong[kept].to_numpy(), scores.loc[kept, "noisy_label"], scores.loc[kept, "noisy_label_flag"]
    hits = int((y & flag).sum())
    f1 = 2 * hits / max(int(y.sum()) + int(flag.sum()), 1)
    return {"AP": average_precision_score(y, p), "AUROC": roc_auc_score(y, p), "F1": f1}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hidden", default="ship")
    parser.add_argument("--inside", default="airplane")
    parser.add_argument("--name", default="boat")
    parser.add_argument("--samples", type=int, default=30)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    samples, truth = read(args.folder, "samples"), read(args.folder, "truth")
    rng, lines = np.random.default_rng(0), []
    with tempfile.TemporaryDirectory() as temporary:
        table = Path(temporary) / "merged.parquet"
        merged = samples.assign(label=samples["label"].replace(args.hidden, args.inside))
        merged.to_parquet(table, index=False)
        options: dict[str, Any] = {"embeddings": str(args.folder / "embeddings.parquet"), "projection": False}
        true = truth["true_label"].astype(str).replace(args.hidden, args.name)
        wrong = (true != merged["label"]) & ~truth["kind"].isin(["ood", "broken"])
        of_class = true.index[(true == args.name) & (merged["label"] == args.inside)].to_numpy()
        others = rng.choice(true.index[true != args.name], LOOKED_AT, replace=False).tolist()
        drawn = rng.permutation(of_class)
        people, rest = drawn[: args.samples].tolist(), drawn[args.samples :][:LOOKED_AT].tolist()
        aside = {args.inside, args.name}

        def row(ws: Workspace, when: str) -> None:
            shares = f"{suggested(ws, rest, args.name):.1%} | {suggested(ws, others, args.name):.1%}"
            found = figures(ws, wrong, aside)
            lines.append(f"| {when} | {shares} | {' | '.join(f'{v:.3f}' for v in found.values())} |")
            print(lines[-1], flush=True)

        with Workspace.scan(table, Path(temporary) / "ws", actor="ada", **options) as ws:
            row(ws, "before")
            half = args.samples // 2
            for part in (people[:half], people[half:]):
                for sample in part:
                    ws.decide(sample, "relabel", label=args.name)
                row(ws, f"{len(ws.current()):,} relabelled")
        with Workspace.scan(table, Path(temporary) / "ws", actor="ada", learn=True, **options) as ws:
            row(ws, "scanned again with `--learn`")
    title = f"## {args.folder.name}: {args.hidden} hidden in {args.inside}, {args.samples} relabelled to {args.name}"
    head = f"| | {args.name} suggested first, of its samples | of others | AP, other classes | AUROC | F1 |"
    text = "\n".join([title, "", head, "|---|---:|---:|---:|---:|---:|", *lines, ""])
    print(text)
    if args.out:
        with args.out.open("a", encoding="utf-8") as stream:
            stream.write(text + "\n")


if __name__ == "__main__":
    main()
