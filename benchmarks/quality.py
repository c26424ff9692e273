"""How well do the signals and the verdicts find planted or known faults, beside cleanlab's Datalab in the same run?

    python -m benchmarks.quality                          # generated worlds and handwritten digits
    python -m benchmarks.quality path/to/folder …         # and folders of samples, embeddings and truth

Each case (see quality_cases.py) is scanned as a person would, with default settings, and judged against its truth.
Written to ``assets/benchmarks``: ``quality.md`` (the verdicts beside the peer, their levels, every signal, and
what each view and signal adds) and ``quality.html`` (plot; loads plotly's script from the web).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.quality_cases import Case, generated, with_copies
from benchmarks.quality_votes import kept
from winnow.core import Workspace
from winnow.core.data.media import load_media_features
from winnow.core.detection.evidence._consensus import with_consensus
from winnow.core.detection.evidence.duplicate import duplicate
from winnow.core.detection.evidence.noisy_label import noisy_label
from winnow.core.detection.evidence.ood import ood
from winnow.core.storage import scan_tables as tables
from winnow.core.storage.artifacts import load_array, load_json, load_table
from winnow.core.storage.layout import Layout
from winnow.core.types import Modality, Neighbors, SignalInputs, SignalResult

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("noisy_label", "ood", "duplicate", "broken")
Row = dict[str, object]


@dataclass(frozen=True)
class Truth:
    """kind (n,), of (n,) which rows are of each kind, among (n,) which count for it, ease (n,), pairs of rows."""

    frame: pd.DataFrame
    of: dict[str, np.ndarray]
    among: dict[str, np.ndarray]
    clean: np.ndarray
    ease: np.ndarray
    pairs: list[tuple[int, int]]

    @classmethod
    def read(cls, case: Case, ids: pd.Series) -> Truth:
        t = ids.to_frame("id").merge(case.table("truth"), on="id", how="left", validate="one_to_one")
        kind = t.kind.to_numpy(object)
        row = {sample: i for i, sample in enumerate(t.id)}
        copies = t.dup_of if "dup_of" in t else pd.Series([None] * len(t))
        pairs = [(i, row[c]) for i, c in enumerate(copies) if isinstance(c, str) and c in row]
        of = {k: kind == k for k in KINDS}
        of["duplicate"] = of["duplicate"] | np.isin(np.arange(len(t)), [i for pair in pairs for i in pair])
        among = {k: np.ones(len(t), bool) for k in KINDS}
        among["noisy_label"] = np.isin(kind, ["clean", "noisy_label"])
        if "unsure_twin" in t:
            among["duplicate"] = ~t.unsure_twin.to_numpy(bool)
        ease = pd.to_numeric(t.cscore, errors="coerce").to_numpy(float) if "cscore" in t else np.full(len(t), np.nan)
        return cls(t, of, among, kind == "clean", ease, pairs)

    def found(self, kind: str, score: np.ndarray) -> Row:
        """AP and AUROC of a score in [0, 1] for a kind."""
        of, value = self.of[kind][self.among[kind]], np.nan_to_num(np.asarray(score, float))[self.among[kind]]
        if not of.any() or of.all():
            return {}
        out: Row = {"AP": average_precision_score(of, value), "AUROC": roc_auc_score(of, value)}
        hard = self.hardest
        if kind == "noisy_label" and hard.any():
            both = hard | self.of[kind]
            out["against hard"] = roc_auc_score(self.of[kind][both], np.nan_to_num(np.asarray(score, float))[both])
        return out

    @property
    def hardest(self) -> np.ndarray:
        known = self.clean & np.isfinite(self.ease)
        if not known.any():
            return known
        return known & (self.ease < np.quantile(self.ease[known], 0.1))

    def level(self, scores: pd.DataFrame) -> list[Row]:
        """One row per kind: what the verdict's threshold makes of the ranking, and how much the probabilities promise.

        Where nothing is of the kind, the share that is flagged all the same.
        """
        rows: list[Row] = []
        for kind in ("ood", "noisy_label"):
            among = self.among[kind]
            of, p = self.of[kind][among], np.nan_to_num(scores[kind].to_numpy(float))[among]
            flag = scores[f"{kind}_flag"].to_numpy(bool)[among]
            row: Row = {"kind": kind, "of the kind": int(of.sum()), "flagged": int(flag.sum())}
            row |= {"share flagged": float(flag.mean()), "sum of p": float(p.sum())}
            if of.any():
                hits = np.cumsum(of[np.argsort(-p, kind="stable")])
                best = float((2 * hits / (np.arange(1, len(p) + 1) + of.sum())).max())
                reached = 2 * float((flag & of).sum()) / float(flag.sum() + of.sum())
                row |= {"best F1": best, "verdict F1": reached, "reached": reached / best}
            rows.append(row)
        return rows

    def judged(self, scores: pd.DataFrame) -> list[Row]:
        """One row per kind that is in the truth: the order, and the verdicts."""
        rows = []
        for kind in KINDS:
            found = self.found(kind, scores[kind].to_numpy()) if kind in scores else {}
            if not found:
                continue
            said = (scores.verdict == kind).to_numpy() & (self.among[kind] | (kind == "noisy_label"))
            found["precision"] = float(self.of[kind][said].mean()) if said.any() else float("nan")
            found["recall"] = float(said[self.of[kind]].mean())
            if kind == "noisy_label":
                known = self.of[kind] & self.frame.true_label.notna().to_numpy()
                right = scores.suggested_label.astype(str) == self.frame.true_label.astype(str)
                found["suggestion right"] = float(right[known].mean())
            if kind == "duplicate":  # the keeper of a pair is rightly not flagged
                found["recall"] = float(np.mean([said[a] or said[b] for a, b in self.pairs]))
                found["loses both"] = float(np.mean([said[a] and said[b] for a, b in self.pairs]))
            rows.append({"kind": kind, **found})
        return rows


def peer(case: Case, x: np.ndarray, ok: np.ndarray, label: pd.Series) -> pd.DataFrame:
    """Datalab with cross-validated logistic regression on the same embeddings, its own defaults."""
    from cleanlab import Datalab
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = np.flatnonzero(ok & label.notna().to_numpy())
    y = label.iloc[rows].astype("category")
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.003, max_iter=300))
    p = cross_val_predict(probe, x[rows], y.cat.codes, cv=5, method="predict_proba")
    lab = Datalab(data={"y": y.cat.codes.to_numpy()}, label_name="y")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        lab.find_issues(features=x[rows], pred_probs=p)
    i = lab.get_issues()
    out = pd.DataFrame(0.0, index=range(len(x)), columns=["noisy_label", "ood", "duplicate"])
    out.loc[rows] = np.c_[1 - i.label_score, 1 - i.outlier_score, 1 - i.near_duplicate_score]
    out["verdict"], out["suggested_label"] = "clean", None
    flags = [i.is_label_issue, i.is_outlier_issue, i.is_near_duplicate_issue]
    out.loc[rows, "verdict"] = np.select(flags, KINDS[:3], "clean")
    p[np.arange(len(rows)), y.cat.codes] = -1
    out.loc[rows, "suggested_label"] = y.cat.categories.to_numpy(object)[p.argmax(1)]
    return out


def inputs_of(layout: Layout, labels: pd.Series) -> SignalInputs:
    """What the signals of a scan saw, from its workspace."""
    results = load_json(layout.results)
    names = tuple(results["class_names"])
    code = {name: i for i, name in enumerate(names)}
    about = load_json(layout.neighbors / "graphs.json")

    def graph(name: str) -> Neighbors:
        index, distance = (load_array(layout.neighbors / f"{name}_{part}.npy") for part in ("indices", "distances"))
        return Neighbors(index, distance, **about[name])

    return SignalInputs(
        n=len(labels),
        ok=np.asarray(load_array(layout.embeddings / "ok.npy"), bool),
        labels=np.array([code.get(v, -1) for v in labels], np.int32),
        class_names=names,
        modality=Modality(results["modality"]),
        vectors=np.asarray(load_array(layout.embeddings / "vectors.npy"), np.float32),
        whitened=load_array(layout.neighbors / "whitened.npy"),
        neighbors=graph("raw"),
        label_neighbors=graph("label"),
        beliefs=tables.load_beliefs(layout.probe),
        media=load_media_features(layout.media) if (layout.media / "pixel_hash.npy").exists() else None,
    )


def ablation(truth: Truth, inputs: SignalInputs, results: dict[str, SignalResult]) -> list[Row]:
    """AP of each kind without each of its views and signals in turn."""
    rows: list[Row] = []

    def add(kind: str, whole: float, name: str, without: Callable[[], np.ndarray]) -> None:
        ap = float(truth.found(kind, without())["AP"])  # type: ignore[arg-type]
        rows.append({"kind": kind, "without": name, "AP": ap, "adds": whole - ap})

    def noise(changed: SignalInputs) -> np.ndarray:
        return noisy_label(with_consensus(changed)[0], {}).probability

    beliefs = inputs.beliefs
    if truth.found("noisy_label", noise(inputs)) and beliefs is not None:
        whole = float(truth.found("noisy_label", noise(inputs))["AP"])  # type: ignore[arg-type]
        for name in [k for k in beliefs.extra_probs if k not in ("gce", "sce")]:
            rest = replace(beliefs, extra_probs={k: p for k, p in beliefs.extra_probs.items() if k != name})
            add("noisy_label", whole, name, lambda rest=rest: noise(replace(inputs, beliefs=rest)))  # type: ignore[misc]
        add("noisy_label", whole, "neighbours", lambda: noise(replace(inputs, label_neighbors=None)))
    agreed = with_consensus(inputs)[0]
    for kind, combine in (("ood", ood), ("duplicate", duplicate)):
        found = truth.found(kind, combine(agreed, results).probability)
        if not found:
            continue
        for name in [r for r in results if r.startswith(f"{kind}_")]:
            rest_of = {k: r for k, r in results.items() if k != name}
            add(kind, float(found["AP"]), name, lambda c=combine, r=rest_of: c(agreed, r).probability)  # type: ignore[misc, arg-type]
    return rows


def measure(case: Case, out: Path) -> tuple[list[Row], list[Row], list[Row], list[Row]]:
    """Rows of the four tables: verdicts beside the peer, levels, signals, ablation."""
    began = time.perf_counter()
    with Workspace.scan(case.source, out, embeddings=case.embeddings, projection=False, network=False) as ws:
        scores = ws.scores()
    seconds = time.perf_counter() - began
    layout = Layout(out)
    truth = Truth.read(case, scores.id)
    results = tables.load_signals(layout)
    labels = load_table(layout.dataset, columns=["label"]).column("label").to_pandas()
    inputs = inputs_of(layout, labels)
    began = time.perf_counter()
    assert inputs.vectors is not None
    theirs = peer(case, inputs.vectors, inputs.ok, labels)
    took = time.perf_counter() - began
    head = {"dataset": case.name}
    verdicts = [{**head, "who": "Winnow", **row, "seconds": seconds} for row in truth.judged(scores)]
    verdicts += [{**head, "who": "Datalab", **row, "seconds": took} for row in truth.judged(theirs)]
    signals: list[Row] = []
    known = truth.clean & np.isfinite(truth.ease)
    for name, result in sorted(results.items()):
        kind = {"label": "noisy_label", "split": "duplicate"}.get(name.split("_")[0], name.split("_")[0])
        if kind in KINDS and np.isfinite(result.score).mean() > 0.5 and (found := truth.found(kind, result.score)):
            signals.append({**head, "signal": name, **found})
        elif kind in ("hard", "naive") and (keep := known & np.isfinite(result.score)).any():
            signals.append({**head, "signal": name, "rank": spearmanr(result.score[keep], -truth.ease[keep])[0]})
    naive = float(scores.naive_flag.mean())
    levels = [{**head, **row, "naive": naive} for row in truth.level(scores)]
    return verdicts, levels, signals, [{**head, **row} for row in ablation(truth, inputs, results)]


def markdown(rows: list[Row]) -> str:
    """A table of the rows; empty cells where there is no number."""
    frame = pd.DataFrame(rows)
    cells = frame.map(
        lambda v: (
            "" if v is None or (isinstance(v, float) and np.isnan(v)) else f"{v:.3f}" if isinstance(v, float) else v
        )
    )
    head = "| " + " | ".join(cells.columns) + " |\n|" + "---|" * len(cells.columns) + "\n"
    return head + "\n".join("| " + " | ".join(map(str, row)) + " |" for row in cells.to_numpy())


def write(out: Path, verdicts: list[Row], levels: list[Row], signals: list[Row], ablations: list[Row]) -> None:
    """Write the tables and the plot."""
    import plotly.express as px

    out.mkdir(parents=True, exist_ok=True)
    text = (
        "# Quality\n\nMade by `benchmarks/quality.py`: each dataset scanned with default settings. Wrong labels: "
        "among samples "
        "with a true label; *against hard*: AUROC of wrong labels against the hardest tenth of the right ones. "
        "Duplicates: "
        "recall = pairs of which one is flagged. Datalab runs in the same process on the same embeddings, with "
        "cross-validated logistic regression and its defaults; seconds are the whole scan's and the peer's.\n\n"
        f"## Verdicts beside the peer\n\n{markdown(verdicts)}\n\n## Levels\n\n"
        "The verdict's F1 beside the best that any threshold on its own probability reaches; the sum of p beside the "
        "number that are of the kind; *naive*: the share of the dataset that is.\n\n"
        f"{markdown(levels)}\n\n## Every signal\n\n{markdown(signals)}\n\n"
        f"## What each view and signal adds (AP of the kind without it)\n\n{markdown(ablations)}\n"
    )
    (out / "quality.md").write_text(text + kept(out / "quality.md"))
    figure = px.bar(
        pd.DataFrame(verdicts),
        x="dataset",
        y="AP",
        color="who",
        facet_row="kind",
        barmode="group",
        height=900,
        title="Faults found: average precision",
    )
    figure.write_html(out / "quality.html", include_plotlyjs="cdn")
    print(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "assets" / "benchmarks")
    options = parser.parse_args()
    made: tuple[list[Row], list[Row], list[Row], list[Row]] = ([], [], [], [])
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        cases = generated(home / "data")
        for folder in options.folders:
            case = Case(folder.resolve().name, folder)
            cases += [case, *with_copies(case, case.name, home / "data" / f"{case.name}-copies")]
        for number, case in enumerate(cases):
            print(f"{case.name} …", file=sys.stderr)
            for table, rows in zip(made, measure(case, home / f"scan-{number}"), strict=True):
                table.extend(rows)
    write(options.out, *made)


if __name__ == "__main__":
    main()
