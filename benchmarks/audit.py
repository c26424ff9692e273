"""How often the intervals of a blind audit hold the truth: a simulated auditor who answers by the truth, many draws.

    python -m benchmarks.audit WORKSPACE TRUTH [--sizes 50,100,200,400] [--repeats 100] [--out audit.md]

WORKSPACE is a scan of the dataset (its flags are judged), TRUTH a table (.parquet or .csv) with the columns id and
true_label, and perhaps kind (ood and broken samples belong to no class: the auditor excludes them). For each size it
says in how many repeats the 95% interval held the true value, and how wide it was in the mean. The peer is a simple
random sample of the same size with the Clopper–Pearson interval of the share of wrong labels.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from winnow.core import Filter, Workspace
from winnow.core.review.active_learning.audit import AuditPlan, audited
from winnow.core.review.active_learning.audit_estimate import exact_interval

STATED = ("noise_rate", "precision", "recall")


def truth_of(path: Path) -> dict[str, str | None]:
    """Sample → true class, None = it belongs to no class."""
    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, keep_default_na=False)
    alien = table["kind"].isin(["ood", "broken"]) if "kind" in table else pd.Series(False, table.index)
    return dict(zip(table["id"].astype(str), table["true_label"].astype(str).where(~alien, None), strict=True))


def true_values(ws: Workspace, truth: dict[str, str | None]) -> dict[str, float]:
    """The values that the intervals are to hold."""
    flagged = set(ws.ids(Filter(kinds=("noisy_label",))))
    labels = {i: label for i, label in zip(ws.ids(), ws.labels(), strict=True) if label is not None}
    wrong = {i for i, label in labels.items() if truth[i] is not None and truth[i] != label}
    hits = len(wrong & flagged)
    return {
        "noise_rate": len(wrong) / len(labels),
        "precision": hits / len(flagged & labels.keys()),
        "recall": hits / len(wrong),
    }


def judged(plan: AuditPlan, size: int, truth: dict[str, str | None]) -> dict[str, str | None]:
    """The auditor's answers to the first ``size`` samples of a draw."""
    return {s.sample_id: truth[s.sample_id] for s in plan.samples[:size]}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--sizes", default="50,100,200,400")
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    sizes, truth = [int(s) for s in args.sizes.split(",")], truth_of(args.truth)
    held = {(s, name): 0 for s in sizes for name in (*STATED, "peer")}
    width = dict.fromkeys(held, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(args.workspace, Path(folder) / "ws")
        with Workspace.open(Path(folder) / "ws", actor="auditor") as ws:
            values = true_values(ws, truth)
            labels = [(i, label) for i, label in zip(ws.ids(), ws.labels(), strict=True) if label is not None]
            wrong = np.array([truth[i] is not None and truth[i] != label for i, label in labels])
            for seed in range(args.repeats):
                plan = ws.audit.draw(max(sizes), actor="auditor", seed=seed)
                for size in sizes:
                    report = audited(replace(plan, size=size), judged(plan, size, truth))
                    for name in STATED:
                        estimate = getattr(report, name)
                        held[size, name] += estimate.low <= values[name] <= estimate.high
                        width[size, name] += (estimate.high - estimate.low) / args.repeats
                    hits = int(wrong[np.random.default_rng(seed).choice(len(wrong), size, replace=False)].sum())
                    low, high = (x / len(wrong) for x in exact_interval(len(wrong), size, hits))
                    held[size, "peer"] += low <= values["noise_rate"] <= high
                    width[size, "peer"] += (high - low) / args.repeats
    lines = [f"## {args.workspace.name}, {args.repeats} repeats", ""]
    lines += [
        "| | true value | " + " | ".join(f"{s} judged" for s in sizes) + " |",
        "|---|---:|" + "---:|" * len(sizes),
    ]
    titles = {"noise_rate": "share of wrong labels", "precision": "precision of the flags", "recall": "their recall"}
    for name, title in {**titles, "peer": "share of wrong labels, simple random sample"}.items():
        cells = [f"held in {held[s, name] / args.repeats:.0%}, width {width[s, name]:.3f}" for s in sizes]
        lines.append(f"| {title} | {values.get(name, values['noise_rate']):.3f} | {' | '.join(cells)} |")
    text = "\n".join([*lines, ""])
    print(text)
    if args.out:
        with args.out.open("a", encoding="utf-8") as stream:
            stream.write(text + "\n")


if __name__ == "__main__":
    main()
