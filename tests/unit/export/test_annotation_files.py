"""A scan of boxes gives its annotation file back: byte for byte, but for what was decided."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from winnow.core import Workspace
from winnow.core.data.annotations import read_annotations
from winnow.core.errors import ExportError

N = 60


def _pictures(folder: Path) -> list[tuple[int, int, tuple[int, int, int, int]]]:
    """20 pictures with three squares each, red or green; (picture, class, place)."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    boxes = []
    for picture in range(N // 3):
        pixels = rng.integers(0, 40, (60, 90, 3), np.uint8)
        for i in range(3):
            label, size = int(rng.integers(2)), int(rng.integers(14, 24))
            x, y = 30 * i + 2, int(rng.integers(0, 60 - size))
            pixels[y : y + size, x : x + size, label] += 180
            boxes.append((picture, label, (x, y, size, size)))
        Image.fromarray(pixels).save(folder / f"{picture}.png")
    return boxes


def _coco(root: Path) -> Path:
    boxes = _pictures(root / "images")
    content = {
        "info": {"x": [1.50, None]},
        "images": [{"id": i, "file_name": f"{i}.png", "height": 60, "width": 90} for i in range(N // 3)],
        "annotations": [
            {"area": 1e2, "bbox": place, "category_id": 7 + label, "id": i, "image_id": picture, "note": {"é": i}}
            for i, (picture, label, place) in enumerate(boxes)
        ],
        "categories": [{"id": 7, "name": "red"}, {"id": 8, "name": "green"}],
    }
    (root / "boxes.json").write_text(json.dumps(content, indent=1))
    return root / "boxes.json"


def _yolo(root: Path) -> Path:
    boxes = _pictures(root / "images/train")
    (root / "labels/train").mkdir(parents=True)
    (root / "data.yaml").write_text("names: [red, green]\n")
    for picture, label, (x, y, w, h) in boxes:
        with (root / f"labels/train/{picture}.txt").open("a") as file:
            file.write(f"{label} {(x + w / 2) / 90:.6f} {(y + h / 2) / 60:.6f} {w / 90:.6f} {h / 60:.6f}\n")
    return root


def _voc(root: Path) -> Path:
    boxes = _pictures(root / "JPEGImages")
    (root / "Annotations").mkdir()
    for picture in range(N // 3):
        objects = "".join(
            f"  <object>\n    <name>{('red', 'green')[label]}</name>\n    <bndbox><xmin>{x}</xmin><ymin>{y}</ymin>"
            f"<xmax>{x + w}</xmax><ymax>{y + h}</ymax></bndbox>\n  </object>\n"
            for p, label, (x, y, w, h) in boxes
            if p == picture
        )
        (root / f"Annotations/{picture}.xml").write_text(
            f"<annotation>\n  <filename>{picture}.png</filename>\n{objects}</annotation>\n"
        )
    return root


@pytest.fixture(params=[_coco, _yolo, _voc], ids=["coco", "yolo", "voc"], scope="module")
def scanned(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Workspace]]:
    root = tmp_path_factory.mktemp("boxes")
    make: Callable[[Path], Path] = request.param
    source = make(root / "data")
    with Workspace.scan(source, root / "ws", encoder="patches", projection=False, network=False, actor="ada") as ws:
        yield source, ws


def _exported(ws: Workspace, folder: Path) -> dict[str, bytes]:
    ws.exports.export(folder, format="annotations")
    ours = ("winnow-export.json", "winnow-export.patch.jsonl")
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file() and p.name not in ours}
    return {name: file.read_bytes() for name, file in files.items()}


def _given(source: Path) -> dict[str, bytes]:
    if source.is_file():
        return {source.name: source.read_bytes()}
    root = source / "Annotations" if (source / "Annotations").is_dir() else source
    files = [p for p in root.rglob("*") if p.suffix in (".txt", ".xml", ".yaml")]
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in files}


def test_only_what_was_decided_differs(scanned: tuple[Path, Workspace], tmp_path: Path) -> None:
    source, ws = scanned
    before = _given(source)
    assert _exported(ws, tmp_path / "untouched") == before
    ids = ws.ids()
    assert len(ids) == N
    relabelled, removed = ids[4], ids[30]
    boxes = {box.id: box for box in read_annotations(source).boxes}
    label = "green" if boxes[relabelled].label == "red" else "red"
    ws.decide(relabelled, "relabel", label=label)
    ws.decide(removed, "exclude")
    after = _exported(ws, tmp_path / "decided")
    changed = [name for name in before if after[name] != before[name]]
    assert len(changed) == len({boxes[i].picture for i in (relabelled, removed)} if len(before) > 1 else [source])
    where = tmp_path / "decided" / source.name if source.is_file() else tmp_path / "decided"
    kept = [box for box in boxes.values() if box.id != removed]
    expected = [(b.picture, label if b.id == relabelled else b.label, b.corners) for b in kept]
    if (source / "images").is_dir():  # YOLO: the sizes of the pictures are theirs
        shutil.copytree(source / "images", where / "images")
    assert [(b.picture, b.label, b.corners) for b in read_annotations(where).boxes] == expected
    ws.undo()
    ws.undo()
    assert _exported(ws, tmp_path / "undone") == before


def test_files_that_are_gone_are_said(scanned: tuple[Path, Workspace], tmp_path: Path) -> None:
    source, ws = scanned
    away = source.with_name("away")
    source.rename(away)
    try:
        with pytest.raises(ExportError, match="not there any more"):
            ws.exports.export(tmp_path / "out", format="annotations")
    finally:
        away.rename(source)
