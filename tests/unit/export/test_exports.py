"""Every export read back by its own ecosystem: what comes out carries the decisions."""

from __future__ import annotations

import contextlib
import io
import json
import os
import time
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from winnow.core.cli import worker
from winnow.core.errors import Cancelled, ExportError, QueryError
from winnow.core.explore.query import Filter
from winnow.core.export.curated_file import FOLDERS
from winnow.core.export.diff import diff
from winnow.core.export.exports import DatasetExports
from winnow.core.export.formats._media import safe_name
from winnow.core.export.job import export_job, start_export
from winnow.core.export.target import CONTENTS
from winnow.core.storage import job_files
from winnow.core.types import Progress
from winnow.core.workspace import Workspace

HOSTILE = "../<b>digit /x"


@pytest.fixture
def ws(tiny_ws: Path):
    with Workspace.open(tiny_ws, actor="ada") as opened:
        ids = opened.ids()
        for sample in ids[:6]:
            opened.decide(
                sample, "relabel", label="digit 1" if opened.labels()[opened.row(sample)] != "digit 1" else "digit 0"
            )
        opened.decide(ids[6], "relabel", label=HOSTILE)
        opened.decide(ids[7], "exclude")
        opened.decide(ids[8], "accept")
        yield opened


def expected(ws: Workspace, only: set[str] | None = None, images: bool = True) -> dict[str, str]:
    """Sample id → label of what an export must hold."""
    gone = set(ws.ids(Filter(state="exclude")))
    gone |= set(ws.ids()[-1:]) if images else set()  # the broken one is in no folder of images
    labels = dict(zip(ws.ids(), ws.labels(), strict=True))
    return {i: v for i, v in labels.items() if i not in gone and (only is None or i in only)}


def rows_of(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path.with_name(f"{path.name}.rows.parquet")).set_index("sample_id")


def check_rows(ws: Workspace, path: Path, images: bool = False) -> pd.DataFrame:
    table = rows_of(path)
    assert table["label"].to_dict() == expected(ws, images=images)
    return table


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_files_in_pandas(ws: Workspace, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    ws.exports.export(path)
    read = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".jsonl": lambda p: pd.read_json(p, lines=True)}[suffix]
    table = read(path)
    assert dict(zip(table["id"], table["label_final"], strict=True)) == expected(ws, images=False)


def test_image_folder_in_torchvision(ws: Workspace, tmp_path: Path) -> None:
    from torchvision.datasets import ImageFolder

    path = ws.exports.export(tmp_path / "folder", format="image_folder").path
    table = check_rows(ws, path, images=True)
    manifest = json.loads((tmp_path / "folder.manifest.json").read_text())
    names = {folder: name for name, folder in manifest["class_folders"].items()}
    seen = {}
    for split in ("train", "test"):
        data = ImageFolder(str(path / split), is_valid_file=lambda _: True)
        for file, label in data.samples:
            seen[Path(file).relative_to(path).as_posix()] = names[data.classes[label]]
            if not file.endswith(".img"):
                with contextlib.suppress(OSError):
                    assert data.loader(file).size == (32, 32)
    assert seen == dict(zip(table["file"], table["label"], strict=True))
    assert all(p.resolve().is_relative_to(path.resolve()) for p in path.rglob("*"))


