"""The command line as a person meets it: what it prints, what it refuses and with which status."""

from __future__ import annotations

import io
import json
import socket
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from winnow.core import Workspace
from winnow.core.cli import main
from winnow.core.cli.options import print_table
from winnow.core.cli.progress import Bars
from winnow.core.errors import DiskFull
from winnow.core.features import neighbor_graphs as graphs


def run(*args: object) -> tuple[int, str, str]:
    """Run the command line in this process: status, standard output, standard error."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main([str(a) for a in args])
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
    return code, out.getvalue(), err.getvalue()


def test_scan_info_scores_decide_undo_and_export(tiny_ws: Path, tmp_path: Path) -> None:
    code, out, _ = run("info", tiny_ws, "--json")
    assert code == 0
    assert json.loads(out)["n"] == 183

    code, out, _ = run("scores", tiny_ws, tmp_path / "s.parquet")
    assert code == 0
    assert len(pd.read_parquet(tmp_path / "s.parquet")) == 183
    assert run("scores", tiny_ws, tmp_path / "signals.parquet", "--signals")[0] == 0
    assert {"signal_1", "signal_3_percentile", "label_knn"} < set(pd.read_parquet(tmp_path / "signals.parquet"))

    base = ("decide", tiny_ws, "--actor", "ada")
    assert run(*base, "--id", "s003", "--action", "relabel", "--label", "digit 1", "--reason", "clear")[0] == 0
    assert run(*base, "--id", "s004", "--action", "exclude")[0] == 0
    code, out, _ = run("undo", tiny_ws, "--actor", "ada", "--json")
    assert json.loads(out)["undone"] == ["s004"]
    run(*base, "--id", "s005", "--action", "exclude")

    code, out, _ = run("export", tiny_ws, tmp_path / "out.csv", "--json")
    assert code == 0
    assert json.loads(out)["excluded"] == 1
    frame = pd.read_csv(tmp_path / "out.csv").set_index("id")
    assert list(frame.columns[:3]) == ["label", "split", "note"]
    assert frame.loc["s003", "label_final"] == "digit 1"
    assert frame.loc["s003", "actor"] == "ada"
    assert "s005" not in frame.index
    assert frame.loc["s004", "note"] == "'=n4", "a formula cell is neutralised"

    code, _, _ = run("export", tiny_ws, tmp_path / "all.parquet", "--include-excluded")
    assert pd.read_parquet(tmp_path / "all.parquet").set_index("id").loc["s005", "decision"] == "exclude"


def test_people_read_the_names_of_verdicts_and_machines_their_keys(tiny_ws: Path) -> None:
    table = run("info", tiny_ws)[1]
    assert "Noisy label" in table
    assert "Out of distribution" in table
    assert "noisy_label" in json.loads(run("info", tiny_ws, "--json")[1])["verdict_counts"]


def test_square_brackets_in_a_table_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "n"), [("[bold]class[/bold]", "1")])
    assert "[bold]class[/bold]" in capsys.readouterr().out


def test_a_table_that_is_piped_keeps_each_row_on_one_line_and_cuts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    long = "folder/" * 60 + "image.png"
    print_table(("sample", "n", "note"), [(long, "1", "x" * 300), ("short", "23", "")], left=("sample",), title="Title")
    title, _, first, second = capsys.readouterr().out.splitlines()
    assert title == "Title"
    assert first.split() == [long, "1", "x" * 300]
    assert second.split() == ["short", "23"]
    assert second == second.rstrip(), "nothing is padded at the end"


def test_info_counts_decisions_in_force_and_what_is_open(tiny_ws: Path) -> None:
    before = json.loads(run("info", tiny_ws, "--json")[1])
    noisy = next(i for i in ("s003", "s040", "s077", "s120") if _verdict(tiny_ws, i) == "noisy_label")
    base = ("decide", tiny_ws, "--actor", "ada", "--id")
    run(*base, noisy, "--action", "relabel", "--label", "digit 1")
    run(*base, "s005", "--action", "exclude")
    run(*base, "s006", "--action", "exclude")
    run("undo", tiny_ws, "--actor", "ada")
    after = json.loads(run("info", tiny_ws, "--json")[1])
    assert after["in_force"] == {"relabel": 1, "exclude": 1}, "four rows in the log, two decisions in force"
    assert after["n_decisions"] == 4
    assert after["open"]["noisy_label"] == before["open"]["noisy_label"] - 1
    assert after["verdict_counts"] == before["verdict_counts"], "what the scan said stays what it said"
    assert "decided    2 (1 excluded, 1 relabelled)" in run("info", tiny_ws)[1].splitlines()


def _verdict(path: Path, sample_id: str) -> str:
    with Workspace.open(path) as ws:
        return str(ws.cards([sample_id])[0]["verdict"])


def test_a_patch_replays_on_a_fresh_scan(tiny_data: Path, tiny_ws: Path, tmp_path: Path) -> None:
    run("decide", tiny_ws, "--id", "s003", "--action", "relabel", "--label", "digit 1")
    run("decide", tiny_ws, "--id", "s005", "--action", "exclude")
    run("export", tiny_ws, tmp_path / "out.csv")
    fresh = tmp_path / "fresh"
    code, _, _ = run(
        "scan",
        tiny_data / "samples.parquet",
        "--out",
        fresh,
        "--quiet",
        "--no-map",
        "--embeddings",
        tiny_data / "embeddings.parquet",
    )
    assert code == 0
    code, out, _ = run("decide", fresh, "--patch", tmp_path / "out.csv.patch.jsonl", "--json")
    assert json.loads(out)["applied"] == 2
    run("export", fresh, tmp_path / "again.csv")
    first, again = (pd.read_csv(tmp_path / f"{n}.csv").label_final for n in ("out", "again"))
    assert first.equals(again)


def test_a_second_scan_does_nothing_again(tiny_data: Path, tiny_ws: Path) -> None:
    args = ("scan", tiny_data / "samples.parquet", "--out", tiny_ws, "--embeddings", tiny_data / "embeddings.parquet")
    code, out, _ = run(*args, "--json")
    assert code == 0
    manifest = json.loads(out)["manifest"]
    assert {"media", "dataset", "embed", "graphs", "probe", "signals", "map", "clusters"} <= set(manifest["reused"])
    code, out, _ = run(*args, "--json", "--label", "split")
    reused = set(json.loads(out)["manifest"]["reused"])
    assert {"media", "embed", "graphs", "map", "clusters"} <= reused, "the label is not looked at by these"
    assert not reused & {"probe", "signals", "dataset"}


def refused(tmp_path: Path, says: str, *args: object) -> None:
    out = tmp_path / "refused"
    code, _, err = run("scan", *args, "--out", out, "--quiet")
    assert code == 2
    assert says in err
    assert err.startswith("winnow: ")
    assert "Traceback" not in err
    assert not out.exists(), "a refused scan leaves nothing behind"


def test_what_cannot_be_scanned_is_refused_with_the_way_out(tiny_data: Path, tmp_path: Path) -> None:
    samples = tiny_data / "samples.parquet"
    refused(tmp_path, "nowhere", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    refused(tmp_path, "empty", tmp_path / "empty")
    refused(tmp_path, "'label', 'split', 'note'", samples, "--label", "lable")
    twice = pd.read_parquet(samples)
    twice.loc[1, "id"] = "s000"
    twice.to_parquet(tmp_path / "twice.parquet")
    refused(tmp_path, "'s000'", tmp_path / "twice.parquet", "--id", "id")
    np.save(tmp_path / "short.npy", np.ones((5, 8), np.float32))
    refused(tmp_path, "183", samples, "--embeddings", tmp_path / "short.npy")
    other = pd.read_parquet(tiny_data / "embeddings.parquet")
    other.loc[0, "id"] = "stranger"
    other.to_parquet(tmp_path / "other.parquet")
    refused(tmp_path, "stranger", samples, "--embeddings", tmp_path / "other.parquet")
    refused(tmp_path, "no encoder 'magic'", samples, "--encoder", "magic")
    refused(tmp_path, "'auto', 'cpu', 'cuda'", samples, "--device", "tpu")


def test_a_full_disk_stops_the_scan_and_leaves_nothing_half_written(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise DiskFull("The disk is full: the array 'x.npy' could not be written.")

    monkeypatch.setattr(graphs, "save_array", full)
    args = ("scan", tiny_data / "samples.parquet", "--embeddings", tiny_data / "embeddings.parquet", "--quiet")
    code, _, err = run(*args, "--out", tmp_path / "ws")
    assert code == 3
    assert "is full" in err
    assert "run the same command again" in err
    assert not (tmp_path / "ws").exists()


def test_a_workspace_of_a_newer_release_is_refused(tiny_ws: Path, tiny_data: Path) -> None:
    header = json.loads((tiny_ws / "workspace.json").read_text())
    (tiny_ws / "workspace.json").write_text(json.dumps({**header, "format": 999}))
    for args in (("info", tiny_ws), ("scan", tiny_data / "samples.parquet", "--out", tiny_ws, "--quiet")):
        code, _, err = run(*args)
        assert code == 2
        assert "newer Winnow (format 999" in err


def test_a_directory_with_other_things_is_not_written_to(tiny_data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    code, _, err = run("scan", tiny_data / "samples.parquet", "--out", tmp_path / "mine", "--quiet")
    assert code == 2
    assert "is not empty" in err
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_progress_begins_before_the_first_stage(capsys: pytest.CaptureFixture[str]) -> None:
    with Bars("bars"):
        pass
    assert "Starting" in capsys.readouterr().err
    with Bars("json"), Bars("quiet"):
        pass
    assert capsys.readouterr().err == ""


def test_a_new_workspace_never_lies_inside_the_data(tmp_path: Path) -> None:
    data = tmp_path / "photos"
    (data / "cat").mkdir(parents=True)
    for out in (data, data / "photos.winnow", data / "cat" / "ws", tmp_path / "x" / ".." / "photos" / "ws"):
        code, _, err = run("scan", data, "--out", out, "--quiet")
        assert code == 2
        assert f"Give a folder beside it, for example {tmp_path / 'photos.winnow'}" in err
    assert [p.name for p in data.rglob("*")] == ["cat"]


def test_a_port_in_use_is_named(tiny_ws: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = run("app", tiny_ws, "--port", port)
    assert code == 2
    assert f"Port {port}" in err


def test_listening_beyond_this_computer_must_be_typed_out(tiny_ws: Path) -> None:
    code, _, err = run("app", tiny_ws, "--host", "0.0.0.0")
    assert code == 2
    assert "--no-auth" in err


def test_decisions_that_cannot_be_made_say_why(tiny_ws: Path) -> None:
    for args, says in (
        (("--id", "s001", "--action", "relabel"), "needs a label"),
        (("--id", "s001", "--action", "shout"), "accept, relabel, exclude"),
        (("--id", "nobody", "--action", "accept"), "'nobody'"),
        ((), "--id ID --action"),
    ):
        code, _, err = run("decide", tiny_ws, *args)
        assert code == 2
        assert says in err
    assert run("undo", tiny_ws)[1].strip() == "There is nothing to undo."


def test_encoders_and_doctor_speak_to_people_and_machines() -> None:
    names = {e["name"] for e in json.loads(run("encoders", "--json")[1])}
    assert {"patches", "tfidf"} <= names
    assert any(n.startswith("open_clip:ViT-B-32/laion2b_s34b_b79k") for n in names)
    report = json.loads(run("doctor", "--json")[1])
    assert report["device"]["would_use"] in ("cpu", "cuda")
    assert report["libraries"]["torch"] != "not installed"
    assert "python" in run("doctor")[1]
