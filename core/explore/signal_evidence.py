"""What each signal says of one sample: its value, and where that lies among all samples."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass

from ..types import Signal


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
    found = re.search(r"Formula: (.+?)(?:\n\s*\n|\Z)", inspect.getdoc(type(signal)) or "", re.DOTALL)
    return " ".join(found[1].replace("``", "").split()).rstrip(".") if found else ""
