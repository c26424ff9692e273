"""What each signal says of one sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from winnow.core.detection.signals import SIGNALS
from winnow.core.errors import QueryError
from winnow.core.explore.filter import Filter
from winnow.core.explore.signal_evidence import formula_of
from winnow.core.workspace import Workspace


def test_values_and_percentiles_are_those_of_the_table(scanned: Path) -> None:
    with Workspace.open(scanned) as ws:
        sample = ws.ids(sort="-noisy_label")[0]
        found = ws.evidence(sample, "noisy_label")
        table = pd.read_parquet(scanned / "signals.parquet")
        row = ws.row(sample)
        assert len(found) > 5
        assert [e.percentile for e in found] == sorted((e.percentile for e in found), reverse=True)
        for one in found:
            scores = table.set_index("row")[one.name]
            assert one.value == pytest.approx(scores[row])
            assert one.percentile == pytest.approx(np.mean(scores.dropna() <= scores[row]))
            assert one.explain
        with pytest.raises(QueryError, match="No kind is called 'clean'"):
            ws.evidence(sample, "clean")
        with pytest.raises(QueryError, match="nobody"):
            ws.evidence("nobody", "ood")


def test_formulas_come_from_the_docstrings() -> None:
    formulas = {s.name: formula_of(s) for s in SIGNALS}
    assert formulas["hard_el2n"] == "mean of ‖p − onehot(y)‖₂ / √2, so that 1 is being surely wrong"
    assert sum(bool(f) for f in formulas.values()) > len(formulas) / 2


def test_a_sample_without_a_score_is_never_taken_for_the_highest(scanned: Path) -> None:
    """Statistics of Parquet files say nothing of NaN: a query that trusts them takes it for a number."""
    table = pd.read_parquet(scanned / "signals.parquet").set_index("row")
    name = next(c for c in table if table[c].dtype == np.float32 and table[c].isna().sum() == 1)
    row = int(table.index[table[name].isna()][0])
    with Workspace.open(scanned) as ws:
        unscored = ws.query.id_at(row)
        assert ws.ids(sort=f"-{name}")[-1] == unscored
        assert ws.ids(sort=name)[-1] == unscored
        for span in ((None, None), (0.0, None), (None, 1.0)):
            found = ws.ids(Filter(scores={name: span}))
            assert len(found) == table[name].notna().sum()
            assert unscored not in found
