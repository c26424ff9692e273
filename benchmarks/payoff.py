"""What curating and choosing gain, judged on true labels.

``python -m benchmarks.payoff --out selection.json [WS TRUTH]...`` writes selection.json and, beside it, selection.md.
What the file holds of other workspaces and parts stays, so that one dataset can be run again.

1. Curation: a probe trained on the raw set, the auto-curated set, the set after simulated truthful decisions, the raw
set without
   exactly its truly bad rows, the set with every label fixed, and random sets of the same size; five seeds,
   regularisation tuned for each arm on an inner split, judged on the true labels of held-out rows, with paired
   bootstrap intervals.
2. Methods: every subset method at 10, 30 and 50%, as published (quality slider at 0) and at the usual setting, beside
random:
   accuracy with its interval, coverage radius, diversity, seconds. Each seed draws its own subset.
3. Timing (``--part timing``, needs no workspace): seconds of every method on 50,000 samples of 512 numbers.

TRUTH is a table with id, kind and true_label; it is read for judging and for the simulated decisions only. WS is
copied first.
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

from benchmarks.payoff_report import BUDGETS, report
from winnow.core.explore.query import Filter
from winnow.core.features.neighbors import build
from winnow.core.subsets.bootstrap import Arm, Payoff, Training, measure
from winnow.core.subsets.constraints import choose, narrowed
from winnow.core.subsets.evaluation import arms_of, epochs_of
from winnow.core.subsets.measures import coverage, vendi
from winnow.core.subsets.methods import SELECTORS, SelectionInputs
from winnow.core.subsets.methods.rs2 import FreshRandom
from winnow.core.subsets.selector import SelectionContext, SubsetRequest, SubsetSelector
from winnow.core.workspace import Workspace

DECISIONS = 1000
ASKED = ("noisy_label", "ood", "duplicate", "broken")


def truth_of(ws: Workspace, path: Path) -> pd.DataFrame:
    """kind and true_label in the order of the workspace's rows."""
    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    return table.set_index("id").loc[ws.ids()]


def decide_truthfully(ws: Workspace, truth: pd.DataFrame, given: dict[str, str | None], held: set[str], n: int) -> int:
    """The first ``n`` of the queue of what asks for an answer, the surest first, answered by the truth.

    Relabel where the label is wrong, exclude what does not belong, accept the rest. Returns how many changed
    something.
    """
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
        chooser, truth = ws.subsets, truth_of(ws, truth_path)
        before = chooser.context()
        given = dict(zip(ws.ids(), [before.classes[c] if c >= 0 else None for c in before.given], strict=True))
        code = {name: i for i, name in enumerate(before.classes)}
        true = np.array([code.get(v, -1) for v in truth["true_label"]], np.int32)
        judge = np.flatnonzero(before.held_out & before.usable & (true >= 0))
        wish = SubsetRequest("random", "50%")
        auto = {a.name: a for a in arms_of(chooser, before, chooser.choose(wish, context=before), curve=False)}
        changed = decide_truthfully(ws, truth, given, set(np.array(ws.ids())[before.held_out]), DECISIONS)
        after = chooser.context()
        later = {a.name: a for a in arms_of(chooser, after, chooser.choose(wish, context=after), curve=False)}
        features = np.nan_to_num(chooser.features)
    train = np.flatnonzero(before.usable & ~before.held_out)
    right = train[true[train] == before.given[train]]
    fixable = train[true[train] >= 0]
    decided = np.flatnonzero(before.usable & ~before.held_out & ~after.excluded)
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
                "name": a.name,
                "title": a.title,
                "size": a.size,
                "accuracy": a.accuracy,
                "deviation": a.deviation,
                "f1": a.f1,
                "gmean": a.gmean,
                "penalty": a.penalty,
                "differences": {d.against: [d.value, d.low, d.high] for d in a.differences},
            }
            for a in found.arms
        ],
        "auto_share_of_drop_bad": ratio(found, "curated", "drop_bad"),
        "decisions_share_of_fix_all": ratio(found, "decided_curated", "fix_all"),
        "decisions_alone_share_of_fix_all": ratio(found, "decided", "fix_all"),
        "random_share_of_drop_bad": ratio(found, "random", "drop_bad"),
    }


