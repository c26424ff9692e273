"""How stable the share of naive samples is, and what dropping them costs.

    python -m benchmarks.quality_naive WORKSPACE=TRUTH …

*Halves*: five random halves of a scan's samples are judged as a scan would judge them (neighbours, probes, consensus;
without the views of pixels or words), and their shares of naive samples are printed, with the largest over the
smallest. *Payoff*: a probe that is trained with and without the naive samples, and without as many at random, judged
on a held-out fifth of the samples with a true label.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.quality_votes import inputs_of
from winnow.core.detection.evidence import with_consensus
from winnow.core.detection.evidence.naive import naive
from winnow.core.detection.probe import run_probe
from winnow.core.features.neighbors import build, whitening
from winnow.core.subsets.bootstrap import Arm, Training, measure
from winnow.core.types import SignalInputs

HALVES, SEEDS, HELD_OUT = 5, 3, 5
NEAREST = 50


def flagged(inputs: SignalInputs, rows: np.ndarray) -> float:
    """Share of naive samples among some rows, judged on their own."""
    assert inputs.vectors is not None
    vectors, ok, labels = inputs.vectors[rows], inputs.ok[rows], inputs.labels[rows]
    whitened = whitening(vectors, ok, 256)(vectors, ok)
    alone = SignalInputs(
        n=len(rows),
        ok=ok,
        labels=labels,
        class_names=inputs.class_names,
        vectors=vectors,
        whitened=whitened,
        label_neighbors=build(whitened, ok, NEAREST),
        beliefs=run_probe(whitened, labels, ok, inputs.n_classes),
    )
    return float(naive(with_consensus(alone)[0], {}).flag.mean())


def payoff(inputs: SignalInputs, truth: pd.Series) -> str:
    """What dropping the naive samples does to a probe's accuracy, in words."""
    assert inputs.whitened is not None
    code = {name: i for i, name in enumerate(inputs.class_names)}
    true = np.array([code.get(v, -1) for v in truth], np.int32)
    rng = np.random.default_rng(0)
    known = rng.permutation(np.flatnonzero(inputs.labelled & (true >= 0)))
    judge = known[: len(known) // HELD_OUT]
    train = np.setdiff1d(np.flatnonzero(inputs.labelled), judge)
    easy = naive(with_consensus(replace(inputs))[0], {}).flag[train]
    kept = train[~easy]

    def random(seed: int) -> Training:
        return Training(np.random.default_rng([seed, 3]).permutation(train)[: len(kept)], inputs.labels)

    arms = [
        Arm("all", "all", lambda _: Training(train, inputs.labels)),
        Arm("without", "without the naive", lambda _: Training(kept, inputs.labels), ("all",)),
        Arm("random", "without as many at random", random, ("all",)),
    ]
    found = measure(np.asarray(inputs.whitened), inputs.n_classes, arms, judge, true[judge], seeds=SEEDS)
    return ", ".join(f"{a.title} {a.accuracy:.4f} ({a.size:,})" for a in found.arms)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scans", nargs="+", metavar="WORKSPACE=TRUTH")
    parser.add_argument("--only", choices=("halves", "payoff"))
    options = parser.parse_args()
    for scan in options.scans:
        workspace, _, folder = scan.partition("=")
        inputs, ids = inputs_of(Path(workspace))
        if options.only != "payoff":
            rng = np.random.default_rng(0)
            draws = (np.sort(rng.permutation(inputs.n)[: inputs.n // 2]) for _ in range(HALVES))
            shares = [flagged(inputs, rows) for rows in draws]
            listed = ", ".join(f"{s:.3f}" for s in shares)
            print(f"{workspace}: halves {listed}; factor {max(shares) / min(shares):.2f}", flush=True)
        if options.only != "halves":
            path = Path(folder) / "truth.parquet"
            table = pd.read_parquet(path) if path.exists() else pd.read_csv(path.with_suffix(".csv"))
            print(f"{workspace}: {payoff(inputs, table.set_index('id').true_label.loc[ids])}", flush=True)


if __name__ == "__main__":
    main()