def test_hugging_face_in_datasets(ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datasets import Image, load_dataset

    path = ws.exports.export(tmp_path / "hf", format="huggingface").path
    check_rows(ws, path)
    found = load_dataset(str(path), cache_dir=str(tmp_path / "cache"))
    assert set(found) == {"train", "test"}
    labels = {}
    for split in found.values():
        plain = split.cast_column("image", Image(decode=False))
        labels |= dict(zip(plain["sample_id"], split.features["label"].int2str(plain["label"]), strict=True))
    assert labels == expected(ws, images=False)
    assert found["train"][0]["image"].size == (32, 32)


def test_coco_in_pycocotools(ws: Workspace, tmp_path: Path) -> None:
    from pycocotools.coco import COCO

    path = ws.exports.export(tmp_path / "coco", format="coco").path
    check_rows(ws, path, images=True)
    labels = {}
    for split in ("train", "test"):
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(str(path / "annotations" / f"instances_{split}.json"))
        for number in coco.getImgIds():
            image = coco.loadImgs(number)[0]
            (mark,) = coco.loadAnns(coco.getAnnIds(number))
            labels[image["sample_id"]] = coco.loadCats(mark["category_id"])[0]["name"]
            assert (path / "images" / image["file_name"]).is_file()
            assert mark["bbox"] == [0, 0, image["width"], image["height"]]
    assert labels == expected(ws, images=True)


def test_yolo_in_torchvision(ws: Workspace, tmp_path: Path) -> None:
    """Ultralytics reads a classification folder with torchvision's ImageFolder, a split at a time."""
    from torchvision.datasets import ImageFolder

    only = ws.ids(Filter(splits=("train",)))
    path = ws.exports.export(tmp_path / "yolo", format="yolo", only=only).path
    whole = ws.exports.export(tmp_path / "whole", format="yolo").path
    assert {p.name for p in whole.iterdir()} == {"train", "test", CONTENTS}
    files = {p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()} - {CONTENTS}
    table = rows_of(path)
    assert set(table["file"]) == files
    assert table["label"].to_dict() == expected(ws, set(only), images=True)
    assert all(
        file.split("/")[1] == safe_name(label) for file, label in zip(table["file"], table["label"], strict=True)
    )
    folders = json.loads((tmp_path / "whole.manifest.json").read_text())["class_folders"]
    names = {folder: name for name, folder in folders.items()}
    seen = {}
    for split in ("train", "test"):
        data = ImageFolder(str(whole / split), is_valid_file=lambda _: True)
        seen |= {Path(f).relative_to(whole).as_posix(): names[data.classes[label]] for f, label in data.samples}
    table = rows_of(whole)
    assert seen == dict(zip(table["file"], table["label"], strict=True))
    assert table["label"].to_dict() == expected(ws, images=True)


def test_cleanlab_in_datalab(ws: Workspace, tmp_path: Path) -> None:
    from cleanlab.filter import find_label_issues

    path = ws.exports.export(tmp_path / "cl", format="cleanlab").path
    check_rows(ws, path)
    labels, probs = (np.load(path / f"{n}.npy", allow_pickle=False) for n in ("labels", "pred_probs"))
    classes = json.loads((path / "classes.json").read_text())
    issues = pd.read_csv(path / "label_issues.csv")
    assert dict(zip(issues["sample_id"], np.array(classes)[labels], strict=True)) == expected(ws, images=False)
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-5)
    assert find_label_issues(labels, probs).shape == labels.shape
    decided = set(ws.current())
    assert not issues[issues["sample_id"].isin(decided)]["is_label_issue"].any()


def test_label_studio_as_documented(ws: Workspace, tmp_path: Path) -> None:
    path = ws.exports.export(tmp_path / "ls", format="label_studio").path
    check_rows(ws, path, images=True)
    tasks = json.loads((path / "tasks.json").read_text())
    labels, by_people = {}, set()
    for task in tasks:
        kind = "annotations" if "annotations" in task else "predictions"
        (result,) = task[kind][0]["result"]
        labels[task["data"]["sample_id"]] = result["value"]["choices"][0]
        by_people |= {task["data"]["sample_id"]} if kind == "annotations" else set()
        assert (path / task["data"]["image"].split("?d=")[1]).is_file()
    assert labels == expected(ws, images=True)
    assert by_people == set(ws.ids(Filter(state="relabel"))) | set(ws.ids(Filter(state="accept")))
    config = ET.fromstring((path / "labeling_config.xml").read_text())
    assert sorted(c.get("value", "").split() for c in config.iter("Choice")) == sorted(c.split() for c in ws.classes())


def test_fiftyone_as_documented(ws: Workspace, tmp_path: Path) -> None:
    path = ws.exports.export(tmp_path / "fo", format="fiftyone").path
    table = check_rows(ws, path, images=True)
    whole = json.loads((path / "labels.json").read_text())
    files = {p.stem: p.relative_to(path).as_posix() for p in (path / "data").iterdir()}
    assert {files[stem]: whole["classes"][i] for stem, i in whole["labels"].items()} == dict(
        zip(table["file"], table["label"], strict=True)
    )


def test_split_files(ws: Workspace, tmp_path: Path) -> None:
    path = ws.exports.export(tmp_path / "ids", format="split_ids").path
    check_rows(ws, path)
    found = [line for p in path.glob("*.txt") for line in p.read_text().splitlines()]
    assert sorted(found) == sorted(expected(ws, images=False))
    assert {p.name for p in path.iterdir()} == {"train.txt", "test.txt", CONTENTS}


