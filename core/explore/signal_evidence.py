"""What each signal says of a sample: its value, and where that lies among all samples."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..detection.plugins import described
from ..detection.signals import SIGNALS
from ..storage.artifacts import StageStore, load_table
from ..storage.layout import Layout
from ..types import Float32, Signal, SignalMeta
from .map import SCORE_COLUMNS
from .sql import Cursor

STRONGEST = 3
"""Signals that are named as speaking for a sample's verdict."""
_SPEAKS = 0.5
"""Least percentile of a signal that speaks for a verdict: higher than half of all samples."""


@dataclass(frozen=True)
class SignalEvidence:
    """One signal about one sample.

    Attributes
    ----------
    name, title, explain, formula
        Of the signal; ``formula`` is "" where its docstring has none.
    value
        In [0, 1], 1 = suspicious.
    percentile
        Share of the scored samples with a lower value, in [0, 1).
    suggestion
        The label that the signal would give instead, by its present name; None where it suggests none.
    """

    name: str
    title: str
    explain: str
    formula: str
    value: float
    percentile: float
    suggestion: str | None = None


def formula_of(signal: Signal) -> str:
    """The formula in a signal's docstring, on one line; "" where there is none."""
    formula = re.search(r"Formula: (.+?)(?:\n\s*\n|\Z)", inspect.getdoc(type(signal)) or "", re.DOTALL)
    return " ".join(formula[1].replace("``", "").split()).rstrip(".") if formula else ""


def evidence_of(
    signals: Iterable[SignalMeta],
    scored: Mapping[str, tuple[float, float]],
    suggested: Mapping[str, str | None],
) -> list[SignalEvidence]:
    """The signals that scored a sample, the most suspicious first.

    Parameters
    ----------
    signals
        Those to list.
    scored
        Signal → (value, percentile).
    suggested
        Signal → the label that it suggests.
    """
    formulas = {s.name: formula_of(s) for s in SIGNALS}
    rows = [
        SignalEvidence(s.name, s.title, s.explain, formulas.get(s.name, ""), *scored[s.name], suggested.get(s.name))
        for s in signals
        if s.name in scored
    ]
    return sorted(rows, key=lambda e: (-e.percentile, -e.value, e.name))


def read_percentiles(ask: Cursor, columns: Mapping[str, str], source: str, row: int) -> dict[str, tuple[float, float]]:
    """The value of each score for one sample, and the share of the scored samples with a lower value.

    Parameters
    ----------
    ask
        Runs SQL.
    columns
        Name → SQL of the scores, NULL = not scored.
    source
        ``FROM …`` with the alias d (dataset) and those of the columns.
    row
        Of the sample.
    """
    if not columns:
        return {}
    (values,) = ask(f"SELECT {', '.join(columns.values())} {source} WHERE d.row = ?", [row])
    known = {name: value for name, value in zip(columns, values, strict=True) if value is not None}
    if not known:
        return {}
    lower = "count(*) FILTER (WHERE ({0})::DOUBLE < ?::DOUBLE) / count({0})"
    shares = ", ".join(lower.format(columns[name]) for name in known)
    (percentiles,) = ask(f"SELECT {shares} {source}", list(known.values()))
    return {name: (float(v), float(p)) for (name, v), p in zip(known.items(), percentiles, strict=True)}


def strongest_signals(scores: Mapping[str, Float32], kinds: Mapping[str, str], verdicts: Sequence[str]) -> pa.Table:
    """Name the three signals that speak most for each sample's verdict.

    Parameters
    ----------
    scores
        Signal → (n,) score in [0, 1], NaN = not scored.
    kinds
        Signal → the kind that it is evidence for.
    verdicts
        (n,) verdict of each sample.

    Returns
    -------
    Table
        ``signal_1``, ``signal_1_percentile``, … ``signal_3_percentile``: the signals of the verdict's kind, by
        descending percentile (the share of the scored samples with a lower value). Only signals that are higher than
        for half of the samples; null where there are fewer than three, or the sample is clean.
    """
    n = len(verdicts)
    verdict = np.asarray(verdicts, object)
    name = np.full((n, STRONGEST), "", object)
    share = np.full((n, STRONGEST), np.nan)
    for kind in sorted(set(kinds.values())):
        rows = np.flatnonzero(verdict == kind)
        names = [s for s in sorted(scores) if kinds[s] == kind]
        if not len(rows) or not names:
            continue
        percentile = np.stack([_percentiles(scores[s], rows) for s in names], axis=1)
        value = np.stack([scores[s][rows] for s in names], axis=1)
        order = np.lexsort((-np.nan_to_num(value), -percentile), axis=1)[:, :STRONGEST]
        best = np.take_along_axis(percentile, order, axis=1)
        speaks = best >= _SPEAKS
        width = order.shape[1]
        name[rows, :width] = np.where(speaks, np.array(names, object)[order], "")
        share[rows, :width] = np.where(speaks, best, np.nan)
    columns: dict[str, pa.Array] = {}
    for i in range(STRONGEST):
        columns[f"signal_{i + 1}"] = pa.array([v or None for v in name[:, i]], pa.string())
        columns[f"signal_{i + 1}_percentile"] = pa.array(share[:, i], pa.float32(), from_pandas=True)
    return pa.table(columns)


def _percentiles(score: Float32, rows: np.ndarray) -> np.ndarray:
    """(m,) share of the scored samples with a lower score than each of ``rows``; −1 where a row is not scored."""
    known = np.sort(score[np.isfinite(score)])
    lower = np.searchsorted(known, score[rows], "left") / max(len(known), 1)
    return np.where(np.isfinite(score[rows]), lower, -1.0)


def signal_list(root: Path, ran: Iterable[str]) -> list[SignalMeta]:
    """Every signal, whether it ran in the scan at ``root`` and if not, why."""
    record = StageStore(root).read("signals")
    info, names = record.info if record else {}, set(ran)
    skipped, failed = info.get("skipped", {}), info.get("failed", {})
    return [
        SignalMeta(
            s.name, s.kind.value, s.title, s.explain, s.name in names, failed.get(s.name) or skipped.get(s.name, "")
        )
        for s in SIGNALS
    ] + described(info, names)


def suggestions_of(
    signals: Iterable[SignalMeta], scored: Mapping[str, Any], class_names: Sequence[str]
) -> dict[str, str]:
    """Signal → the label that it suggests for a sample, from its row of the signals' table."""
    return {
        s.name: class_names[code]
        for s in signals
        if (code := scored.get(f"{s.name}.suggestion")) is not None and code >= 0
    }


def score_table(layout: Layout, signals: Sequence[SignalMeta] | None = None) -> pa.Table:
    """What the scan says of every sample, and what ``signals`` say (None = nothing of signals): `Workspace.scores`."""
    head = ["sample_id", "verdict", "confidence", "reasons", "suggested_label", "duplicate_of"]
    names = [*head, *SCORE_COLUMNS, *(f"{kind}_flag" for kind in SCORE_COLUMNS)]
    table = load_table(layout.verdicts, columns=names).select(names).rename_columns(["id", *names[1:]])
    if signals is None:
        return table
    kind_of = {s.name: s.kind for s in signals}
    scored = load_table(layout.signals, columns=list(kind_of))
    arrays = {name: scored.column(name).to_numpy() for name in kind_of}
    strongest = strongest_signals(arrays, kind_of, table.column("verdict").to_pylist())
    return pa.table({name: part.column(name) for part in (table, strongest, scored) for name in part.column_names})
