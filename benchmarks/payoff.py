"""What curating and choosing gain, judged on true labels: `python benchmarks/payoff.py WS TRUTH [--out FILE.json]`.

1. Curation: a probe trained on the raw set, the auto-curated set, the set after simulated truthful decisions, the raw set without
   exactly its truly bad rows, the set with every label fixed, and random sets of the same size; five seeds, regularisation tuned for
   each arm on an inner split, judged on the true labels of held-out rows, with paired bootstrap intervals.
2. Methods: every subset method at 10, 30 and 50%, as published (quality slider at 0) and at the usual setting, beside random:
   accuracy with its interval, coverage radius, diversity, seconds.

TRUTH is a table with id, kind and true_label; it is read for judging and for the simulated decisions only. WS is copied first.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from winnow.core.chooser import Chooser, Wish
from winnow.core.payoff import arms_of
from winnow.core.query import Filter
from winnow.core.selection import SELECTORS
from winnow.core.selection.measures import coverage, vendi
from winnow.core.selection.payoff import Arm, Payoff, Training, measure
from winnow.core.workspace import Workspace

DECISIONS = 1000
BUDGETS = ("10%", "30%", "50%")
ASKED = ("noisy_label", "ood", "duplicate", "broken")


def truth_of(ws: Workspace, path: Path) -> pd.DataFrame:
    """kind and true_label in the order of the workspace's rows."""
    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    return table.set_index("id").loc[ws.ids()]


def decide_truthfully(ws: Workspace, truth: pd.DataFrame, given: dict[str, str | None], held: set[str], n: int) -> int:
    """The first ``n`` of the queue of what asks for an answer, the surest first, answered by the truth: relabel where the label is
    wrong, exclude what does not belong, accept the rest. Returns how many changed something."""
    known = set(ws.classes())
    queue = [i for i in ws.ids(Filter(verdicts=ASKED), "-confidence") if i not in held][:n]
    changed = 0
    for sample_id in queue:
        true = truth.at[sample_id, "true_label"]
        if true not in known:
            ws.decide(sample_id, "exclude")
        elif true != given[sample_id]:
            ws.decide(sample_id, "relabel", label=str(true))
        else:
            ws.decide(sample_id, "accept")
            continue
        changed += 1
    return changed


def ratio(found: Payoff, arm: str, best: str, raw: str = "raw", resamples: int = 2000) -> dict[str, float]:
    """(arm − raw) / (best − raw) in accuracy, with a paired bootstrap interval over the judged rows."""
    a, b, r = (found.right[name] for name in (arm, best, raw))
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(resamples):
        i = rng.integers(0, len(a), len(a))
        below = b[i].mean() - r[i].mean()
        draws.append((a[i].mean() - r[i].mean()) / below if below > 0 else np.nan)
    low, high = np.nanquantile(draws, [0.025, 0.975])
    value = (a.mean() - r.mean()) / (b.mean() - r.mean())
    return {"value": float(value), "low": float(low), "high": float(high)}


def curation(ws_path: Path, truth_path: Path, seeds: int) -> dict[str, Any]:
    """Part 1."""
    with Workspace.open(ws_path, actor="simulated") as ws:
        chooser, truth = ws.selection, truth_of(ws, truth_path)
        before = chooser.material()
        given = dict(zip(ws.ids(), [before.classes[c] if c >= 0 else None for c in before.given], strict=True))
        code = {name: i for i, name in enumerate(before.classes)}
        true = np.array([code.get(v, -1) for v in truth["true_label"]], np.int32)
        judge = np.flatnonzero(before.held & before.usable & (true >= 0))
        wish = Wish("random", "50%")
        auto = {a.name: a for a in arms_of(chooser, before, chooser.choose(wish, material=before), curve=False)}
        changed = decide_truthfully(ws, truth, given, set(np.array(ws.ids())[before.held]), DECISIONS)
        after = chooser.material()
        later = {a.name: a for a in arms_of(chooser, after, chooser.choose(wish, material=after), curve=False)}
        features = np.nan_to_num(chooser.features)
    train = np.flatnonzero(before.usable & ~before.held)
    right = train[true[train] == before.given[train]]
    fixable = train[true[train] >= 0]
    decided = np.flatnonzero(before.usable & ~before.held & ~after.excluded)
    size = len(auto["curated"].make(0).rows)

    def chance(seed: int) -> Training:
        return Training(np.random.default_rng([seed, 3]).permutation(train)[:size], before.given)

    arms = [
        Arm("raw", "raw", auto["raw"].make),
        Arm("curated", "auto-curated, no human", auto["curated"].make, ("raw", "random")),
        Arm("random", "random, as many as auto-curated", chance, ("raw",)),
        Arm("drop_bad", "without exactly the truly bad rows", lambda _: Training(right, before.given), ("raw",)),
        Arm("decided", f"{DECISIONS} decisions alone", lambda _: Training(decided, after.inputs.labels), ("raw",)),
        Arm(
            "decided_curated",
            f"{DECISIONS} decisions, the rest auto-curated",
            later["curated"].make,
            ("raw", "curated"),
        ),
        Arm("fix_all", "every label fixed", lambda _: Training(fixable, true), ("raw",)),
    ]
    found = measure(features, len(before.classes), arms, judge, true[judge], seeds=seeds)
    return {
        "judged": found.judged,
        "seeds": seeds,
        "decisions_that_changed_something": changed,
        "arms": [
            {
                "name": a.name, "title": a.title, "size": a.size, "accuracy": a.accuracy, "deviation": a.deviation, "f1": a.f1,
                "gmean": a.gmean, "penalty": a.penalty,
                "differences": {d.against: [d.value, d.low, d.high] for d in a.differences},
            }
            for a in found.arms
        ],
        "auto_share_of_drop_bad": ratio(found, "curated", "drop_bad"),
        "decisions_share_of_fix_all": ratio(found, "decided_curated", "fix_all"),
        "decisions_alone_share_of_fix_all": ratio(found, "decided", "fix_all"),
        "random_share_of_drop_bad": ratio(found, "random", "drop_bad"),
    }  # fmt: skip


