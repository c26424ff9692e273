"""Flagged samples that nobody has decided about, in an export: what people decided always counts first."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from winnow.core.errors import ExportError
from winnow.core.explore.filter import Filter
from winnow.core.workspace import Workspace


@pytest.fixture
def ws(scanned: Path, tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(Path(shutil.copytree(scanned, tmp_path / "ws")), actor="ada") as opened:
        yield opened


def export(ws: Workspace, out: Path, **options: Any) -> tuple[pd.DataFrame, dict[str, Any]]:
    result = ws.exports.export(out, overwrite=True, **options)
    return pd.read_parquet(result.path), json.loads(result.manifest_path.read_text())


def test_unreviewed_problems_are_left_out_and_counted(ws: Workspace, tmp_path: Path) -> None:
    flagged = {kind: set(ws.ids(Filter(verdicts=(kind,)))) for kind in ("broken", "duplicate")}
    kept = sorted(flagged["duplicate"])[0]
    ws.decide(kept, "accept")
    table, manifest = export(ws, tmp_path / "x.parquet", auto={"exclude": ["broken", "duplicate"]})
    gone = (flagged["broken"] | flagged["duplicate"]) - {kept}
    assert len(gone) > 1
    assert set(ws.ids()) - set(table["id"]) == gone
    assert manifest["auto_curation"]["excluded"] == len(gone)
    assert len(ws.history()) == 1, "the log does not change"


def test_noisy_labels_take_the_suggestion_from_a_probability_on(ws: Workspace, tmp_path: Path) -> None:
    rows = {r["sample_id"]: r for r in ws.rows(Filter(verdicts=("noisy_label",)), limit=100)}
    least = sorted(r["scores"]["noisy_label"] for r in rows.values())[-1]
    sure = {i for i, r in rows.items() if r["scores"]["noisy_label"] >= least}
    assert 0 < len(sure) < len(rows)
    table, manifest = export(ws, tmp_path / "x.parquet", auto={"noisy": "relabel", "noisy_at": least})
    by_id = table.set_index("id")
    for sample, row in rows.items():
        wanted = row["suggested"] if sample in sure else row["label"]
        assert by_id.loc[sample, "label_final"] == wanted
        assert (by_id.loc[sample, "actor"] == "auto-curation") == (sample in sure)
    assert manifest["auto_curation"]["relabelled"] == len(sure)
    left, _ = export(ws, tmp_path / "y.parquet", auto={"noisy": "exclude", "noisy_at": least})
    assert set(table["id"]) - set(left["id"]) == sure


def test_what_people_decided_counts_first(ws: Workspace, tmp_path: Path) -> None:
    sample = ws.ids(Filter(verdicts=("noisy_label",)))[0]
    ws.decide(sample, "accept")
    table, _ = export(ws, tmp_path / "x.parquet", auto={"noisy": "relabel", "noisy_at": 0.0})
    row = table.set_index("id").loc[sample]
    assert (row["label_final"], row["decision"], row["actor"]) == (row["label_original"], "accept", "ada")


def test_the_final_label_replaces_the_original_column(ws: Workspace, tmp_path: Path) -> None:
    sample = ws.ids()[3]
    ws.decide(sample, "relabel", label="a new class")
    plain, _ = export(ws, tmp_path / "x.parquet")
    replaced, _ = export(ws, tmp_path / "y.parquet", replace_label=True)
    assert plain.set_index("id").loc[sample, "label"] != "a new class"
    assert replaced["label"].tolist() == replaced["label_final"].tolist()
    assert replaced.set_index("id").loc[sample, "label"] == "a new class"


@pytest.mark.parametrize(
    ("auto", "says"),
    [
        ({"exclude": ["clean"]}, "'clean' cannot be excluded unreviewed. There are: 'ood', 'duplicate', 'broken'"),
        ({"noisy": "drop"}, "Noisy labels can be 'keep', 'exclude', 'relabel'"),
        ({"noisy": "exclude", "noisy_at": 2.0}, "between 0 and 1"),
    ],
)
def test_rules_that_make_no_sense_are_refused(ws: Workspace, tmp_path: Path, auto: dict[str, Any], says: str) -> None:
    with pytest.raises(ExportError, match=says):
        ws.exports.export(tmp_path / "x.parquet", auto=auto)
