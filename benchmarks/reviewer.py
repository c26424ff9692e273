"""Labels corrected by a reviewer who answers by the truth: the queue in its static order, and re-ordered as he goes.

    python -m benchmarks.reviewer FOLDER [--workspace SCANNED] [--decisions 1000]

FOLDER holds samples (.parquet or .csv), embeddings.parquet and truth (.parquet or .csv: id, kind, true_label); the
truth is read by the reviewer only. SCANNED is a scanned workspace of FOLDER; it is copied, and without it one is
made.

The reviewer works the noisy queue (undecided samples whose verdict is noisy_label, ``-noisy_label``, the order by
confidence) card by card: what has no true label (out of distribution, broken) and copies are excluded, a wrong label
is relabelled to the true one, a right one accepted. **Corrected** = the given label was wrong and he set the true one;
exclusions do not count. Every decision goes through the log of a real workspace, and each new order comes from
``Workspace.rounds``, as in the product: asked for after every batch, it never moves the cards that lie next in the
browser (``FIXED`` and ``EVERY`` of app/frontend/review/queue.js). Static is the same walk without re-ordering.

Offers ("the same for 212 like these") stand in a line of their own: they are taken after a look at the samples that
they show, cost one decision and one more for every sample unticked, and what they decide wrongly unseen is counted.

Printed: corrected labels by batch size, the ratio to static, the slowest round, and a ceiling: the most that ranking
the same queue by the same signals reaches where a model is fitted to the truth of nine tenths of **all** its samples
(10-fold cross-validation). What was tried, with figures: assets/decisions/0008-reordering.md. Exit status 1 below the
aims.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from winnow.core import ColumnMap, Workspace
from winnow.core.explore.query import Filter

QUEUE_JS = Path(__file__).parents[1] / "app/frontend/review/queue.js"
QUEUE_PY = Path(__file__).parents[1] / "app/api/queue.py"
SORT = "-noisy_label"
AIM, RATIO = 850, 1.05


def product(name: str, file: Path = QUEUE_JS) -> int:
    """A whole number constant of the browser's queue, or of the routes behind it."""
    found = re.search(rf"(?m)^(?:const )?{name} = (\d+)", file.read_text(encoding="utf-8"))
    if not found:
        raise SystemExit(f"{file} has no constant {name}.")
    return int(found.group(1))


def truth_of(folder: Path) -> pd.DataFrame:
    """id → kind, true_label."""
    path = folder / "truth.parquet"
    table = pd.read_parquet(path) if path.exists() else pd.read_csv(folder / "truth.csv", keep_default_na=False)
    return table.assign(id=table["id"].astype(str)).set_index("id")


@dataclass
class Reviewer:
    """Answers by the truth."""

    truth: pd.DataFrame
    given: dict[str, str]

    def __post_init__(self) -> None:
        self.kind, self.true = self.truth["kind"].to_dict(), self.truth["true_label"].to_dict()

    def answer(self, sample: str) -> tuple[str, str | None]:
        """The decision about one card: action and label."""
        if self.kind[sample] in ("ood", "broken"):
            return "exclude", None
        if self.true[sample] != self.given[sample]:
            return "relabel", str(self.true[sample])
        return ("exclude", None) if self.kind[sample] == "duplicate" else ("accept", None)


@dataclass(frozen=True)
class Walk:
    """What one walk through the queue came to."""

    corrected: int
    excluded: int
    slowest: float
    order: tuple[str, ...]
    spread: int = 0
    """Samples decided with others like them, by offers."""
    wrong: int = 0
    """Of these, decided otherwise than the truth says: in an offer, beyond the samples that it shows."""


@dataclass(frozen=True)
class Taken:
    """An offer that was taken: what it cost and what it did."""

    cost: int
    ids: tuple[str, ...] = ()
    corrected: int = 0
    wrong: int = 0


def take(ws: Workspace, reviewer: Reviewer, last: list[str], shown: int) -> Taken:
    """Look at the largest offer for the latest decisions ("the same for N like these"), untick what is wrong among the
    ``shown`` samples, and apply the rest unseen. It costs one decision, and one more for every sample unticked."""
    found = [o for o in map(ws.queue_ranker.similar_offer, last) if o is not None]
    if not found:
        return Taken(0)
    offer = max(found, key=lambda o: len(o.ids))
    same = [reviewer.answer(i) == (str(offer.action), offer.label) for i in offer.ids]
    ids = tuple(i for k, (i, good) in enumerate(zip(offer.ids, same, strict=True)) if good or k >= shown)
    if not ids:
        return Taken(0)
    ws.decide_many(list(ids), str(offer.action), label=offer.label)
    good = sum(same)
    return Taken(1 + sum(not s for s in same[:shown]), ids, good if offer.action == "relabel" else 0, len(ids) - good)


