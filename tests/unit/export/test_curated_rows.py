"""The curated dataset, its manifest, and the patch that carries decisions to a fresh scan."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from winnow.core.errors import DecisionError, ExportError, WorkspaceError
from winnow.core.export import curated_rows as curated_module
from winnow.core.export.curated_file import CuratedRows, export_workspace, replay_patch
from winnow.core.storage.artifacts import save_table
from winnow.core.storage.decision_log.store import DecisionRequest, DecisionStore
from winnow.core.storage.layout import Layout
from winnow.core.types import Action

ACCEPT, RELABEL, EXCLUDE = Action.ACCEPT, Action.RELABEL, Action.EXCLUDE
N = 10


def scan(root: Path, n: int = N, meta: pa.Table | None = None, hashes: str = "h") -> Layout:
    """The tables that a scan leaves behind."""
    layout = Layout(root)
    ids = [f"s{i}" for i in range(n)]
    labels = ["cat" if i % 2 else "dog" for i in range(n - 1)] + [None] * (n > 0)
    rows = pa.array(np.arange(n, dtype=np.int32))
    save_table(
        layout.dataset,
        pa.table(
            {
                "row": rows,
                "sample_id": pa.array(ids, pa.string()),
                "label": pa.array(labels, pa.string()),
                "content_hash": pa.array([f"{hashes}{i}" for i in range(n)], pa.string()),
            }
        ),
    )
    save_table(
        layout.verdicts,
        pa.table(
            {
                "row": rows,
                "sample_id": pa.array(ids, pa.string()),
                "verdict": pa.array(["noisy_label"] * n, pa.string()),
                "confidence": pa.array([0.5] * n, pa.float32()),
                "reasons": pa.array(["=because\nof this"] * n, pa.string()),
            }
        ),
        row_group_size=max(3, n // 5),
    )
    if meta is None:
        meta = pa.table({"name": ids, "class": labels, "n": pa.array(range(n), pa.int64())})
    columns = [pa.array(ids, pa.string()), *meta.columns]
    save_table(layout.meta, pa.table(columns, names=["__sample_id", *meta.column_names]), row_group_size=max(4, n // 7))
    return layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return scan(tmp_path / "ws")


@pytest.fixture
def store(layout: Layout) -> Iterator[DecisionStore]:
    with DecisionStore(layout.decisions) as opened:
        yield opened


def ask(sample: str, action: Action, actor: str = "ann", **more: Any) -> DecisionRequest:
    return DecisionRequest(sample, action, actor, **more)


def decide(store: DecisionStore) -> None:
    store.append([ask("s0", RELABEL, label="lynx"), ask("s1", EXCLUDE, reason="blurred"), ask("s2", ACCEPT)])
    store.append([ask("s3", RELABEL, label="lynx"), ask("s3", EXCLUDE, "bob"), ask("s9", RELABEL, label="cat")])
    store.append([ask("s4", EXCLUDE)])
    store.undo("ann")


def out(path: Path, layout: Layout, store: DecisionStore, **more: Any) -> pd.DataFrame:
    export_workspace(path, layout=layout, store=store, columns={"id": "name"}, **more)
    return pd.read_csv(path, keep_default_na=False) if path.suffix == ".csv" else pd.read_parquet(path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_decisions_are_in_what_comes_out(layout: Layout, store: DecisionStore, tmp_path: Path, suffix: str) -> None:
    decide(store)
    frame = out(tmp_path / f"x{suffix}", layout, store).fillna("").set_index("name")
    assert frame.columns.tolist() == [
        "class",
        "n",
        "label_original",
        "label_final",
        "verdict",
        "confidence",
        "reasons",
        "sample_weight",
        "label_source",
        "label_probability",
        "decision",
        "actor",
        "decided_at",
    ]
    assert frame.index.tolist() == ["s0", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9"]
    final = frame[["class", "label_original", "label_final", "decision", "actor"]]
    assert final.loc["s0"].tolist() == ["dog", "dog", "lynx", "relabel", "ann"]
    assert final.loc["s2"].tolist() == ["dog", "dog", "dog", "accept", "ann"]
    assert final.loc["s3"].tolist() == ["cat", "cat", "cat", "disputed", "ann, bob"]
    assert final.loc["s4"].tolist() == ["dog", "dog", "dog", "", ""]
    assert final.loc["s9"].tolist() == ["", "", "cat", "relabel", "ann"]
    assert frame.loc["s0", "decided_at"] == store.history()[-1].at
    assert frame.loc["s0", "reasons"] == ("'" if suffix == ".csv" else "") + "=because\nof this"


def test_excluded_samples_can_be_kept_and_marked(layout: Layout, store: DecisionStore, tmp_path: Path) -> None:
    decide(store)
    frame = out(tmp_path / "x.parquet", layout, store, include_excluded=True).set_index("name")
    assert len(frame) == N
    assert frame.loc["s1", ["decision", "label_final"]].tolist() == ["exclude", "cat"]


def test_the_manifest_says_what_was_done(layout: Layout, store: DecisionStore, tmp_path: Path) -> None:
    decide(store)
    store.change_class("add", "lynx", "ann")
    store.append([ask("not in this scan", EXCLUDE)])
    result = export_workspace(
        tmp_path / "x.csv", layout=layout, store=store, columns={"id": "name"}, manifest={"run_key": "r1"}
    )
    manifest = json.loads(result.manifest_path.read_text())
    assert (manifest["rows"], manifest["excluded"]) == (result.rows, result.excluded) == (9, 1)
    assert manifest["decisions"] == {"accept": 1, "disputed": 1, "exclude": 1, "relabel": 2}
    assert (manifest["labels_changed"], manifest["decided_but_not_in_this_scan"]) == (2, 1)
    assert manifest["decision_log"] == dict(zip(("seq", "hash"), store.head(), strict=True))
    assert (manifest["added_classes"], manifest["scan"]) == (["lynx"], {"run_key": "r1"})
    assert manifest["original_columns"] == ["name", "class", "n"]
    assert manifest["neutralised_cells"] == {"reasons": 9}


def test_names_that_are_taken_get_a_prefix(tmp_path: Path) -> None:
    meta = pa.table(
        {"verdict": ["x"] * N, "label_final": [1] * N, "winnow_label_final": [2] * N, "sample_id": ["y"] * N}
    )
    layout = scan(tmp_path / "ws", meta=meta)
    with DecisionStore(layout.decisions) as store:
        export_workspace(tmp_path / "x.parquet", layout=layout, store=store)
    table = pq.read_table(tmp_path / "x.parquet")
    assert table.column_names == [
        "verdict",
        "label_final",
        "winnow_label_final",
        "sample_id",
        "winnow_sample_id",
        "label_original",
        "winnow_winnow_label_final",
        "winnow_verdict",
        "confidence",
        "reasons",
        "sample_weight",
        "label_source",
        "label_probability",
        "decision",
        "actor",
        "decided_at",
    ]
    assert table["sample_id"].to_pylist() == ["y"] * N
    assert table["winnow_sample_id"].to_pylist() == [f"s{i}" for i in range(N)]


def test_original_types_are_kept(tmp_path: Path) -> None:
    meta = pa.table(
        {
            "small": pa.array(range(N), pa.uint8()),
            "many": [[i, i + 1] for i in range(N)],
            "day": pa.array([1] * N, pa.date32()),
            "kind": pa.array(["a", "b"] * (N // 2)).dictionary_encode(),
        }
    )
    layout = scan(tmp_path / "ws", meta=meta)
    with DecisionStore(layout.decisions) as store:
        export_workspace(tmp_path / "x.parquet", layout=layout, store=store)
    back = pq.read_table(tmp_path / "x.parquet").select(meta.column_names)
    assert back.schema.remove_metadata() == meta.schema
    assert back.to_pylist() == meta.to_pylist()


@pytest.mark.parametrize("n", [0, 1, 6, 7, 8, 15])
def test_batches_of_any_size_keep_every_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    monkeypatch.setattr(curated_module, "BATCH", 7)
    layout = scan(tmp_path / "ws", n)
    with DecisionStore(layout.decisions) as store:
        rows = CuratedRows(layout.dataset, layout.verdicts, layout.meta, store.snapshot(), "name")
    tables = list(rows)
    assert [i for t in tables for i in t["name"].to_pylist()] == [f"s{i}" for i in range(n)]
    assert {t.schema for t in tables} == {rows.schema}
    assert max(t.num_rows for t in tables) <= 7


def test_the_weight_is_one_minus_the_doubt_and_one_where_there_is_none(
    layout: Layout, store: DecisionStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(store)
    assert out(tmp_path / "bare.parquet", layout, store).sample_weight.tolist() == [1.0] * (N - 1)
    doubt = np.array([0.9, 0.2, 0.8, 0.75, 0.25, np.nan, 1.0, 0.0, 0.5, np.nan], np.float32)
    save_table(layout.signals, pa.table({"row": np.arange(N, dtype=np.int32), "label_trust": doubt}))
    monkeypatch.setattr(curated_module, "BATCH", 3)
    for suffix in (".csv", ".parquet"):
        weight = out(tmp_path / f"x{suffix}", layout, store).set_index("name").sample_weight
        # s0 and s9 were relabelled, s2 was accepted: a person stands for the label; people disagree about s3
        assert weight.astype(float).to_dict() == {
            "s0": 1.0,
            "s2": 1.0,
            "s3": 0.25,
            "s4": 0.75,
            "s5": 1.0,
            "s6": 0.0,
            "s7": 1.0,
            "s8": 0.5,
            "s9": 1.0,
        }
    save_table(layout.signals, pa.table({"label_trust": pa.array([None] * N, pa.float32())}))
    assert out(tmp_path / "null.parquet", layout, store).sample_weight.tolist() == [1.0] * (N - 1)
    save_table(layout.signals, pa.table({"row": np.arange(N, dtype=np.int32)}))
    assert out(tmp_path / "none.parquet", layout, store).sample_weight.tolist() == [1.0] * (N - 1)
    save_table(layout.signals, pa.table({"label_trust": doubt[:-1]}))
    with pytest.raises(WorkspaceError, match=r"signals\.parquet has another number of rows"):
        out(tmp_path / "cut.parquet", layout, store)


def test_tables_of_different_scans_are_not_mixed(layout: Layout, store: DecisionStore, tmp_path: Path) -> None:
    other = scan(tmp_path / "other", N - 2)
    with pytest.raises(WorkspaceError, match=r"do not fit together.*Run the scan again"):
        export_workspace(
            tmp_path / "x.csv", layout=Layout(_mix(layout, verdicts=other.verdicts, at=tmp_path / "mix")), store=store
        )
    assert not list(tmp_path.glob("x.csv*"))


def _mix(layout: Layout, verdicts: Path, at: Path) -> Path:
    at.mkdir()
    for source in (layout.dataset, layout.meta, verdicts):
        (at / source.name).write_bytes(source.read_bytes())
    return at


@pytest.mark.parametrize("where", ["verdicts.parquet", "media/x.csv", "job.csv"])
def test_the_workspace_s_own_files_are_safe(layout: Layout, store: DecisionStore, where: str) -> None:
    (layout.root / "job.csv").write_text("mine")
    before = layout.verdicts.read_bytes()
    with pytest.raises(ExportError, match="Choose another"):
        export_workspace(layout.root / where, layout=layout, store=store)
    assert layout.verdicts.read_bytes() == before


def test_the_scanned_file_is_safe(layout: Layout, store: DecisionStore, tmp_path: Path) -> None:
    source = tmp_path / "labels.csv"
    source.write_text("id,label\n")
    with pytest.raises(ExportError, match="the dataset that was scanned"):
        export_workspace(source, layout=layout, store=store, manifest={"params": {"source": str(source)}})
    assert source.read_text() == "id,label\n"


def test_an_export_can_be_repeated_inside_the_workspace(layout: Layout, store: DecisionStore) -> None:
    for _ in range(2):
        assert export_workspace(layout.root / "out.csv", layout=layout, store=store).rows == N


# --- patches ----------------------------------------------------------------------------------------------------


def known(prefix: str = "h", n: int = N) -> dict[str, str]:
    return {f"s{i}": f"{prefix}{i}" for i in range(n)}


@pytest.fixture
def patch(layout: Layout, store: DecisionStore, tmp_path: Path) -> Path:
    decide(store)
    return export_workspace(tmp_path / "x.csv", layout=layout, store=store, columns={"id": "name"}).patch_path


def test_a_patch_brings_a_fresh_scan_to_the_same_export(layout: Layout, patch: Path, tmp_path: Path) -> None:
    fresh = scan(tmp_path / "fresh")
    with DecisionStore(fresh.decisions) as again:
        report = replay_patch(again, patch, known(), classes=["cat", "dog"])
        assert (report.applied, report.repeated, report.skipped) == (6, 0, ())
        assert again.registry().added == ("lynx",)
        result = export_workspace(tmp_path / "y.csv", layout=fresh, store=again, columns={"id": "name"})
        assert result.path.read_bytes() == (tmp_path / "x.csv").read_bytes()
        ids = [json.loads(line).get("decision_id") for line in result.patch_path.open()]
        assert [i for i in ids if i] == [json.loads(line)["decision_id"] for line in patch.open()]


def test_a_patch_applied_twice_changes_nothing(patch: Path, tmp_path: Path) -> None:
    with DecisionStore(tmp_path / "d.db") as again:
        replay_patch(again, patch, known())
        head = again.head()
        report = replay_patch(again, patch, list(known()), list(known().values()))
        assert (report.applied, report.repeated, report.skipped) == (0, 6, ())
        assert again.head() == head


def test_what_does_not_fit_is_left_out_with_its_reason(patch: Path, tmp_path: Path) -> None:
    here = known(n=4) | {"s1": "other content", "s2": ""}
    with DecisionStore(tmp_path / "d.db") as again:
        again.append([ask("s0", EXCLUDE)])
        report = replay_patch(again, patch, here)
        reasons = {s.sample_id: s.reason for s in report.skipped}
        assert set(reasons) == {"s0", "s1", "s9"}
        assert "You already decided about 's0'" in reasons["s0"]
        assert reasons["s1"] == "its content has changed since the decision"
        assert reasons["s9"] == "this scan has no such sample"
        assert set(again.current()) == {"s0", "s2", "s3"}
        assert set(again.current()["s3"]) == {"ann", "bob"}


def test_lines_that_are_no_decision_are_named(patch: Path, tmp_path: Path) -> None:
    good = patch.read_text().splitlines()[0]
    bad = [
        "{",
        "[]",
        "1",
        '{"winnow_patch": 2}',
        good.replace('"relabel"', '"undo"'),
        good.replace('"lynx"', "7"),
        good.replace('"relabel"', '"burn"'),
        good.replace('"sample_id"', '"nothing"'),
        "\udcff",
    ]
    patch.write_bytes("\n".join([*bad, "", good]).encode("utf-8", "surrogateescape"))
    with DecisionStore(tmp_path / "d.db") as again:
        report = replay_patch(again, patch, known())
        assert report.applied == 1
        assert [s.sample_id for s in report.skipped] == [f"line {i + 1}" for i in range(len(bad))]


@pytest.mark.parametrize("content", ["id,label\na,b\n", "\0\0\0"])
def test_a_file_that_is_no_patch_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.jsonl").write_text(content)
    with DecisionStore(tmp_path / "d.db") as store:
        with pytest.raises(DecisionError, match="is no patch file"):
            replay_patch(store, tmp_path / "x.jsonl", known())
        with pytest.raises(DecisionError, match="cannot be read"):
            replay_patch(store, tmp_path / "nothing.jsonl", known())
        assert store.head()[0] == 0


# --- kill -9 ----------------------------------------------------------------------------------------------------

EXPORT_FOREVER = """
import sys
from pathlib import Path
from winnow.core.export.curated_file import export_workspace
from winnow.core.storage.layout import Layout
from winnow.core.storage.decision_log.store import DecisionStore
layout = Layout(Path(sys.argv[1]))
store = DecisionStore(layout.decisions)
while True:
    export_workspace(sys.argv[2], layout=layout, store=store, columns={"id": "name"})
    print("done", flush=True)
"""


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.045])
def test_a_killed_export_leaves_a_whole_file(tmp_path: Path, delay: float) -> None:
    layout = scan(tmp_path / "ws", 20_000)
    target = tmp_path / "out" / "x.csv"
    process = subprocess.Popen(
        [sys.executable, "-c", EXPORT_FOREVER, str(layout.root), str(target)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert len(pd.read_csv(target)) == 20_000
    assert json.loads((tmp_path / "out" / "x.csv.manifest.json").read_text())["rows"] == 20_000
