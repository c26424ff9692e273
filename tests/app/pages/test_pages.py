from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from markupsafe import escape
from streamlit.testing.v1 import AppTest

import winnow.app
from tests.helpers.pictures import MARKUP, N_ALL, samples
from winnow.app.components.actions import NEXT_PAGE
from winnow.app.components.sidebar import PAGES
from winnow.app.server.state import ServerState
from winnow.core import Workspace, dataset_name

PAGE = Path(winnow.app.__file__).parent / "pages" / "script.py"
OWN = ("overview", "duplicates", "classes", "export", "history", "new")


def open_page(name: str, **params: str) -> AppTest:
    at = AppTest.from_file(str(PAGE), default_timeout=30)
    for key, value in params.items():
        at.query_params[key.replace("__", ".")] = value
    at.session_state[NEXT_PAGE] = name
    at.run()
    assert not at.exception, at.exception
    return at


def html_of(at: AppTest) -> str:
    """All that the page drew as HTML."""
    parts = []
    for element in _walk(at._tree):
        proto = getattr(element, "proto", None)
        if proto is None:
            continue
        text = getattr(proto, "json", "") or getattr(proto, "body", "")
        if text:
            try:
                parts.append(json.loads(text)["html"])
            except (ValueError, KeyError, TypeError):
                parts.append(str(text))
    return "\n".join(parts)


def _walk(block: Any) -> Any:
    for child in getattr(block, "children", {}).values():
        yield child
        yield from _walk(child)


@pytest.mark.parametrize("name", OWN)
def test_every_page_draws_with_its_question(app_state: ServerState, name: str) -> None:
    text = html_of(open_page(name))
    assert "<h1>" in text
    assert "Pictures" in text
    assert f'href="/{name}?' in text


@pytest.mark.parametrize("name", OWN)
def test_every_page_says_what_to_do_when_no_dataset_is_open(empty_state: ServerState, name: str) -> None:
    text = html_of(open_page(name))
    assert "Choose a dataset" in text or "Scan a new dataset" in text


def test_a_link_to_a_dataset_that_is_not_here_says_so(app_state: ServerState) -> None:
    text = html_of(open_page("overview", ws="deadbeef0000"))
    assert "has not been opened on this computer" in text


def test_text_from_data_is_never_markup(app_state: ServerState) -> None:
    for name in OWN:
        assert "<b>odd</b>" not in html_of(open_page(name))


def test_the_overview_counts_what_the_workspace_counts(app_state: ServerState, workspace: Workspace) -> None:
    text = html_of(open_page("overview"))
    for kind, n in samples(workspace)["verdict"].value_counts().items():
        assert f"<b>{n}</b>" in text, kind
    assert "planted in the demo" not in text


