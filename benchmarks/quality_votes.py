"""What each signal and view adds to the verdicts that people act on, over all datasets.

    python -m benchmarks.quality_votes WORKSPACE=TRUTH …     # beside the generated worlds
    make bench-votes VOTES="ws_cifar10n=data/cifar10n …"

WORKSPACE is a scan with ``--no-map`` or without, of one encoder or several; TRUTH the folder with its truth (see
quality_cases.py). For each voting signal the table says what average precision loses without it, for each other signal
what it would gain with it, at half of a full vote. Written into ``assets/benchmarks/quality.md``, between the lines
that name this module.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score

from benchmarks.quality_cases import WORLDS
from tests.helpers.factories import signal_inputs, world
from winnow.core.data.media import load_media_features
from winnow.core.detection.evidence import with_consensus
from winnow.core.detection.evidence._consensus import pooled_views
from winnow.core.detection.evidence.noisy_label import noisy_label_posterior
from winnow.core.detection.evidence.ood import ood
from winnow.core.detection.signals import SIGNALS
from winnow.core.storage import scan_tables as tables
from winnow.core.storage.artifacts import load_array, load_json, load_table
from winnow.core.storage.layout import Layout
from winnow.core.types import EncoderInputs, Modality, SignalInputs, SignalResult

RESULT = Path(__file__).resolve().parent.parent / "assets" / "benchmarks" / "quality.md"
BEGIN, END = "<!-- benchmarks/quality_votes.py -->", "<!-- end of benchmarks/quality_votes.py -->"
HALF = 0.5
"""Weight with which a signal that does not vote is tried; a full vote weighs about 1."""
RULES = importlib.import_module(ood.__module__)
VOTES: tuple[dict[str, float], ...] = (
    RULES.FEATURES,
    RULES.BELIEF,
    RULES.LABEL,
    RULES.NEIGHBOURHOOD,
    RULES.OWN_CLASS,
)
Adds = dict[tuple[str, str], float]
"""(signal, "votes" or "shown") → average precision that it adds, or would add."""
TRIED = ("ood_entropy", "ood_vim", "ood_prototypes")
"""Outlier signals that do not vote. ``ood_zero_shot`` needs a text tower, which no dataset here has."""


def inputs_of(path: Path) -> tuple[SignalInputs, list[str]]:
    """What the signals of a scan saw, and the samples' ids."""
    layout = Layout(path)
    results, table = load_json(layout.results), load_table(layout.dataset)
    names = tuple(results["class_names"])
    code = {name: i for i, name in enumerate(names)}
    several = len(results.get("encoders", ())) > 1
    shares = load_json(layout.pooled / "graphs.json")["shares"] if several else [1.0]
    each = tuple(
        EncoderInputs(
            np.asarray(load_array(of.embeddings / "ok.npy"), bool),
            np.asarray(load_array(of.embeddings / "vectors.npy"), np.float32),
            load_array(of.neighbors / "whitened.npy"),
            tables.load_graph(of.neighbors, "raw"),
            tables.load_graph(of.neighbors, "label"),
            share,
        )
        for of, share in zip(layout.encoders, shares, strict=False)
    )
    graphs = layout.pooled if several else layout.neighbors
    texts = table.column("text").to_pylist()
    inputs = SignalInputs(
        n=table.num_rows,
        ok=np.any([e.ok for e in each], axis=0),
        labels=np.array([code.get(v, -1) for v in table.column("label").to_pylist()], np.int32),
        class_names=names,
        modality=Modality(results["modality"]),
        vectors=each[0].vectors,
        whitened=each[0].whitened,
        neighbors=tables.load_graph(graphs, "raw"),
        label_neighbors=tables.load_graph(graphs, "label"),
        encoders=each if several else (),
        beliefs=tables.load_beliefs(layout.probe),
        media=load_media_features(layout.media) if (layout.media / "pixel_hash.npy").exists() else None,
        texts=np.array([t or "" for t in texts], object) if any(texts) else None,
    )
    return inputs, table.column("sample_id").to_pylist()


def kinds_of(folder: Path, ids: list[str]) -> np.ndarray:
    """(n,) kind of every sample by the truth."""
    parquet = folder / "truth.parquet"
    truth = pd.read_parquet(parquet) if parquet.exists() else pd.read_csv(folder / "truth.csv", keep_default_na=False)
    return truth.set_index("id").kind.loc[ids].to_numpy(object)


def datasets(scans: list[str]) -> Iterator[tuple[str, SignalInputs, np.ndarray, dict[str, SignalResult]]]:
    """Name, inputs, kinds and the results of the outlier signals of every dataset."""
    for scan in scans:
        workspace, _, folder = scan.partition("=")
        inputs, ids = inputs_of(Path(workspace))
        yield Path(workspace).stem, inputs, kinds_of(Path(folder), ids), tables.load_signals(Layout(Path(workspace)))
    for name, shape in WORLDS.items():
        made = world(seed=7, **shape)
        inputs = signal_inputs(made)
        agreed = with_consensus(inputs)[0]
        ready = [s for s in SIGNALS if s.name.startswith("ood_") and all(agreed.has(need) for need in s.requires)]
        yield name, inputs, made.kind, {s.name: s(agreed) for s in ready}


