"""What each signal says of one sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from winnow.core.detection.signals import SIGNALS
from winnow.core.errors import QueryError
from winnow.core.explore.filter import Filter
from winnow.core.explore.signal_evidence import formula_of, strongest_signals
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
            assert one.percentile == pytest.approx(np.mean(scores.dropna() < scores[row]))
            assert one.explain
        early = next(e for e in found if e.name == "label_elr")
        assert early.suggestion == ws.classes()[int(table.set_index("row")["label_elr.suggestion"][row])]
        with pytest.raises(QueryError, match="No kind is called 'clean'"):
            ws.evidence(sample, "clean")
        with pytest.raises(QueryError, match="nobody"):
            ws.evidence("nobody", "ood")


def test_the_strongest_signals_of_the_table_are_those_of_the_evidence(scanned: Path) -> None:
    with Workspace.open(scanned) as ws:
        table = ws.scores(signals=True)
        signals = {s.name: s.kind for s in ws.signals() if s.ran}
        assert set(signals) < set(table)
        assert list(ws.scores()) == list(table)[: len(list(ws.scores()))]
        for kind in sorted(set(table.verdict)):
            row = table[table.verdict == kind].iloc[0]
            named = [(row[f"signal_{i}"], row[f"signal_{i}_percentile"]) for i in (1, 2, 3)]
            if kind == "clean":
                assert all(pd.isna(name) for name, _ in named)
                continue
            speaking = [e for e in ws.evidence(row.id, kind) if e.percentile >= 0.5][:3]
            assert speaking or kind == "broken", "what cannot be read has no signals"
            assert [p for _, p in named[: len(speaking)]] == pytest.approx([e.percentile for e in speaking])
            assert all(signals[name] == kind for name, _ in named if not pd.isna(name))


def test_a_signal_that_says_the_same_of_nearly_all_samples_speaks_for_none() -> None:
    flat = np.zeros(100, np.float32)
    flat[0] = 1.0
    rising = np.linspace(0, 1, 100, dtype=np.float32)
    rising[5] = np.nan
    kinds = {"flat": "ood", "rising": "ood", "other": "hard"}
    scores = {"flat": flat, "rising": rising, "other": rising}
    table = strongest_signals(scores, kinds, ["ood"] * 99 + ["clean"])
    assert [table.column("signal_1")[row].as_py() for row in (0, 5, 10, 90, 99)] == ["flat", None, None, "rising", None]
    assert table.column("signal_1_percentile")[0].as_py() == pytest.approx(0.99)
    assert table.column("signal_2").null_count == table.column("signal_3").null_count == 100


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
