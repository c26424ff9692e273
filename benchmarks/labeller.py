"""Labelling from nothing by a simulated person who answers by the truth: accuracy of all labels after few of them.

    python -m benchmarks.labeller FOLDER [--seeds 5] [--budgets 20,50,100,300,1000] [--out labelling.md]

FOLDER holds embeddings.parquet (id, a list of numbers), samples (.parquet or .csv: id, label and perhaps split) and
truth (.parquet or .csv: id, kind, true_label). Samples without a true class (out of distribution, broken) are left out.
The person labels samples of the training split (of all, where there is none). Judged: the labels of all samples, the
person's and the likeliest class of every other, and those of the test split, none of which the person has seen.

Peers see the half-whitened vectors too, and are each given what serves them best: logistic regression of scikit-learn
with C = 10, LabelSpreading (k nearest neighbours, k = 15), and uncertainty sampling (least margin of that logistic
regression, the first 10 at random). "Accepted" is the largest part of the rest whose stated error is 2, 5 and 10%, and
what the error really was.
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from winnow.core.features.neighbors import build, whitening
from winnow.core.review.active_learning.label_model import (
    Anchors,
    fit_label_model,
    neighbour_averaged,
    stated_error,
    tune,
)
from winnow.core.review.active_learning.label_queue import doubt, next_samples

STATED = (0.02, 0.05, 0.10)
TUNE_AGAIN = 1.3
"""As in the product: the model is tuned again when there are this many times as many labels."""


@dataclass(frozen=True)
class Task:
    """Vectors, true classes, and who may be asked about."""

    x: NDArray[np.float32]
    features: NDArray[np.float32]
    y: NDArray[np.int64]
    pool: NDArray[np.int64]
    test: NDArray[np.bool_]

    @property
    def classes(self) -> int:
        return int(self.y.max()) + 1


def _table(folder: Path, name: str) -> pd.DataFrame:
    path = folder / f"{name}.parquet"
    table = pd.read_parquet(path) if path.exists() else pd.read_csv(folder / f"{name}.csv", keep_default_na=False)
    return table.assign(id=table["id"].astype(str)).set_index("id")


def load(folder: Path) -> Task:
    """Read a folder."""
    vectors = _table(folder, "embeddings")
    truth, samples = _table(folder, "truth").loc[vectors.index], _table(folder, "samples").loc[vectors.index]
    raw = np.stack(vectors.iloc[:, 0].to_numpy()).astype(np.float32)
    keep = np.isfinite(raw).all(1) & ~truth["kind"].isin(["ood", "broken"]).to_numpy()
    raw = raw[keep] / np.maximum(np.linalg.norm(raw[keep], axis=1, keepdims=True), 1e-9)
    ok = np.ones(len(raw), bool)
    x = whitening(raw, ok, seed=0)(raw, ok)
    features = neighbour_averaged(x, build(x, ok, 50), ok)
    y = np.unique(truth["true_label"].astype(str).to_numpy()[keep], return_inverse=True)[1]
    split = samples["split"].to_numpy()[keep] if "split" in samples else np.full(len(x), "")
    test = split == "test"
    return Task(x, features, y, np.flatnonzero(~test), test)


def winnow(task: Task, budgets: list[int], seed: int) -> dict[int, dict[str, Any]]:
    """The product: its order and its model, ten labels at a time (more, later, as the order changes less)."""
    rows, results = np.zeros(0, np.int64), {}
    tuning, tuned, probs = None, 0, None
    while True:
        if len(rows):
            anchors = Anchors(rows, task.y[rows].astype(np.int32), np.ones(len(rows), np.float32), task.classes)
            if tuning is None or len(rows) >= TUNE_AGAIN * tuned:
                tuning, tuned = tune(task.features[rows], anchors), len(rows)
            probs = fit_label_model(task.features[rows], anchors, tuning).predict(task.features)
        if len(rows) in budgets:
            results[len(rows)] = judge(task, rows, probs)
        if len(rows) >= budgets[-1]:
            return results
        step = min(10 if len(rows) < 100 else 20 if len(rows) < 300 else 50, _to_next(budgets, len(rows)))
        open_ = np.zeros(len(task.y), bool)
        open_[task.pool] = True
        open_[rows] = False
        doubtful = np.ones(len(task.y), np.float32) if probs is None else doubt(probs)
        rows = np.concatenate([rows, next_samples(task.features, rows, open_, doubtful, step, seed)])


def _to_next(budgets: list[int], have: int) -> int:
    return next(b for b in budgets if b > have) - have


def judge(task: Task, rows: NDArray[np.int64], probs: NDArray[np.floating]) -> dict[str, Any]:
    """Accuracy of all labels and on the test split; what was stated and real for each stated error."""
    predicted = probs.argmax(1)
    wrong = predicted != task.y
    labels = predicted.copy()
    labels[rows] = task.y[rows]
    rest = np.ones(len(task.y), bool)
    rest[rows] = False
    p, bad = probs.max(1)[rest], wrong[rest]
    order = np.argsort(-p, kind="stable")
    stated = stated_error(p[order], len(rows), len(p))
    accepted = {}
    for error in STATED:
        k = int(np.flatnonzero(stated <= error).max(initial=-1)) + 1
        accepted[error] = (k / len(p), float(bad[order[:k]].mean()) if k else float("nan"))
    test = float(1 - wrong[task.test].mean()) if task.test.any() else float("nan")
    return {"all": float((labels == task.y).mean()), "test": test, "accepted": accepted}


def _logistic(x: NDArray[np.float32], y: NDArray[np.int64], everything: NDArray[np.float32], classes: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    out = np.zeros((len(everything), classes))
    if len(np.unique(y)) < 2:
        out[:, y[0]] = 1.0
        return out
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=10.0, max_iter=200).fit(x, y)
    out[:, model.classes_] = model.predict_proba(everything)
    return out


def peers(task: Task, budgets: list[int], seed: int) -> dict[str, dict[int, dict[str, Any]]]:
    """Random + logistic regression, random + LabelSpreading, uncertainty sampling."""
    from sklearn.semi_supervised import LabelSpreading

    drawn = np.random.default_rng(seed).permutation(task.pool)
    out: dict[str, dict[int, dict[str, Any]]] = {"random + LR": {}, "random + spreading": {}, "uncertainty": {}}
    for budget in budgets:
        rows = drawn[:budget]
        out["random + LR"][budget] = judge(task, rows, _logistic(task.x[rows], task.y[rows], task.x, task.classes))
        known = np.full(len(task.y), -1)
        known[rows] = task.y[rows]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = LabelSpreading(kernel="knn", n_neighbors=15).fit(task.x, known)
        spread = np.zeros((len(task.y), task.classes))
        spread[:, model.classes_] = np.nan_to_num(model.label_distributions_)
        out["random + spreading"][budget] = judge(task, rows, spread)
    rows = drawn[:10]
    while True:
        probs = _logistic(task.x[rows], task.y[rows], task.x, task.classes)
        if len(rows) in budgets:
            out["uncertainty"][len(rows)] = judge(task, rows, probs)
        if len(rows) >= budgets[-1]:
            return out
        step = min(10 if len(rows) < 100 else 20 if len(rows) < 300 else 50, _to_next(budgets, len(rows)))
        free = np.setdiff1d(task.pool, rows)
        rows = np.concatenate([rows, free[np.argsort(-doubt(probs[free].astype(np.float32)), kind="stable")[:step]]])


def report(name: str, runs: list[dict[str, dict[int, dict[str, Any]]]], budgets: list[int]) -> str:
    """Markdown tables of means over the seeds."""

    def mean(who: str, budget: int, what: str) -> float:
        return float(np.mean([run[who][budget][what] for run in runs]))

    who = list(runs[0])
    lines = [f"## {name}, {len(runs)} seeds", ""]
    for what, title in (("all", "Accuracy of all labels"), ("test", "Accuracy on the test split")):
        if np.isnan(mean(who[0], budgets[0], what)):
            continue
        lines += [f"| {title} | {' | '.join(f'{b:,}' for b in budgets)} |", "|---|" + "---:|" * len(budgets)]
        lines += [f"| {w} | {' | '.join(f'{mean(w, b, what):.3f}' for b in budgets)} |" for w in who] + [""]
    lines += [
        "| Accepted by Winnow at a stated error of | " + " | ".join(f"{b:,}" for b in budgets) + " |",
        "|---|" + "---:|" * len(budgets),
    ]
    for error in STATED:
        cells = []
        for b in budgets:
            share, real = zip(*(run["winnow"][b]["accepted"][error] for run in runs), strict=True)
            weight = np.array(share)
            whole = float(np.nansum(weight * np.array(real)) / weight.sum()) if weight.sum() else float("nan")
            cells.append(f"{np.mean(share):.0%}, {whole:.1%} wrong" if weight.sum() else "none")
        lines.append(f"| {error:.0%} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budgets", default="20,50,100,300,1000")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    budgets = [int(b) for b in args.budgets.split(",")]
    task, runs = load(args.folder), []
    for seed in range(args.seeds):
        started = time.process_time()
        runs.append({"winnow": winnow(task, budgets, seed), **peers(task, budgets, seed)})
        print(f"seed {seed}: {time.process_time() - started:.0f} s of processor time", flush=True)
    text = report(args.folder.name, runs, budgets)
    print(text)
    if args.out:
        with args.out.open("a", encoding="utf-8") as stream:
            stream.write(text + "\n")


if __name__ == "__main__":
    main()
