"""How well do the signals and the verdicts find planted or known faults, beside cleanlab's Datalab in the same run?

    python benchmarks/quality.py                          # generated worlds and handwritten digits
    python benchmarks/quality.py path/to/folder …         # and folders of samples, embeddings and truth

A folder holds ``samples.parquet`` or ``samples.csv`` (id, label, and image bytes or text), ``embeddings.parquet`` (id,
embedding) and ``truth.parquet`` or ``truth.csv`` (id, kind, true_label, and cscore where there is one). Truth is read
for judging only. Written: ``assets/benchmarks/quality.md`` (tables: verdicts beside the peer, every signal, what each
view adds) and ``quality.html`` (plot; loads plotly's script from the web).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, roc_auc_score

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.factories import world  # noqa: E402
from winnow.core.combine._consensus import with_consensus  # noqa: E402
from winnow.core.combine.noisy_label import noisy_label  # noqa: E402
from winnow.core.neighbors import build, half_whiten  # noqa: E402
from winnow.core.probe import run_probe  # noqa: E402
from winnow.core.signals import SIGNALS  # noqa: E402
from winnow.core.types import Kind, Modality, SignalInputs  # noqa: E402
from winnow.core.verdicts import decide  # noqa: E402
from winnow.core.views import pixel_features, word_features  # noqa: E402


@dataclass(frozen=True)
class Case:
    """One dataset with its truth. ease (n,): larger = easier, NaN = unknown. views: further descriptions by name."""

    name: str
    vectors: np.ndarray
    ok: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    kind: np.ndarray
    true: np.ndarray
    ease: np.ndarray
    views: dict[str, np.ndarray]
    modality: Modality = Modality.VECTOR


def generated() -> list[Case]:
    shapes = [
        ("10 classes, 10% noise, outliers", {"n": 2000, "classes": 10, "noise": 0.1, "separation": 4, "outliers": 60}),
        (
            "10 overlapping classes, 20% confusable noise",
            {"n": 2000, "noise": 0.2, "separation": 3, "confusable": True},
        ),
        ("100 classes 1:100, 10% noise", {"n": 5000, "classes": 100, "noise": 0.1, "imbalance": 100, "separation": 6}),
    ]
    cases = []
    for name, shape in shapes:
        made = world(seed=7, **shape)
        names = tuple(f"class {i}" for i in range(made.classes))
        cases.append(
            Case(f"World: {name}", made.vectors, made.ok, made.labels, names, made.kind, made.true, made.ease, {})
        )
    return cases


def digits(noise: float = 0.1) -> Case:
    from sklearn.datasets import load_digits

    data = load_digits()
    rng = np.random.default_rng(0)
    true = data.target.astype(np.int32)
    labels = true.copy()
    moved = rng.choice(len(true), round(noise * len(true)), replace=False)
    labels[moved] = (true[moved] + rng.integers(1, 10, len(moved))) % 10
    kind = np.full(len(true), "clean", object)
    kind[moved] = "noisy_label"
    x = data.data.astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    unknown = np.full(len(true), np.nan)
    return Case(
        "Digits, 10% planted noise", x, np.ones(len(x), bool), labels, tuple("0123456789"), kind, true, unknown, {}
    )


def _table(folder: Path, name: str) -> pd.DataFrame:
    if (folder / f"{name}.parquet").exists():
        return pd.read_parquet(folder / f"{name}.parquet")
    return pd.read_csv(folder / f"{name}.csv", keep_default_na=False)


def from_folder(folder: Path) -> Case:
    t = _table(folder, "samples").merge(pd.read_parquet(folder / "embeddings.parquet"), on="id", how="left")
    t = t.merge(_table(folder, "truth"), on="id", how="left")
    x = np.stack(t.embedding.to_numpy()).astype(np.float32)
    ok = np.isfinite(x).all(1)
    x[~ok] = 0
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    label = t.label.astype("category")
    classes = tuple(str(c) for c in label.cat.categories)
    code = {c: i for i, c in enumerate(classes)}
    true = np.array([code.get(str(v), -1) for v in t.true_label], np.int32)
    ease = pd.to_numeric(t.cscore, errors="coerce").to_numpy(float) if "cscore" in t else np.full(len(t), np.nan)
    views: dict[str, np.ndarray] = {}
    modality = Modality.VECTOR
    if "text" in t:
        modality = Modality.TEXT
        words = word_features(t.text.to_numpy(object), ok)
        if words is not None:
            views["words"] = words
    elif "image" in t:
        modality = Modality.IMAGE
        views["pixels"] = pixel_features(_thumbnails(t.image), ok)
    labels = label.cat.codes.to_numpy(np.int32)
    return Case(folder.name, x, ok, labels, classes, t.kind.to_numpy(object), true, ease, views, modality)


def _thumbnails(images: pd.Series) -> np.ndarray:
    from PIL import Image

    tiny = np.zeros((len(images), 32, 32, 3), np.uint8)
    for i, cell in enumerate(images):
        data = cell["bytes"] if isinstance(cell, dict) else cell
        with contextlib.suppress(OSError, SyntaxError, TypeError, ValueError), Image.open(io.BytesIO(data)) as picture:
            tiny[i] = np.asarray(picture.convert("RGB").resize((32, 32)))
    return tiny.reshape(len(images), -1)


def judge(case: Case, noise: np.ndarray) -> dict[str, float]:
    """AP and AUROC of wrong labels among samples that have a true label; AUROC against the hardest tenth of the clean."""
    among = np.isin(case.kind, ["clean", "noisy_label"]) & case.ok
    wrong = case.kind == "noisy_label"
    score = np.nan_to_num(noise)
    out = {
        "AP": average_precision_score(wrong[among], score[among]),
        "AUROC": roc_auc_score(wrong[among], score[among]),
    }
    clean = (case.kind == "clean") & np.isfinite(case.ease)
    if clean.any():
        lean = clean & (case.ease < np.quantile(case.ease[clean], 0.1))
        both = lean | wrong
        out["against hard"] = roc_auc_score(wrong[both], score[both])
    return out


def inputs_of(case: Case) -> SignalInputs:
    whitened = half_whiten(case.vectors, case.ok)
    return SignalInputs(
        n=len(case.labels),
        ok=case.ok,
        labels=case.labels,
        class_names=case.classes,
        modality=case.modality,
        vectors=case.vectors,
        whitened=whitened,
        neighbors=build(case.vectors, case.ok, 15),
        label_neighbors=build(whitened, case.ok, 50),
        beliefs=run_probe(whitened, case.labels, case.ok, len(case.classes), views=case.views),
    )


def peer(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Datalab with cross-validated logistic regression, its defaults: noise score, flag and suggestion, (n,) each."""
    from cleanlab import Datalab
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = np.flatnonzero(case.ok)
    y = case.labels[rows]
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.003, max_iter=300))
    p = cross_val_predict(probe, case.vectors[rows], y, cv=5, method="predict_proba")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        lab = Datalab(data={"y": y}, label_name="y")
        lab.find_issues(pred_probs=p, issue_types={"label": {}})
    found = lab.get_issues("label")
    score, flag = np.zeros(len(case.labels)), np.zeros(len(case.labels), bool)
    best = np.full(len(case.labels), -1)
    score[rows], flag[rows] = 1 - found.label_score.to_numpy(), found.is_label_issue.to_numpy()
    p[np.arange(len(y)), y] = -1
    best[rows] = p.argmax(1)
    return score, flag, best