def test_a_demo_says_how_much_of_what_was_planted_was_found(
    app_state: ServerState, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = pd.DataFrame([{"kind": "ood", "planted": 20, "found": 18, "flagged": 25}])
    monkeypatch.setattr(workspace, "planted", lambda: planted)
    assert "planted in the demo" in html_of(open_page("overview"))


def test_what_a_scan_noted_is_on_the_overview(
    app_state: ServerState, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = replace(
        workspace.info(), notices=("CLIP could not be downloaded (offline). Using built-in patch features.",)
    )
    monkeypatch.setattr(workspace, "info", lambda: info)
    assert "CLIP could not be downloaded" in html_of(open_page("overview"))


def test_a_failed_stage_is_named_with_the_way_to_get_it(
    app_state: ServerState, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = replace(workspace.info(), failures={"map": "UMAP ran out of memory."})
    monkeypatch.setattr(workspace, "info", lambda: info)
    assert "Map is missing: UMAP ran out of memory. Scan again" in html_of(open_page("overview"))


def test_a_filter_in_the_url_is_a_chip_and_narrows_the_counts(app_state: ServerState, workspace: Workspace) -> None:
    text = html_of(open_page("overview", verdicts="ood", splits="test"))
    n = int(((samples(workspace)["verdict"] == "ood") & (samples(workspace)["split"] == "test")).sum())
    assert f"{n} of {N_ALL}" in text
    assert "Remove filter Out of distribution" in text
    assert "Remove filter Split: test" in text


def test_a_nonsense_filter_is_dropped_with_a_sentence(app_state: ServerState) -> None:
    text = html_of(open_page("overview", verdicts="nonsense"))
    assert "nonsense" in text
    assert f"{N_ALL} samples" in text


def test_filters_that_match_nothing_say_so(app_state: ServerState) -> None:
    assert "No sample matches these filters" in html_of(open_page("overview", text="no such id"))


def test_the_url_says_what_the_page_shows(app_state: ServerState) -> None:
    at = open_page("overview", verdicts="ood")
    assert at.query_params["ws"] in (app_state.first, [app_state.first])
    assert at.query_params["verdicts"] in ("ood", ["ood"])


def test_history_shows_decisions_and_the_way_back(app_state: ServerState, workspace: Workspace) -> None:
    assert "Nothing has been decided yet" in html_of(open_page("history"))
    ids = workspace.ids()
    workspace.decide(ids[0], "relabel", label="deer", actor="ada")
    workspace.decide_many(ids[1:31], "exclude", actor="ada")
    workspace.decide(ids[40], "accept", actor="bob")
    text = html_of(open_page("history"))
    assert "Relabelled<span>→</span><bdi" in text
    assert "30 samples" in text
    assert "Undo all 30" in text
    assert "bob" in text


def test_classes_show_facts_about_the_whole_dataset(app_state: ServerState, workspace: Workspace) -> None:
    text = html_of(open_page("classes"))
    summaries = [escape(fact["summary"]) for fact in workspace.dataset_checks() if not fact["skipped"]]
    assert len(summaries) >= 3
    assert all(summary in text for summary in summaries)
    assert escape(MARKUP) in text, "what the data says is shown as text"


def test_export_counts_by_decision(app_state: ServerState, workspace: Workspace) -> None:
    workspace.decide_many(workspace.ids()[:20], "exclude", actor="ada")
    text = html_of(open_page("export"))
    assert f"{N_ALL - 20} rows" in text
    assert "label_final" in text


def test_what_was_written_is_said_until_another_file_is_asked_for(
    app_state: ServerState, workspace: Workspace, tmp_path: Path
) -> None:
    at = open_page("export")
    (target,) = (box for box in at.text_input if box.label in ("Write to", "Name"))
    written = workspace.export(tmp_path / "out.parquet", actor="ada")
    paths = {name: str(getattr(written, name)) for name in ("path", "manifest_path", "patch_path")}
    path = target.value if target.label == "Write to" else str(workspace.exports.place(target.value))
    at.session_state["w-written"] = {**paths, "path": path, "rows": 1, "excluded": 0}
    at.run()
    assert not at.exception
    assert Path(written.patch_path).name in html_of(at)
    (menu,) = (box for box in at.selectbox if box.label == "Format")
    menu.set_value("csv").run()
    assert not at.exception
    assert Path(written.patch_path).name not in html_of(at)


def test_an_error_is_said_once(app_state: ServerState, workspace: Workspace) -> None:
    at = open_page("export")
    at.session_state["winnow"].notice = "The disk is full."
    at.run()
    assert "The disk is full." in html_of(at)
    at.run()
    assert "The disk is full." not in html_of(at)


def test_a_page_that_breaks_shows_no_trace(
    app_state: ServerState, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from winnow.app.server.error_page import on_script_error

    monkeypatch.setattr(workspace, "confusion", lambda *a: 1 / 0)
    at = AppTest.from_file(str(PAGE), default_timeout=30)
    at.session_state[NEXT_PAGE] = "overview"
    at.run()
    assert at.exception  # AppTest has no error handler: st.App calls this one
    assert on_script_error(ZeroDivisionError("division")) is True


def test_every_page_has_a_view() -> None:
    folder = Path(winnow.app.__file__).parent / "pages"
    for name in PAGES:
        assert (folder / f"{'home' if name == 'new' else name}.py").is_file(), name


def test_a_path_is_previewed_and_scanned_in_a_process_of_its_own(
    app_state: ServerState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from winnow.app.session import scans

    table = tmp_path / "reviews.csv"
    table.write_text("id,text,label\n" + "".join(f"r{i},the film was fine {i},good\n" for i in range(30)))
    started: list[Any] = []
    monkeypatch.setattr(scans, "start_scan", lambda config, out, actor: started.append((config, out)))
    at = open_page("new")
    at.text_input(key="w-path").set_value(str(table)).run()
    assert not at.exception
    assert len(at.dataframe[0].value) == 20
    assert {s.label: s.value for s in at.selectbox}["Text"] == "text ✓"
    assert "30 rows: about" in html_of(at) or "About 3" in html_of(at)
    next(b for b in at.button if b.label == "Start the scan").click()
    at.run()
    config, out = started[0]
    assert config.source == str(table)
    assert out == tmp_path / "reviews.winnow"
    assert not at.exception


def test_a_path_that_is_not_there_is_refused_with_a_sentence(app_state: ServerState, tmp_path: Path) -> None:
    at = open_page("new")
    at.text_input(key="w-path").set_value(str(tmp_path / "nowhere.csv")).run()
    assert not at.exception
    assert "does not exist" in html_of(at)


def test_a_running_scan_is_followed_on_the_page(app_state: ServerState, workspace: Workspace) -> None:
    import time

    job = workspace.path / "job"
    job.mkdir(exist_ok=True)
    progress = {
        "state": "running",
        "stage": "embed",
        "done": 5,
        "total": 10,
        "unit": "samples",
        "rate": 2.0,
        "eta_s": 2.5,
        "stages": [],
        "beat": time.time(),
    }
    (job / "progress.json").write_text(json.dumps(progress))
    text = html_of(open_page("overview"))
    assert "Embedding" in text
    assert "5 of 10 samples" in text
    assert "samples (" in text


def test_upload_names_cannot_leave_their_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    from winnow.app.session import scans

    monkeypatch.setenv("WINNOW_STATE", str(tmp_path))
    for name in ("../../evil.csv", "/etc/evil.csv", "..", "a/b\\c.csv", ".hidden"):
        kept = scans.keep_upload(name, io.BytesIO(b"id\n1\n"))
        assert kept.parent.parent == tmp_path / "uploads"
        assert kept.read_bytes() == b"id\n1\n"
    other = scans.keep_upload("evil.csv", io.BytesIO(b"id\n2\n"))
    assert other != scans.keep_upload("evil.csv", io.BytesIO(b"id\n1\n"))


def test_the_workspace_of_a_folder_lies_beside_it_under_its_whole_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from winnow.app.session import scans

    data = tmp_path / "photos.v2"
    data.mkdir()
    monkeypatch.chdir(data)
    for source in (str(data), f"{data}/", ".", f"{data}/../photos.v2"):
        assert scans.default_out(source) == tmp_path / "photos.v2.winnow", source
        assert dataset_name(source) == "photos.v2", source
    assert dataset_name(tmp_path / "reviews.csv") == "reviews"


def test_results_never_go_into_the_workspace_of_another_source(tmp_path: Path) -> None:
    from winnow.app.session import scans

    first = scans.default_out(str(tmp_path / "samples.csv"))
    (first / "job").mkdir(parents=True)
    (first / "job" / "request.json").write_text(json.dumps({"source": str(tmp_path / "samples.csv")}))
    assert scans.default_out(str(tmp_path / "samples.csv")) == first
    assert scans.default_out(str(tmp_path / "samples.parquet")) == tmp_path / "samples-2.winnow"
