"""Texts in CSV that a spreadsheet would run are marked, all others are not, and every text comes back."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from winnow.core.cli import app
from winnow.core.data.formulas import MARKED, mark_formulas, unmark_formulas
from winnow.core.data.sources import open_source
from winnow.core.errors import ExportError
from winnow.core.export.diff import diff
from winnow.core.workspace import Workspace

RUN = [
    "=1+1", "= 1", " =1", "\t=1", "\r=1", "\n=1", "＝1+1", "==1", "=-1", "=foo", '=HYPERLINK("http://x")',
    "=cmd|' /C calc'!A0", "=\ncmd|'x'!A", "+cmd|'/C calc'!A0", "-1+\ncmd|x", "+'\\\\host\\s\\[x.xls]a'!A1",
    "@SUM(A1)", "＋SUM (1)", "@A1", "+A1*2", "-A1\n+B2", "-2+3", "--1", "-5*2", "+1/2", "-(2+3)", "-1:2",
]  # fmt: skip
TEXT = [
    "", "-", "+", "=", "==", "= ", "=)", "@", "--", "-->", "- milk", "- milk, (sour)", "-foo", "+foo bar", "-_-",
    "@ada", "@ada hello!", "@ada: well-done!", "+49 151 2345", "+1 (555) 123-4567", "-1e5x", "-5 °C", "a=b", "x-y",
    "'tis", "'", "''", "<b>", "-1", "+3.5", "-1e-5", "-.5", "+2.", "12", "-5%", "- 5", "-1,5",
]  # fmt: skip


@pytest.mark.parametrize("text", RUN)
def test_what_a_spreadsheet_would_run_is_marked(text: str) -> None:
    assert mark_formulas(pa.array([text]))[0].to_pylist() == [f"'{text}"]


@pytest.mark.parametrize("text", TEXT)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert mark_formulas(pa.array([text]))[0].to_pylist() == [text]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text("'=+-@1A( |!.\n＝", max_size=8), st.sampled_from(RUN + TEXT))))
def test_every_text_comes_back(texts: list[str | None]) -> None:
    texts += [f"'{text}" for text in texts if text is not None]
    marked, count = mark_formulas(pa.array(texts, pa.string()))
    assert unmark_formulas(marked)[0].to_pylist() == texts
    assert sum(a != b for a, b in zip(texts, marked.to_pylist(), strict=True)) == count
    assert len(set(texts)) == len(set(marked.to_pylist()))


@pytest.fixture(scope="module")
def scanned_formulas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of texts, among them formulas, in the id, the text, the label, another column and its name."""
    home = tmp_path_factory.mktemp("formulas")
    texts = [t for t in (*RUN, *(f"'{t}" for t in RUN), *TEXT) if t.strip()]
    table = pd.DataFrame(
        {"id": texts, "text": texts, "label": [("=a", "'=a")[i % 2] for i in range(len(texts))], "=x": texts}
    )
    table.to_parquet(home / "t.parquet")
    Workspace.scan(home / "t.parquet", home / "ws", encoder="tfidf", projection=False, network=False).close()
    return home


@pytest.mark.parametrize("plain", [False, True])
def test_our_own_csv_is_read_as_it_was(scanned_formulas: Path, tmp_path: Path, plain: bool) -> None:
    given_table = pd.read_parquet(scanned_formulas / "t.parquet")
    with Workspace.open(scanned_formulas / "ws") as ws:
        result = ws.export(tmp_path / "out.csv", csv_plain=plain)
        ws.export(tmp_path / "out.parquet")
    found = open_source(result.path)
    assert [list(found.metadata.column(name).to_pylist()) for name in given_table] == [
        given_table[name].tolist() for name in given_table
    ]
    assert list(found.sample_ids) == given_table["id"].tolist()
    assert set(found.class_names) == {"=a", "'=a"}
    assert diff(result.path, tmp_path / "out.parquet").same
    assert (result.manifest["formulas"] == MARKED) is not plain
    cells = pd.read_csv(result.path, keep_default_na=False, dtype=str)
    assert (cells.iloc[:, 0].tolist() == given_table["id"].tolist()) is plain
    assert any("without the apostrophe" in notice for notice in found.notices) is not plain
    result.manifest_path.unlink()
    assert any(text.startswith("'=1") for text in open_source(result.path).sample_ids), (
        "no manifest, no apostrophe lost"
    )


def test_the_command_line_writes_it_plain(scanned_formulas: Path, tmp_path: Path) -> None:
    run, ws = CliRunner(), str(scanned_formulas / "ws")
    marked = run.invoke(app, ["export", ws, str(tmp_path / "a.csv")])
    assert "begin with an added apostrophe (--csv-plain leaves it out)" in marked.output
    plain = run.invoke(app, ["export", ws, str(tmp_path / "b.csv"), "--csv-plain"])
    assert (plain.exit_code, "apostrophe" in plain.output) == (0, False)
    assert pd.read_csv(tmp_path / "b.csv", dtype=str)["id"][0] == "=1+1"
    for out, format in (("c.parquet", "parquet"), ("c", "cleanlab")):
        refused = run.invoke(app, ["export", ws, str(tmp_path / out), "--format", format, "--csv-plain"])
        assert isinstance(refused.exception, ExportError)
        assert "Only CSV can be written plain" in str(refused.exception)