def measure(case: Case) -> tuple[list[dict[str, object]], list[dict[str, object]], list[dict[str, object]]]:
    """Rows of the three tables: verdicts beside the peer, signals, ablation."""
    wrong = case.kind == "noisy_label"
    known = wrong & (case.true >= 0)
    began = time.perf_counter()
    inputs = inputs_of(case)
    results = {s.name: s(inputs) for s in SIGNALS if all(inputs.has(need) for need in s.requires)}
    said = decide(inputs, results)
    seconds = time.perf_counter() - began
    began = time.perf_counter()
    score, flag, best = peer(case)
    theirs = time.perf_counter() - began
    evidence = said.evidence[Kind.NOISY_LABEL]

    def line(who: str, noise: np.ndarray, flags: np.ndarray, suggestion: np.ndarray, took: float) -> dict[str, object]:
        return {
            "dataset": case.name,
            "who": who,
            **judge(case, noise),
            "precision": float(wrong[flags].mean()) if flags.any() else float("nan"),
            "recall": float(flags[wrong].mean()),
            "suggestion right": float((suggestion[known] == case.true[known]).mean()),
            "seconds": took,
        }

    called = said.primary == Kind.NOISY_LABEL.value
    verdicts = [
        line("Winnow", evidence.probability, called, said.suggested[:, 0], seconds),
        line("Datalab", score, flag, best, theirs),
    ]
    signals = [
        {"dataset": case.name, "signal": name, **judge(case, r.score)}
        for name, r in results.items()
        if name.startswith("label_") and np.isfinite(r.score).mean() > 0.5
    ]
    clean = (case.kind == "clean") & np.isfinite(case.ease)
    if clean.any():
        for name, r in results.items():
            keep = clean & np.isfinite(r.score)
            if name.startswith(("hard_", "naive_")) and keep.any():
                signals.append(
                    {"dataset": case.name, "signal": name, "rank": spearmanr(r.score[keep], -case.ease[keep])[0]}
                )
    return verdicts, signals, ablation(case, inputs)


