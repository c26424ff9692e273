"""How well text is served: wrong labels, what does not belong and search on clinc by a real sentence encoder.

    python -m benchmarks.words DATA              DATA holds samples.csv and truth.csv (id, kind, true_label, dup_of)
    python -m benchmarks.words DATA --peer       beside cleanlab's Datalab on the same embeddings and probabilities
    python -m benchmarks.words DATA --workspace WS   a workspace that was scanned before

Prints one JSON object: AP of wrong labels, AUROC of what does not belong, the share of the ten nearest samples with the
same true label, that of ten found by the words of a class name alone, and milliseconds of a search. Truth is read for
judging only.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score

from winnow.core.explore.filter import Filter
from winnow.core.storage.artifacts import load_array
from winnow.core.workspace import Workspace

NEAREST = 10
QUERIES = 500


def judge(truth: pd.DataFrame, scores: pd.DataFrame, noise: str, outlier: str) -> dict[str, float]:
    """AP and AUROC of wrong labels among labelled samples, and of outliers among all samples."""
    table = truth.merge(scores, on="id", validate="one_to_one")
    kind = table["kind"].to_numpy()
    labelled = np.isin(kind, ["clean", "noisy_label"])
    wrong, p = kind[labelled] == "noisy_label", table[noise].fillna(0).to_numpy()[labelled]
    out, q = kind == "ood", table[outlier].fillna(0).to_numpy()
    return {
        "noisy_label AP": float(average_precision_score(wrong, p)),
        "noisy_label AUROC": float(roc_auc_score(wrong, p)),
        "ood AUROC": float(roc_auc_score(out, q)),
        "ood AP": float(average_precision_score(out, q)),
    }


def peer(ws: Workspace, truth: pd.DataFrame) -> dict[str, float]:
    """cleanlab's Datalab on the workspace's own embeddings and out-of-sample probabilities."""
    from cleanlab import Datalab

    labels, ids = ws.labels(), np.array(ws.ids(), object)
    ok = np.asarray(load_array(ws.path / "embeddings" / "ok.npy"), bool)
    ok = ok & np.array([label is not None for label in labels])
    rows = np.flatnonzero(ok)
    probs = np.asarray(load_array(ws.path / "probe" / "probs.npy"))[rows]
    names = list(ws.info().class_names)
    probs = probs[:, np.argsort(names)] / probs.sum(1, keepdims=True)
    lab = Datalab(pd.DataFrame({"y": labels[rows]}), label_name="y", verbosity=0)
    features = np.asarray(load_array(ws.path / "embeddings" / "vectors.npy"), np.float32)[rows]
    with contextlib.redirect_stdout(io.StringIO()):
        lab.find_issues(pred_probs=probs, features=features, issue_types={"label": {}, "outlier": {}})
    found = lab.get_issues()
    scores = pd.DataFrame({"id": ids, "noise": np.nan, "out": np.nan})
    scores.loc[rows, "noise"] = 1 - found["label_score"].to_numpy()
    scores.loc[rows, "out"] = 1 - found["outlier_score"].to_numpy()
    return judge(truth, scores, "noise", "out")


def search(ws: Workspace, truth: pd.DataFrame) -> dict[str, float]:
    """Same true label among the nearest ten, of samples and of the class names' words, and how long a search takes."""
    true = dict(zip(truth["id"], truth["true_label"], strict=True))
    inside = truth[truth["kind"].isin(["clean", "noisy_label"])]["id"]
    asked = inside.sample(min(QUERIES, len(inside)), random_state=0)
    ws.search(text="warm up", limit=1)
    hits, seconds = [], []
    for sample in asked:
        began = time.perf_counter()
        near = ws.search(like=sample, limit=NEAREST)
        seconds.append(time.perf_counter() - began)
        hits.append(np.mean([true[i] == true[sample] for i, _ in near]))
    named, asking = [], []
    for name in ws.classes():
        began = time.perf_counter()
        near = ws.search(text=name.replace("_", " "), limit=NEAREST)
        asking.append(time.perf_counter() - began)
        named.append(np.mean([true[i] == name for i, _ in near]))
    began = time.perf_counter()
    ws.ids(Filter(find="my card was stolen", state="undecided"), "match")
    return {
        f"same label@{NEAREST} of samples": float(np.mean(hits)),
        f"same label@{NEAREST} of class names": float(np.mean(named)),
        "ms per search by sample": 1000 * float(np.median(seconds)),
        "ms per search by words": 1000 * float(np.median(asking)),
        "ms per search within a filter": 1000 * (time.perf_counter() - began),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--peer", action="store_true", help="cleanlab beside it")
    args = parser.parse_args()
    truth = pd.read_csv(args.data / "truth.csv", keep_default_na=False)
    with tempfile.TemporaryDirectory() as folder:
        if args.workspace is None:
            ws = Workspace.scan(args.data / "samples.csv", Path(folder) / "ws", network=False, projection=False)
        else:
            ws = Workspace.open(args.workspace)
        found: dict[str, Any] = {"encoder": ws.info().encoder, "samples": ws.info().n}
        found["winnow"] = judge(truth, ws.scores(), "noisy_label", "ood")
        if args.peer:
            found["cleanlab"] = peer(ws, truth)
        found["search"] = search(ws, truth)
        ws.close()
    print(
        json.dumps(
            {k: v if not isinstance(v, dict) else {n: round(x, 4) for n, x in v.items()} for k, v in found.items()},
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