def walk(
    scanned: Path, reviewer: Reviewer, decisions: int, batch: int, fixed: int, reorder: bool, offers: int = 0
) -> Walk:
    """Review ``decisions`` cards of the noisy queue of a fresh copy of the workspace. ``offers``: how many samples an
    offer shows, where offers are taken; what they cost is taken from ``decisions``."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "w.winnow"
        shutil.copytree(scanned, copy)
        with Workspace.open(copy, actor="reviewer") as ws:
            queue = ws.ids(Filter(verdicts=("noisy_label",), state="undecided"), SORT)
            at = corrected = excluded = spread = wrong = paid = 0
            slowest = 0.0
            while at < min(decisions - paid, len(queue)):
                step = queue[at : min(at + batch, decisions - paid)]
                answers = []
                for sample in step:
                    action, label = reviewer.answer(sample)
                    answers.append({"sample_id": sample, "action": action, "label": label})
                    corrected += action == "relabel"
                    excluded += action == "exclude"
                ws.record(answers)
                at += len(step)
                if reorder:
                    started = time.perf_counter()
                    rest, _ = ws.queue_ranker.order(queue[at + fixed :], SORT)
                    slowest = max(slowest, time.perf_counter() - started)
                    queue = queue[: at + fixed] + rest
                if offers and (taken := take(ws, reviewer, step, offers)).ids:
                    paid, spread, wrong = paid + taken.cost, spread + len(taken.ids), wrong + taken.wrong
                    corrected += taken.corrected
                    gone = set(taken.ids)
                    queue = queue[:at] + [i for i in queue[at:] if i not in gone]
    return Walk(corrected, excluded, slowest, tuple(queue[:at]), spread, wrong)


def ceiling(scanned: Path, reviewer: Reviewer, decisions: int) -> int:
    """Corrected labels among the first ``decisions`` of the queue, ranked by a logistic regression on the signals, the
    probabilities and the pair of labels, fitted to the truth of nine tenths of the queue at a time."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.preprocessing import StandardScaler

    with Workspace.open(scanned) as ws:
        ids = ws.ids(Filter(verdicts=("noisy_label",)), SORT)
        scan, _ = ws.queue_ranker.now()
        rows = np.array([ws.row(i) for i in ids])
    pair = pd.get_dummies(pd.Series(scan.labels[rows].astype(str)) + ">" + pd.Series(scan.suggested[rows].astype(str)))
    parts: list[Any] = [np.nan_to_num(scan.signals[rows], nan=0.5), scan.rivals[rows], pair.to_numpy(float)]
    x = StandardScaler().fit_transform(np.concatenate(parts, 1))
    wrong = np.array([reviewer.answer(i)[0] == "relabel" for i in ids])
    folds = StratifiedKFold(10, shuffle=True, random_state=0)
    best = 0
    for strength in (0.001, 0.003, 0.01):
        model = LogisticRegression(C=strength, max_iter=500)
        p = cross_val_predict(model, x, wrong, cv=folds, method="predict_proba")[:, 1]
        best = max(best, int(wrong[np.argsort(-p, kind="stable")[:decisions]].sum()))
    return best


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workspace", type=Path, help="a scanned workspace of FOLDER (copied, never written)")
    parser.add_argument("--decisions", type=int, default=1000)
    parser.add_argument("--batches", type=int, nargs="+", default=None, help="decisions between two orders")
    args = parser.parse_args()
    fixed, every = product("FIXED"), product("EVERY")
    with tempfile.TemporaryDirectory() as folder:
        scanned = args.workspace
        if scanned is None:
            scanned = Path(folder) / "scan.winnow"
            samples = next(p for p in (args.folder / "samples.parquet", args.folder / "samples.csv") if p.exists())
            vectors = args.folder / "embeddings.parquet"
            Workspace.scan(samples, scanned, embeddings=vectors, columns=ColumnMap(id="id", label="label")).close()
        with Workspace.open(scanned) as ws:
            given = {str(i): str(label) for i, label in zip(ws.ids(), ws.labels(), strict=True)}
        reviewer = Reviewer(truth_of(args.folder), given)
        static = walk(scanned, reviewer, args.decisions, args.decisions, 0, False)
        print(
            f"{args.folder.name}: {len(static.order):,} decisions in the noisy queue; {fixed} cards are never moved\n"
        )
        print(f"{'order':34}{'corrected':>10}{'excluded':>10}{'ratio':>8}{'slowest round':>16}")
        print(f"{'static, by confidence':34}{static.corrected:>10}{static.excluded:>10}{1:>8.3f}{'':>16}")
        shipped = static
        for batch in args.batches or sorted({every, 5, 20, 50}):
            found = walk(scanned, reviewer, args.decisions, batch, fixed, True)
            name = f"re-ordered after every {batch}" + (" (product)" if batch == every else "")
            shipped = found if batch == every else shipped
            ratio = found.corrected / max(static.corrected, 1)
            print(f"{name:34}{found.corrected:>10}{found.excluded:>10}{ratio:>8.3f}{found.slowest:>14.2f} s")
        found = walk(scanned, reviewer, args.decisions, every, fixed, True, offers=product("MAX_TILES", QUEUE_PY))
        print(
            f"{'… and offers taken':34}{found.corrected:>10}{found.excluded:>10}"
            f"{found.corrected / max(static.corrected, 1):>8.3f}"
            f"   {found.spread} decided with others, {found.wrong} of them wrongly"
        )
        top = ceiling(scanned, reviewer, args.decisions)
        print(f"{'fitted to the truth of the queue':34}{top:>10}{'':>10}{top / max(static.corrected, 1):>8.3f}")
    good = shipped.corrected >= AIM and shipped.corrected >= RATIO * static.corrected
    print(f"\naims: at least {AIM} corrected and {RATIO} × static: {'reached' if good else 'not reached'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
