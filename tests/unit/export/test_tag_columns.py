"""Tags come out in the form that is asked for, and a scan of the export has the same tags."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from winnow.core import ColumnMap, ExportError, Workspace
from winnow.core.data.sources import open_source
from winnow.core.export.diff import diff
from winnow.core.export.tag_columns import TagColumns
from winnow.core.storage.layout import Layout
from winnow.core.storage.tag_tables import TagTables, save_tags
from winnow.core.types import Dataset


@pytest.fixture
def ws(tagged_ws: Path) -> Workspace:
    ws = Workspace.open(tagged_ws, actor="ann")
    ws.decide("t000", "relabel", tags=["rain", "new, with a comma"])
    ws.decide("t001", "relabel", tags=[])
    ws.decide("t002", "accept")
    ws.edit_tags(ws.ids()[10:20], add=["food"], remove=["money"])
    return ws


def tags_of(dataset: Dataset) -> dict[str, frozenset[str]]:
    assert dataset.tags is not None
    given, names = dataset.tags.given, dataset.tags.names
    rows = np.split(given.indices, given.indptr[1:-1])
    return {i: frozenset(names[t] for t in row) for i, row in zip(dataset.sample_ids, rows, strict=True)}


def now(ws: Workspace) -> dict[str, frozenset[str]]:
    ids = ws.ids()
    return {i: frozenset(tags) for i, tags in zip(ids, ws.tags.now.at(range(len(ids))), strict=True)}


@pytest.mark.parametrize(
    ("name", "form"),
    [("t.parquet", None), ("t.jsonl", None), ("t.csv", None), ("t.csv", "columns"), ("t.csv", "delimited")],
)
def test_a_scan_of_an_export_has_the_same_tags(ws: Workspace, tmp_path: Path, name: str, form: str | None) -> None:
    made = ws.exports.export(tmp_path / name, tags_as=form)
    assert tags_of(open_source(made.path)) == now(ws)
    assert made.manifest["tags_changed"] >= 2
    again = ws.exports.export(tmp_path / f"again-{name}")
    assert diff(made.path, again.path).same


@pytest.mark.parametrize("layout", ["huggingface", "label_studio"])
def test_a_scan_of_a_folder_has_the_same_tags(ws: Workspace, tmp_path: Path, layout: str) -> None:
    made = ws.exports.export(tmp_path / "out", format=layout)
    assert tags_of(open_source(made.path)) == now(ws)


def written(path: Path, **columns: list[Any]) -> Path:
    n = len(next(iter(columns.values())))
    texts = [f"{'sun rain wind' if i % 2 else 'loan bank debt'} {i}" for i in range(n)]
    pd.DataFrame({"id": [f"s{i}" for i in range(n)], "text": texts, **columns}).to_parquet(path, index=False)
    return path


FORMS: dict[str, tuple[str, dict[str, list[Any]]]] = {
    "delimited": ("moods:|", {"moods": ["a|b", "a", "", "b|a", None]}),
    "json": ("moods", {"moods": ['["a", "b"]', '["a"]', "[]", '["b"]', None]}),
    "json objects": ("moods", {"moods": ['{"a": 1, "b": 0}', '{"a": 1}', "{}", '{"b": 1}', None]}),
    "columns": ("is_*", {"is_a": [1, 1, 0, 1, None], "is_b": [1.0, 0.0, 0.0, 1.0, None]}),
    "yes and no": ("is_a,is_b", {"is_a": ["yes", "yes", "no", "no", ""], "is_b": ["no", "no", "no", "yes", ""]}),
    "truth": ("is_*", {"is_a": [True, True, False, True, None], "is_b": [False, False, False, True, None]}),
    "list": ("moods", {"moods": [["a", "b"], ["a"], [], ["b"], None]}),
    "numbers": ("moods", {"moods": [[1, 2], [1], [], [2], None]}),
    "struct": (
        "moods",
        {"moods": [{"a": True, "b": False}, {"a": True, "b": None}, None, {"a": False, "b": True}, None]},
    ),
}


def judged(path: Path, spec: str, folder: Path) -> TagTables:
    """What a scan keeps of the tags, without a scan: nothing is doubted."""
    dataset = open_source(path, ColumnMap(tags=spec))
    assert dataset.tags is not None
    nothing = np.zeros(dataset.tags.given.shape, np.float32)
    save_tags(Layout(folder), dataset.sample_ids, dataset.tags, nothing, nothing, nothing > 1, {}, {})
    return TagTables(Layout(folder))


@pytest.mark.parametrize("form", FORMS)
def test_the_original_columns_take_over_the_final_tags_in_their_own_form(tmp_path: Path, form: str) -> None:
    spec, columns = FORMS[form]
    path = written(tmp_path / "t.parquet", **columns)
    tables = judged(path, spec, tmp_path)
    first, second = tables.names
    decided = [[second], None, None, None, [first]]
    before = pq.read_table(path)
    after = before
    for name, column in TagColumns(tables, tables.names).in_place(before, range(5), decided).items():
        after = after.set_column(after.column_names.index(name), name, column)
    assert after.schema.types == before.schema.types
    assert after.slice(1, 3).equals(before.slice(1, 3)), "no other cell changes"
    pq.write_table(after, tmp_path / "again.parquet")
    read = tags_of(open_source(tmp_path / "again.parquet", ColumnMap(tags=spec)))
    given = tags_of(open_source(path, ColumnMap(tags=spec)))
    assert {**given, "s0": {second}, "s4": {first}} == read


def test_a_new_tag_that_no_column_can_hold_is_said(tmp_path: Path) -> None:
    spec, columns = FORMS["columns"]
    path = written(tmp_path / "t.parquet", **columns)
    tags = TagColumns(judged(path, spec, tmp_path), ("a", "b", "new"))
    tags.in_place(pq.read_table(path), range(5), [["new"], None, None, None, None])
    assert tags.summary()["tags_without_place"] == ["new"]
    added = tags.added(range(5), [["new"], None, None, None, None])
    assert added["tags_final.new"].to_pylist() == [1, 0, 0, 0, None]


def test_an_unknown_form_is_refused(ws: Workspace, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="'list', 'delimited', 'columns'"):
        ws.exports.export(tmp_path / "t.csv", tags_as="xml")


def test_the_patch_carries_tags_to_another_scan(ws: Workspace, tagged: Path, tmp_path: Path) -> None:
    made = ws.exports.export(tmp_path / "t.csv")
    lines = [json.loads(line) for line in made.patch_path.read_text(encoding="utf-8").splitlines()]
    assert next(e for e in lines if e["sample_id"] == "t001")["tags"] == []
    again = tmp_path / "again"
    options = {"encoder": "tfidf", "projection": False, "network": False}
    with Workspace.scan(tagged.parent / "samples.parquet", again, **options) as other:
        report = other.replay(made.patch_path)
        assert not report.skipped
        assert now(other) == now(ws)


def test_a_patch_with_tags_is_not_applied_where_samples_have_none(tiny_ws: Path, tmp_path: Path) -> None:
    line = {
        "winnow_patch": 1,
        "sample_id": "s001",
        "action": "relabel",
        "tags": ["x"],
        "actor": "a",
        "decision_id": "d",
    }
    (tmp_path / "p.jsonl").write_text(json.dumps({**line, "decision_id": "d"}) + "\n", encoding="utf-8")
    with Workspace.open(tiny_ws) as ws:
        report = ws.replay(tmp_path / "p.jsonl")
        assert [(s.sample_id, s.reason) for s in report.skipped] == [("s001", "samples have no tags here")]
        assert not ws.history()