@contextmanager
def votes(changed: Mapping[str, float]) -> Iterator[None]:
    """Outlier signals with other weights (0 = no vote); one that has none votes beside the features."""
    known = {name for group in VOTES for name in group}
    patches = [patch.dict(group, {k: changed[k] for k in group if k in changed}) for group in VOTES]
    patches.append(patch.dict(VOTES[0], {k: w for k, w in changed.items() if k not in known}))
    for one in patches:
        one.start()
    try:
        yield
    finally:
        for one in reversed(patches):
            one.stop()


def outliers(
    inputs: SignalInputs, results: Mapping[str, SignalResult], kind: np.ndarray
) -> dict[tuple[str, str], float]:
    """(signal, "votes" or "shown") → what it adds to the average precision, or would."""
    of = kind == "ood"
    usable = inputs.ok & (kind != "broken")

    def precision() -> float:
        return float(average_precision_score(of[usable], ood(inputs, results).probability[usable]))

    whole = precision()
    out = {("all that vote", ""): whole}
    for name in (name for group in VOTES for name in group):
        with votes({name: 0.0}):
            out[name, "votes"] = whole - precision()
    for name in TRIED:
        with votes({name: HALF}):
            out[name, "shown"] = precision() - whole
    return out


def labels(inputs: SignalInputs, kind: np.ndarray) -> Adds:
    """(view of the consensus, "votes" or "shown") → what it adds to the average precision, or would."""
    among = np.isin(kind, ["clean", "noisy_label"]) & inputs.labelled
    of = (kind == "noisy_label")[among]
    views, present = pooled_views(inputs)
    beliefs = inputs.beliefs
    assert beliefs is not None
    robust = {k: np.log(np.maximum(beliefs.extra_probs[k], 1e-6)) for k in ("gce", "sce") if k in beliefs.extra_probs}

    def precision(chosen: Mapping[str, np.ndarray]) -> float:
        agreed = with_consensus(inputs, (chosen, {k: v for k, v in present.items() if k in chosen}))[0]
        return float(average_precision_score(of, noisy_label_posterior(agreed).probability[among]))

    whole = precision(views)
    out = {("all that vote", ""): whole}
    for name in views:
        out[name, "votes"] = whole - precision({k: v for k, v in views.items() if k != name})
    for name, view in robust.items():
        out[name, "shown"] = precision({**views, name: view.astype(np.float32)}) - whole
    return out


def markdown(rows: Mapping[str, Adds]) -> str:
    """A table with one row a signal and one column a dataset; differences with their sign."""
    frame = pd.DataFrame({name: pd.Series(row) for name, row in rows.items()})
    frame = frame.loc[list(dict.fromkeys(key for row in rows.values() for key in row))]
    head = ["signal", "", *frame.columns]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for (name, role), values in zip(frame.index, frame.to_numpy(), strict=True):
        cells = ["" if np.isnan(v) else f"{v:.3f}" if not role else f"{v + 0.0:+.3f}" for v in values]
        lines.append("| " + " | ".join([name, role, *cells]) + " |")
    return "\n".join(lines)


def section(made: Mapping[str, Mapping[str, Adds]]) -> str:
    """The two tables, kind → dataset → what each signal adds."""
    return (
        "\n## What each signal adds\n\nAverage precision of a kind. *votes*: what it loses without the signal; "
        "*shown*: what it would gain if the signal, which has no vote, had half of one.\n\n"
        "### Out of distribution\n\n"
        f"{markdown(made['ood'])}\n\n### Noisy label: views of the consensus\n\n{markdown(made['noisy_label'])}\n"
    )


def kept(path: Path) -> str:
    """The section as it stands in the page, with its marks; "" where it has none."""
    _, begin, rest = (path.read_text() if path.exists() else "").partition(BEGIN)
    return f"\n{begin}{rest.partition(END)[0]}{END}\n" if begin else ""


def write(path: Path, text: str) -> None:
    """Put the section into the page, in place of the one that is there."""
    page = path.read_text() if path.exists() else "# Quality\n"
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    path.write_text(f"{before.rstrip()}\n\n{BEGIN}\n{text}\n{END}\n{after.lstrip()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scans", nargs="*", metavar="WORKSPACE=TRUTH")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    made: dict[str, dict[str, Adds]] = {"ood": {}, "noisy_label": {}}
    for name, inputs, kind, results in datasets(options.scans):
        if (kind == "ood").any():
            made["ood"][name] = outliers(with_consensus(inputs)[0], results, kind)
        if (kind == "noisy_label").any():
            made["noisy_label"][name] = labels(inputs, kind)
        print(name, flush=True)
    write(options.out, section(made))


if __name__ == "__main__":
    main()
