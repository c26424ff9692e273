"""Samples that cannot be exported: left out and named, never the end of an export, never a file that is no picture."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from winnow.core.cli import app
from winnow.core.errors import ExportError
from winnow.core.export.formats._media import safe_name
from winnow.core.export.target import CONTENTS
from winnow.core.storage.atomic import checksum_of
from winnow.core.workspace import Workspace

WITH_IMAGES = ("image_folder", "yolo", "coco", "fiftyone", "label_studio", "huggingface")
NAMES = {"digit 0": "traffic light", "digit 1": "a/b: 100%", "digit 2": "🦌 émoji", "digit 3": "a%2Fb"}


@pytest.fixture(scope="module")
def made(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Picture files with classes of difficult names: one is gone, one is cut, one is no picture, some lie outside."""
    home = tmp_path_factory.mktemp("files")
    (home / "data" / "p").mkdir(parents=True)
    rows = []
    for _, row in pd.read_parquet(tiny_data / "samples.parquet").iloc[:60].iterrows():
        (home / "data" / "p" / f"{row['id']}.png").write_bytes(row["image"])
        rows.append({"id": row["id"], "image": f"p/{row['id']}.png", "label": NAMES[row["label"]]})
    (home / "outside.png").write_bytes((home / "data" / "p" / "s005.png").read_bytes())
    rows.append({"id": "outside", "image": "../outside.png", "label": "traffic light"})
    rows.append({"id": "passwd", "image": "/etc/passwd", "label": "traffic light"})
    (home / "data" / "fake.jpg").write_bytes(b"root:x:0:0\n")
    rows.append({"id": "fake", "image": "fake.jpg", "label": "traffic light"})
    pd.DataFrame(rows).to_csv(home / "data" / "table.csv", index=False)
    Workspace.scan(home / "data" / "table.csv", home / "ws", encoder="patches", projection=False).close()
    (home / "data" / "p" / "s001.png").unlink()
    whole = (home / "data" / "p" / "s002.png").read_bytes()
    (home / "data" / "p" / "s002.png").write_bytes(whole[: len(whole) // 2])
    return home


@pytest.fixture
def ws(made: Path, tmp_path: Path):
    with Workspace.open(shutil.copytree(made / "ws", tmp_path / "ws"), actor="ada") as opened:
        yield opened


@pytest.mark.parametrize("format", WITH_IMAGES)
def test_one_bad_image_does_not_end_an_export(ws: Workspace, made: Path, tmp_path: Path, format: str) -> None:
    result = ws.exports.export(tmp_path / "out", format=format)
    named = json.loads(result.manifest_path.read_text())["left_out_samples"]
    assert set(named) == {"s001", "s002", "outside", "passwd", "fake"}
    assert named["s001"] == "the file is not there"
    assert "outside" in named["outside"]
    assert "outside" in named["passwd"]
    if format != "huggingface":  # there a sample stays, without an image
        assert result.rows == len(ws.ids()) - 5
    copied = {checksum_of(p) for p in result.path.rglob("*") if p.is_file()}
    assert not copied & {checksum_of(made / "data" / "fake.jpg"), checksum_of("/etc/passwd")}
    assert not copied & {checksum_of(made / "data" / "p" / "s002.png")}


def test_what_lies_outside_and_what_is_broken_come_along_when_asked(ws: Workspace, tmp_path: Path) -> None:
    result = ws.exports.export(tmp_path / "out", format="image_folder", allow_outside=True, keep_broken=True)
    assert set(result.manifest["left_out_samples"]) == {"s001", "passwd", "fake"}
    for sample in ("outside", "s002"):
        assert list(result.path.rglob(f"{sample}.png"))


def test_links_lead_only_to_pictures_of_the_source(ws: Workspace, made: Path, tmp_path: Path) -> None:
    path = ws.exports.export(tmp_path / "out", format="image_folder", links=True).path
    assert all(p.resolve().is_relative_to((made / "data").resolve()) for p in path.rglob("*") if p.is_symlink())
    assert not list(path.rglob("passwd*"))
    assert not list(path.rglob("fake*"))


def test_the_command_line_names_what_was_left_out(ws: Workspace, tmp_path: Path) -> None:
    run = CliRunner()
    result = run.invoke(app, ["export", str(ws.path), str(tmp_path / "out"), "--format", "yolo"])
    assert result.exit_code == 4
    for text in ("5 samples without", "s001", "the file is not there", "passwd"):
        assert text in result.output, result.output
    ids = tmp_path / "ids.txt"
    ids.write_text("s010\ns011\n")
    rest = ["--format", "yolo", "--ids", str(ids)]
    assert run.invoke(app, ["export", str(ws.path), str(tmp_path / "two"), *rest]).exit_code == 0


def test_no_message_speaks_of_success(ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("the cable was pulled")

    monkeypatch.setattr("winnow.core.export.folders.replace_folder", refuse)
    with pytest.raises(ExportError, match="the cable was pulled"):
        ws.exports.export(tmp_path / "out", format="split_ids")


def test_a_class_comes_back_under_its_own_name(ws: Workspace, tmp_path: Path) -> None:
    path = ws.exports.export(tmp_path / "out", format="image_folder").path
    assert {p.name for p in path.iterdir()} == {CONTENTS, "traffic light", "a%2Fb%3A 100%", "🦌 émoji", "a%252Fb"}
    manifest = json.loads((path / CONTENTS).read_text())
    assert manifest["renamed_folders"] == {"a%252Fb": "a%2Fb", "a%2Fb%3A 100%": "a/b: 100%"}
    with Workspace.scan(path, tmp_path / "again", encoder="patches", projection=False) as again:
        assert set(again.classes()) == set(NAMES.values())


@pytest.mark.parametrize(
    "name", ["..", ".", "", ".x", "x.", "x ", "CON", "nul.txt", "a\x00b", "a\\b", "\ud800", "é" * 90]
)
def test_names_fit_every_file_system(name: str) -> None:
    made = safe_name(name)
    assert made
    assert len(made.encode()) <= 200
    assert not set(made) & set('/\\:*?"<>|\0')
    assert made.strip(". ") == made
    assert made.casefold() not in ("con", "nul.txt")
    assert safe_name("🦌" * 90) != safe_name("🦌" * 91)


def test_parquet_keeps_the_bytes_of_images_unless_asked(tiny_ws: Path, tiny_data: Path, tmp_path: Path) -> None:
    given = pd.read_parquet(tiny_data / "samples.parquet").set_index("id")
    with Workspace.open(tiny_ws, actor="ada") as ws:
        ws.decide("s003", "exclude")
        whole = ws.export(tmp_path / "whole.parquet")
        lean = ws.exports.export(tmp_path / "lean.parquet", images=False)
        table = ws.export(tmp_path / "table.csv")
    back = pd.read_parquet(whole.path)
    assert back.columns.tolist()[:5] == ["id", "image", "label", "split", "note"]
    assert back.set_index("id")["image"].to_dict() == given.drop("s003")["image"].to_dict()
    assert whole.manifest["original_columns"] == ["id", "image", "label", "split", "note"]
    assert "left_out_columns" not in whole.manifest
    for made in (lean, table):
        assert "image" in made.manifest["left_out_columns"]
    assert "image" not in pd.read_parquet(lean.path)
    assert "image" not in pd.read_csv(table.path)
    shown = CliRunner().invoke(app, ["export", str(tiny_ws), str(tmp_path / "shown.csv")])
    assert shown.exit_code == 0
    assert "'image' is not in it" in shown.output
