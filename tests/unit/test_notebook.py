"""What notebooks and consoles show: small tables with pictures, progress, the map whose lasso is read."""

from __future__ import annotations

import copy
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from winnow.core import Filter, SubsetRequest, Workspace
from winnow.core.errors import WorkspaceError
from winnow.core.explore.summary import MAX_ROWS, SummaryTable
from winnow.core.pipeline.tqdm_progress import TqdmProgress
from winnow.core.subsets.evaluation import PayoffReport
from winnow.core.types import PROBLEMS, Progress

NOTEBOOK = Path(__file__).parents[2] / "assets" / "quickstart.ipynb"


@pytest.fixture(scope="module")
def ws(scanned: Path) -> Iterator[Workspace]:
    with Workspace.open(scanned) as workspace:
        yield workspace


def test_a_workspace_shows_what_is_open_with_pictures_of_the_likeliest_problems(ws: Workspace) -> None:
    page = ws._repr_html_()
    open_labels = ws.counts().by_verdict["noisy_label"]
    assert re.search(rf"<td[^>]*>Noisy label</td><td[^>]*>{open_labels}</td>", page)
    likeliest = ws.ids(Filter(verdicts=PROBLEMS), "-suspicion")[:8]
    assert page.count('<img src="data:image/') == sum(ws.thumbnail(i) is not None for i in likeliest) > 0
    assert "183 samples" in repr(ws)
    assert repr(ws).count("\n") == 0


def test_a_closed_workspace_can_be_printed(scanned: Path) -> None:
    workspace = Workspace.open(scanned)
    workspace.close()
    assert str(scanned) in repr(workspace)


def test_results_and_selections_show_small_tables(ws: Workspace) -> None:
    rows = ws.rows(sort="-noisy_label", limit=3)
    assert rows[0]["sample_id"] in repr(rows)
    assert rows._repr_html_().count("<img ") == 3
    choice = ws.subsets.choose(SubsetRequest(budget="20"))
    report = ws.subsets.report(choice)
    shown = {
        "info": (ws.info(), "Noisy label"),
        "counts": (ws.counts(), "183 of 183 samples"),
        "history": (ws.decision_history, "0 rows in the log"),
        "choice": (choice, "20 of 1"),
        "report": (report, "random, same size"),
    }
    for name, (value, text) in shown.items():
        assert text in repr(value), name
        assert len(repr(value).splitlines()) <= MAX_ROWS + 3, name
        assert text in value._repr_html_(), name


def test_rows_stay_plain_values_for_json_and_caches(ws: Workspace) -> None:
    rows = ws.rows(limit=2)
    assert json.loads(json.dumps(rows)) == rows
    assert type(copy.deepcopy(rows)) is list, "no cache holds on to the workspace"


def test_a_payoff_shows_its_arms_and_stays_json() -> None:
    arm = {"title": "subset", "size": 20, "accuracy": 0.9, "deviation": 0.01, "f1": 0.8, "gmean": 0.7}
    difference = {"against": "random", "value": 0.02, "low": -0.01, "high": 0.05}
    report = PayoffReport(method="k_center", verdict="No better.", arms=[{**arm, "differences": [difference]}])
    assert "+0.020" in repr(report)
    assert "No better." in report._repr_html_()
    assert json.loads(json.dumps(report)) == report


def test_what_came_with_the_data_is_escaped_and_long_tables_are_cut() -> None:
    table = SummaryTable("<script>1</script>", ("a",), [(f"<img src=x onerror={i}>",) for i in range(30)])
    assert "<script>" not in table.html()
    assert "<img" not in table.html()
    assert "… and 10 more" in table.html()
    assert "… and 10 more" in table.text()


def test_a_scan_from_python_shows_a_bar_for_each_stage(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with TqdmProgress() as bars:
        for done in (1, 2):
            bars(Progress("embed", done, 2))
        bars(Progress("probe", 1, 1, "folds"))
    printed = capsys.readouterr().err
    assert "Embedding: 100%" in printed
    assert "2/2" in printed
    assert "Training the probe: 100%" in printed


def test_no_bar_is_written_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with TqdmProgress() as bars:
        bars(Progress("embed", 1, 2))
    assert capsys.readouterr().err == ""


def lasso(widget: Any, points: list[tuple[int, int]]) -> None:
    """What the browser sends when a lasso encloses these points, (trace, index) each."""
    traces, inside = zip(*points, strict=True) if points else ((), ())
    places = [(widget.data[t].x[i], widget.data[t].y[i]) for t, i in points]
    widget._js2py_pointsCallback = {
        "event_type": "plotly_selected",
        "points": {
            "trace_indexes": list(traces),
            "point_indexes": list(inside),
            "xs": [x for x, _ in places],
            "ys": [y for _, y in places],
        },
        "device_state": None,
        "selector": {"type": "lasso", "selector_state": {"xs": [0, 1, 1], "ys": [0, 0, 1]}},
    }


def test_the_map_returns_what_its_lasso_encloses(ws: Workspace) -> None:
    pytest.importorskip("anywidget")
    widget = ws.map_widget("label")
    assert widget.selected == []
    lasso(widget, [(0, 1), (0, 3), (2, 0)])
    wanted = [widget.data[0].customdata[1], widget.data[0].customdata[3], widget.data[2].customdata[0]]
    assert widget.selected == wanted
    assert ws.counts(Filter(ids=tuple(widget.selected))).matching == 3
    lasso(widget, [])
    assert widget.selected == []


def test_without_the_package_the_map_says_what_to_install(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(WorkspaceError, match=r"pip install 'winnow\[notebook\]'"):
        ws.map_widget()


@pytest.mark.slow
def test_the_quickstart_runs_and_exports(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "it is kept without its outputs"
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    pages = [o.data["text/html"] for o in outputs if "text/html" in o.get("data", {})]
    assert any('<img src="data:image/' in page for page in pages)
    assert (tmp_path / "curated.csv").exists()