def methods(ws_path: Path, truth_path: Path, seeds: int) -> list[dict[str, Any]]:
    """Part 2."""
    out: list[dict[str, Any]] = []
    with Workspace.open(ws_path) as ws:
        chooser, truth = ws.selection, truth_of(ws, truth_path)
        m = chooser.material()
        code = {name: i for i, name in enumerate(m.classes)}
        true = np.array([code.get(v, -1) for v in truth["true_label"]], np.int32)
        judge = np.flatnonzero(m.held & m.usable & (true >= 0))
        for budget in BUDGETS:
            arms, rows = [], []
            for selector in SELECTORS:
                for quality in (0.0, 0.5) if "quality" in selector.uses else (0.0,):
                    arm, row = _arm(chooser, m, selector.name, budget, quality)
                    arms.append(arm)
                    rows.append(row)
            found = measure(np.nan_to_num(chooser.features), len(m.classes), arms, judge, true[judge], seeds=seeds)
            for row in rows:
                a = found.arm(row["arm"])
                row |= {"accuracy": a.accuracy, "deviation": a.deviation, "f1": a.f1, "gmean": a.gmean, "size": a.size}
                if a.differences:
                    d = a.differences[0]
                    row |= {"against_random": [d.value, d.low, d.high], "recommended": d.low > 0}
            out += rows
            print(pd.DataFrame(rows).drop(columns=["arm"]).to_string(index=False), flush=True)
    return out


def _arm(chooser: Chooser, m: Any, name: str, budget: str, quality: float) -> tuple[Arm, dict[str, Any]]:
    wish = Wish(name, budget, quality=quality, per_class=0, guard=False)
    began = time.perf_counter()
    choice = chooser.choose(wish, material=m)
    seconds = time.perf_counter() - began
    pool = chooser.inputs(m, wish).pool
    seen = coverage(chooser.raw, pool, choice.rows, chooser.graph)
    weight = None
    key = f"{name}/{quality}"
    row = {
        "arm": key, "method": name, "budget": budget, "quality": quality, "seconds": round(seconds, 2),
        "radius": seen.radius, "p95": seen.p95, "vendi": vendi(chooser.vectors, choice.rows),
    }  # fmt: skip

    def make(seed: int) -> Training:
        if name in ("random", "rs2", "stratified", "balanced"):  # those that draw differ by seed
            again = chooser.choose(Wish(name, budget, seed, quality, per_class=0, guard=False), material=m)
            return Training(again.rows, m.inputs.labels, weight)
        return Training(choice.rows, m.inputs.labels, weight)

    against = () if name == "random" else ("random/0.0",)
    return Arm(key, name, make, against), row


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ws", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--part", choices=("curation", "methods", "both"), default="both")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.winnow"
        shutil.copytree(args.ws, copy)
        found: dict[str, Any] = {"workspace": args.ws.name}
        if args.part != "curation":
            found["methods"] = methods(copy, args.truth, args.seeds)
        if args.part != "methods":
            found["curation"] = curation(copy, args.truth, args.seeds)
            print(json.dumps(found["curation"], indent=1))
    if args.out:
        args.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