@pytest.mark.parametrize("name", sorted({*FOLDERS.names()} - {"annotations"}))
def test_a_cancelled_or_failed_export_leaves_the_old_one(ws: Workspace, tmp_path: Path, name: str) -> None:
    target = tmp_path / "out"
    ws.exports.export(target, format=name, only=ws.ids()[:3])
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}

    def stop(p: Progress) -> None:
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        ws.exports.export(target, format=name, progress=stop)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    ws.exports.export(target, format=name, only=ws.ids()[3:5])
    assert len(rows_of(target)) == 2
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_a_folder_of_somebody_else_is_not_touched(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(ExportError, match="no export of Winnow"):
        ws.exports.export(tmp_path / "mine", format="split_ids")
    assert (tmp_path / "mine" / "thesis.txt").exists()
    with pytest.raises(ExportError, match="nothing to link to"):
        ws.exports.export(tmp_path / "links", format="image_folder", links=True)
    with pytest.raises(ExportError, match="No format is called 'zip'"):
        ws.exports.export(tmp_path / "x", format="zip")
    with pytest.raises(ExportError, match="does not end in"):
        ws.exports.export(tmp_path / "x.json", format="csv")


def test_links_to_original_images(tmp_path: Path, tiny_data: Path) -> None:
    source = tmp_path / "pictures"
    table = pd.read_parquet(tiny_data / "samples.parquet").iloc[:40]
    for _, row in table.iterrows():
        (source / row["label"]).mkdir(parents=True, exist_ok=True)
        (source / row["label"] / f"{row['id']}.png").write_bytes(row["image"])
    with Workspace.scan(source, tmp_path / "ws", encoder="patches", projection=False) as ws:
        path = ws.exports.export(tmp_path / "out", format="image_folder", links=True).path
        files = [p for p in path.rglob("*") if p.is_symlink()]
        assert len(files) == len(ws.ids())
        assert all(os.path.realpath(p).startswith(str(source.resolve())) for p in files)


def test_what_an_export_needs(ws: Workspace, tmp_path: Path) -> None:
    results = {**ws._scan.results, "media": {"kind": "none", "root": ""}}
    scan = replace(ws._scan)
    scan.__dict__["results"] = results
    text = DatasetExports(scan, lambda: None, lambda: None)  # type: ignore[arg-type,return-value]
    fits = {f.name for f in text.formats() if not f.why_not}
    assert fits == {"csv", "parquet", "jsonl", "huggingface", "cleanlab", "label_studio", "split_ids"}
    with pytest.raises(ExportError, match="holds images, and this dataset has none"):
        text.export(tmp_path / "x", format="coco")


def test_partial_exports_and_their_difference(ws: Workspace, tmp_path: Path) -> None:
    whole = ws.exports.export(tmp_path / "a.csv").path
    ids = ws.ids()
    ws.decide(ids[20], "relabel", label="digit 0" if ws.labels()[20] != "digit 0" else "digit 1")
    part = ws.exports.export(tmp_path / "b", format="image_folder", only=ids[10:40], about={"selection": "mine"}).path
    found = diff(whole, part)
    assert found.removed == tuple(sorted(set(expected(ws, images=False)) - set(ids[10:40])))
    assert not found.added
    assert [r[0] for r in found.relabelled] == [ids[20]]
    assert found.settings["selection"] == (None, "mine")
    assert found.settings["file_format"] == ("csv", "image_folder")
    assert diff(whole, whole).same
    back = diff(part, whole)
    assert back.added == found.removed
    with pytest.raises(ExportError, match="is no export of Winnow's"):
        diff(tmp_path / "none.csv", whole)


def test_decisions_follow_a_sample_that_was_renamed(ws: Workspace, tmp_path: Path, tiny_data: Path) -> None:
    patch = ws.exports.export(tmp_path / "a.csv").patch_path
    table = pd.read_parquet(tiny_data / "samples.parquet")
    vectors = pd.read_parquet(tiny_data / "embeddings.parquet")
    there = set(ws.ids()[:90])
    table, vectors = (frame[frame["id"].isin(there)].copy() for frame in (table, vectors))
    for frame in (table, vectors):
        frame["id"] = "new-" + frame["id"]
    table.to_parquet(tmp_path / "new.parquet")
    vectors.to_parquet(tmp_path / "new_vectors.parquet")
    with Workspace.scan(
        tmp_path / "new.parquet", tmp_path / "new.winnow", embeddings=tmp_path / "new_vectors.parquet", projection=False
    ) as new:
        report = new.replay(patch)
        unique = {i for i in ws.current() if not report_skips(report, i)}
        assert report.applied == report.renamed == len(unique) > 0
        old = dict(zip(ws.ids(), ws.labels(), strict=True))
        now = dict(zip(new.ids(), new.labels(), strict=True))
        assert all(now[f"new-{i}"] == old[i] for i in unique)
        assert all("no such sample" in s.reason for s in report.skipped)


def report_skips(report: object, sample_id: str) -> bool:
    return sample_id in {s.sample_id for s in report.skipped}  # type: ignore[attr-defined]


def test_an_export_in_its_own_process(ws: Workspace, tmp_path: Path) -> None:
    assert export_job(ws.path, "ada").status()["state"] == "none"
    start_export(ws.path, "ada", tmp_path / "x.csv", only=ws.ids()[:7], about={"selection": "few"})
    end = time.monotonic() + 240
    while (status := export_job(ws.path, "ada").status())["state"] == "running" and time.monotonic() < end:
        time.sleep(0.1)
    assert status["state"] == "done", status
    assert (status["path"], status["rows"], status["excluded"]) == (str(tmp_path / "x.csv"), 7, 1)
    assert json.loads(Path(status["manifest_path"]).read_text())["selection"] == "few"
    assert export_job(ws.path, "bob").status()["state"] == "none"


def test_a_cancelled_and_a_failed_export_job_say_so(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_here(command: list[str], **_: object) -> object:
        if path.parent == tmp_path:
            export_job(ws.path, "ada").cancel()
        assert worker.main(command[3:]) != 0
        return type("P", (), {"pid": 1})()

    monkeypatch.setattr(job_files.subprocess, "Popen", run_here)
    for path, state, message in (
        (tmp_path / "x.csv", "cancelled", "Nothing was written"),
        (ws.path / "verdicts.parquet", "failed", "belongs to the workspace"),
    ):
        start_export(ws.path, "ada", path)
        status = export_job(ws.path, "ada").status()
        assert (status["state"], message in status["message"]) == (state, True), status
    assert not list(tmp_path.glob("x.csv*"))


def test_the_datasheet_shows_data_as_text(ws: Workspace, tmp_path: Path) -> None:
    ws.saved_selections.save("<script>alert(1)</script> | `x`", ws.ids()[:3], actor="a<b>")
    html, markdown = ws.exports.datasheet(tmp_path / "sheet.html", about={"selection": "<i>mine</i>"})
    page, text = html.read_text(), markdown.read_text()
    assert "<script" not in page.lower()
    assert "&lt;script&gt;alert(1)" in page
    assert "<i>mine</i>" not in page + text
    assert "<b>" not in text
    assert "&lt;b&gt;digit" in page
    for said in ("Datasheet:", "Libraries", "seed 0", "facility_location", "label_knn", "relabel"):
        assert said.replace("_", "\\_") in text or said in text, said
    assert "<svg" in page
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in lines)


def test_a_subset_is_kept_found_and_exported(ws: Workspace, tmp_path: Path) -> None:
    from winnow.core.subsets.selector import CurriculumConfig, SubsetRequest

    selector = ws.subsets
    choice = selector.choose(SubsetRequest("facility_location", "25%", per_class=2))
    report = selector.report(choice)
    assert report.subset.size == len(choice.ids) == round(0.25 * choice.pool)
    assert report.subset.coverage.radius >= report.pool.coverage.radius == 0
    assert not set(choice.ids) & set(ws.ids(Filter(splits=("test",)))), "held-out samples are not chosen"
    assert not set(choice.ids) & set(ws.ids(Filter(state="exclude")))
    kept = selector.save(choice, "a quarter", "ada")
    assert (kept.method, kept.params["budget"], kept.fingerprint) == ("facility_location", "25%", choice.fingerprint)
    again = selector.restore(selector.find("A QUARTER"))
    assert (again.ids, again.request) == (choice.ids, choice.request)
    assert selector.choose(again.request).fingerprint == choice.fingerprint
    out = ws.exports.export(tmp_path / "q.parquet", only=selector.members("a quarter"))
    assert set(pd.read_parquet(out.path)["id"]) == set(choice.ids)
    with pytest.raises(QueryError, match="There are: 'a quarter'"):
        selector.find("half")
    settings = selector.write_curriculum(
        tmp_path / "w.parquet", CurriculumConfig(((0, 1), (1, 0)), True, 0.5, 5, 0.4), choice.rows
    )
    table = pd.read_parquet(tmp_path / "w.parquet")
    assert settings["rows"] == len(table)
    by_class = table.groupby("label")[["sample_weight", "sample_weight_shuffled"]].sum()
    np.testing.assert_allclose(by_class["sample_weight"], by_class["sample_weight_shuffled"], rtol=1e-5)


def test_a_decision_changes_the_fingerprint_and_the_trust(ws: Workspace) -> None:
    from winnow.core.subsets.selector import SubsetRequest

    before = ws.subsets.choose(SubsetRequest("random", "50%"))
    suspect = next(i for i in ws.ids(Filter(verdicts=("noisy_label",))) if i not in ws.current())
    ws.decide(suspect, "accept")
    context = ws.subsets.context()
    assert context.inputs.quality[ws.row(suspect)] == 1
    assert not context.inputs.flagged[ws.row(suspect)]
    ws.decide(suspect, "relabel", label="digit 3" if ws.labels()[ws.row(suspect)] != "digit 3" else "digit 2")
    assert ws.subsets.choose(SubsetRequest("random", "50%")).fingerprint != before.fingerprint


def test_a_payoff_in_its_own_process(tiny_ws: Path) -> None:
    from winnow.core.subsets.evaluation import HoldoutGuard, Payoffs
    from winnow.core.subsets.job import payoff_status, start_payoff
    from winnow.core.subsets.selector import SubsetRequest

    with Workspace.open(tiny_ws, actor="ada") as ws:
        choice = ws.subsets.choose(SubsetRequest("random", "50%"))
        assert payoff_status(tiny_ws, choice.fingerprint)["state"] == "none"
        start_payoff(tiny_ws, choice, "ada", seeds=1)
        end = time.monotonic() + 120
        while (now := payoff_status(tiny_ws, choice.fingerprint))["state"] == "running" and time.monotonic() < end:
            time.sleep(0.1)
        assert now["state"] == "done", now
        found = Payoffs(tiny_ws / "selections").get(choice.fingerprint)
        assert found is not None
        assert {a["name"] for a in found["arms"]} >= {"raw", "curated", "subset", "random"}
        assert found["looks"] == len(HoldoutGuard(tiny_ws / "selections").looks()) == 1
        assert Payoffs(tiny_ws / "selections").all() == [found]


def test_a_comparison_and_a_cancelled_payoff_as_jobs(tiny_ws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from winnow.core.subsets import job as payoff_job
    from winnow.core.subsets.comparison import Comparisons
    from winnow.core.subsets.evaluation import Payoffs
    from winnow.core.subsets.selector import SubsetRequest

    begun: list[list[str]] = []

    def run_here(command: list[str], **_: object) -> object:
        begun.append(command)
        if len(begun) == 2:
            payoff_job.cancel_payoff(tiny_ws, other.fingerprint, "ada")
        codes.append(worker.main(command[3:]))
        return type("P", (), {"pid": 1})()

    codes: list[int] = []
    monkeypatch.setattr(job_files.subprocess, "Popen", run_here)
    monkeypatch.setattr(os, "nice", lambda _: 0)
    with Workspace.open(tiny_ws, actor="ada") as ws:
        payoff_job.start_comparison(tiny_ws, "mark", SubsetRequest(budget="10%"), "ada", among=ws.ids()[:80], seeds=1)
        assert payoff_job.payoff_status(tiny_ws, "mark")["state"] == "done"
        found = Comparisons(tiny_ws / "selections").get("mark")
        assert found is not None
        assert payoff_job.payoff_status(tiny_ws, "mark")["message"] == found["verdict"]
        assert all(r["chosen"] <= 8 for r in found["rows"])
        other = ws.subsets.choose(SubsetRequest("random", "40%"))
        payoff_job.start_payoff(tiny_ws, other, "ada", seeds=50)
        assert payoff_job.payoff_status(tiny_ws, other.fingerprint)["state"] == "cancelled"
        assert Payoffs(tiny_ws / "selections").get(other.fingerprint) is None
    assert codes[0] == 0
    assert codes[1] != 0