def methods(ws_path: Path, truth_path: Path, seeds: int) -> dict[str, Any]:
    """Part 2."""
    out: list[dict[str, Any]] = []
    with Workspace.open(ws_path) as ws:
        chooser, truth = ws.subsets, truth_of(ws, truth_path)
        m = chooser.context()
        code = {name: i for i, name in enumerate(m.classes)}
        true = np.array([code.get(v, -1) for v in truth["true_label"]], np.int32)
        judge = np.flatnonzero(m.held_out & m.usable & (true >= 0))
        names = [(s.name, q) for s in SELECTORS for q in ((0.0, 0.5) if "quality" in s.uses else (0.0,))]
        for budget in BUDGETS:
            made = [_arm(chooser, m, name, budget, quality, seeds) for name, quality in names]
            rows = [row for _, row in made]
            found = measure(
                np.nan_to_num(chooser.features),
                len(m.classes),
                [arm for arm, _ in made],
                judge,
                true[judge],
                seeds=seeds,
                looks=len(made) - 1,
            )
            chance = rows[names.index(("random", 0.0))]
            for row in rows:
                a = found.arm(row["arm"])
                half = 1.96 * float(found.right[row["arm"]].std()) / len(judge) ** 0.5
                row |= {
                    "accuracy": a.accuracy,
                    "half": half,
                    "deviation": a.deviation,
                    "f1": a.f1,
                    "gmean": a.gmean,
                    "size": a.size,
                }
                nearer = [one < other for one, other in zip(row["radii"], chance["radii"], strict=True)]
                row |= {"radius": float(np.mean(row["radii"])), "nearer": sum(nearer)}
                if a.differences:
                    d = a.differences[0]
                    row |= {"against_random": [d.value, d.low, d.high], "beats_random": d.low > 0}
            out += rows
            print(pd.DataFrame(rows).drop(columns=["arm", "radii"]).to_string(index=False), flush=True)
    return {"judged": len(judge), "seeds": seeds, "rows": out}


def _arm(
    chooser: SubsetSelector, m: SelectionContext, name: str, budget: str, quality: float, seeds: int
) -> tuple[Arm, dict[str, Any]]:
    wishes = [SubsetRequest(name, budget, seed, quality, per_class=0, guard=False) for seed in range(seeds)]
    began = time.perf_counter()
    chosen = [chooser.choose(wish, context=m) for wish in wishes]
    seconds = (time.perf_counter() - began) / seeds
    rules = narrowed(chooser.inputs(m, wishes[0]), chooser.rules(m, wishes[0]))
    seen = [coverage(chooser.raw, rules.pool, c.rows, chooser.graph) for c in chosen]
    key = f"{name}/{quality}"
    row = {
        "arm": key,
        "method": name,
        "budget": budget,
        "quality": quality,
        "seconds": round(seconds, 2),
        "radii": [c.radius for c in seen],
        "p95": float(np.mean([c.p95 for c in seen])),
        "vendi": float(np.mean([vendi(chooser.vectors, c.rows) for c in chosen])),
    }

    def make(seed: int) -> Training:
        epochs = epochs_of(chooser, m, wishes[seed]) if name == FreshRandom.name else None
        return Training(chosen[seed].rows, m.inputs.labels, epochs=epochs)

    return Arm(key, name, make, () if name == "random" else ("random/0.0",)), row


def timing(n: int = 50_000, d: int = 512) -> list[dict[str, Any]]:
    """Part 3: seconds of every method at 10, 30 and 50% of a made-up dataset in 200 clumps."""
    rng = np.random.default_rng(0)
    clump = rng.integers(0, 200, n).astype(np.int32)
    x = (rng.normal(size=(200, d))[clump] + rng.normal(size=(n, d)) * 1.5).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    inputs = SelectionInputs(
        pool=np.arange(n) % 10 > 0,
        labels=clump % 20,
        n_classes=20,
        vectors=x,
        neighbors=build(x, np.ones(n, bool), 30),
        quality=rng.random(n).astype(np.float32),
        hardness=rng.random(n).astype(np.float32),
        flagged=rng.random(n) < 0.1,
        clusters=clump,
        target=np.arange(n) % 10 == 0,
    )
    rows = []
    for selector in SELECTORS:
        row: dict[str, Any] = {"method": selector.name}
        for budget in BUDGETS:
            wall, cpu = time.perf_counter(), time.process_time()
            choose(selector.name, inputs, budget)
            row[budget], row[f"{budget} cpu"] = time.perf_counter() - wall, time.process_time() - cpu
        rows.append(row)
        print(row["method"], *(f"{b}: {row[b]:.1f} s (CPU {row[f'{b} cpu']:.1f} s)" for b in BUDGETS), flush=True)
    return rows


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="*", type=Path, metavar="WS TRUTH")
    parser.add_argument("--out", type=Path, help="a JSON file; the Markdown is written beside it")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--part", choices=("curation", "methods", "timing", "all"), default="all")
    args = parser.parse_args()
    if len(args.pairs) % 2:
        parser.error("give a workspace and its truth, again and again")
    found: dict[str, Any] = {"datasets": {}}
    if args.out and args.out.exists():
        found = json.loads(args.out.read_text())

    def keep() -> None:
        if args.out:
            args.out.write_text(json.dumps(found, indent=1) + "\n")
            args.out.with_suffix(".md").write_text(report(found))

    for ws, truth in zip(args.pairs[::2], args.pairs[1::2], strict=True):
        mine = found["datasets"].setdefault(ws.stem, {})
        for name, part in (("curation", curation), ("methods", methods)):
            if args.part in (name, "all"):
                with tempfile.TemporaryDirectory() as folder:
                    copy = Path(folder) / "copy.winnow"
                    shutil.copytree(ws, copy)
                    mine[name] = part(copy, truth, args.seeds)
                keep()
    if args.part in ("timing", "all"):
        found["timing"] = timing()
        keep()
    print(report(found))


if __name__ == "__main__":
    main()
