"""What each signal says of one sample: its value, and where that lies among all samples."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..detection.signals import SIGNALS
from ..types import Signal, SignalMeta
from .sql import Cursor


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
        Share of the scored samples with at most this value, in [0, 1].
    """

    name: str
    title: str
    explain: str
    formula: str
    value: float
    percentile: float


def formula_of(signal: Signal) -> str:
    """The formula in a signal's docstring, on one line; "" where there is none."""
    formula = re.search(r"Formula: (.+?)(?:\n\s*\n|\Z)", inspect.getdoc(type(signal)) or "", re.DOTALL)
    return " ".join(formula[1].replace("``", "").split()).rstrip(".") if formula else ""


def evidence_of(signals: Iterable[SignalMeta], scored: Mapping[str, tuple[float, float]]) -> list[SignalEvidence]:
    """The signals that scored a sample, the most suspicious first. ``scored``: name → (value, percentile)."""
    formulas = {s.name: formula_of(s) for s in SIGNALS}
    rows = [
        SignalEvidence(s.name, s.title, s.explain, formulas.get(s.name, ""), *scored[s.name])
        for s in signals
        if s.name in scored
    ]
    return sorted(rows, key=lambda e: (-e.percentile, -e.value, e.name))


def read_percentiles(ask: Cursor, columns: Mapping[str, str], source: str, row: int) -> dict[str, tuple[float, float]]:
    """The value of each score for one sample, and the share of the scored samples with at most that value.

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
    least = "count(*) FILTER (WHERE ({0})::DOUBLE <= ?::DOUBLE) / count({0})"
    shares = ", ".join(least.format(columns[name]) for name in known)
    (percentiles,) = ask(f"SELECT {shares} {source}", list(known.values()))
    return {name: (float(v), float(p)) for (name, v), p in zip(known.items(), percentiles, strict=True)}