def ablation(case: Case, inputs: SignalInputs) -> list[dict[str, object]]:
    """Noise AP of the consensus without each view in turn."""
    beliefs = inputs.beliefs
    assert beliefs is not None

    def ap(changed: SignalInputs) -> float:
        return judge(case, noisy_label(with_consensus(changed)[0], {}).probability)["AP"]

    whole = ap(inputs)
    rows: list[dict[str, object]] = []
    for name in [k for k in beliefs.extra_probs if k not in ("gce", "sce")]:
        rest = {k: p for k, p in beliefs.extra_probs.items() if k != name}
        without = ap(replace(inputs, beliefs=replace(beliefs, extra_probs=rest)))
        rows.append({"dataset": case.name, "view": name, "AP without": without, "adds": whole - without})
    without = ap(replace(inputs, label_neighbors=None))
    rows.append({"dataset": case.name, "view": "neighbours", "AP without": without, "adds": whole - without})
    return rows


def markdown(rows: list[dict[str, object]]) -> str:
    frame = pd.DataFrame(rows)
    cells = frame.map(
        lambda v: "" if isinstance(v, float) and np.isnan(v) else f"{v:.3f}" if isinstance(v, float) else v
    )
    head = "| " + " | ".join(cells.columns) + " |\n|" + "---|" * len(cells.columns) + "\n"
    return head + "\n".join("| " + " | ".join(map(str, row)) + " |" for row in cells.to_numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "assets" / "benchmarks")
    options = parser.parse_args()
    verdicts: list[dict[str, object]] = []
    signals: list[dict[str, object]] = []
    ablations: list[dict[str, object]] = []
    for case in [*generated(), digits(), *(from_folder(f) for f in options.folders)]:
        print(f"{case.name} …", file=sys.stderr)
        for table, rows in zip((verdicts, signals, ablations), measure(case), strict=True):
            table.extend(rows)
    options.out.mkdir(parents=True, exist_ok=True)
    text = (
        "# Quality\n\nMade by `benchmarks/quality.py`. Wrong labels: AP and AUROC among samples with a true label; *against "
        "hard*: AUROC of wrong labels against the hardest tenth of the right ones. Datalab runs in the same process, with "
        "cross-validated logistic regression on the same features.\n\n## Verdicts beside the peer\n\n"
        f"{markdown(verdicts)}\n\n## Every signal\n\n{markdown(signals)}\n\n"
        f"## What each view adds to the consensus (AP)\n\n{markdown(ablations)}\n"
    )
    (options.out / "quality.md").write_text(text)
    import plotly.express as px

    figure = px.bar(
        pd.DataFrame(verdicts), x="dataset", y="AP", color="who", barmode="group", title="Wrong labels found: AP"
    )
    figure.write_html(options.out / "quality.html", include_plotlyjs="cdn")
    print(text)


if __name__ == "__main__":
    main()
