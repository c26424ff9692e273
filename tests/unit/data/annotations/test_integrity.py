"""Every kind of fault of an annotation file is found, and none in a good one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from winnow.core.cli import app
from winnow.core.data.annotations import check_annotations, read_annotations
from winnow.core.data.annotations.integrity import KINDS

Content = dict[str, Any]


def _good() -> Content:
    return {
        "images": [{"id": i, "file_name": f"{i}.png", "width": 64, "height": 48} for i in (1, 2)],
        "annotations": [
            {"id": i, "image_id": 1 + i % 2, "category_id": 1, "bbox": [3 * i, 4, 10, 12], "area": 120, "iscrowd": 0}
            for i in range(1, 9)
        ],
        "categories": [{"id": 1, "name": "cat"}],
    }


def _write(folder: Path, content: Content) -> Path:
    (folder / "images").mkdir(exist_ok=True)
    for i in (1, 2):
        Image.new("RGB", (64, 48)).save(folder / f"images/{i}.png")
    (folder / "a.json").write_text(json.dumps(content))
    return folder / "a.json"


def _set(**values: Any) -> Callable[[Content], None]:
    return lambda content: content["annotations"][0].update(values)


FAULTS: list[tuple[str, str, Callable[[Content], None]]] = [
    ("unreadable", "no box of four numbers", _set(bbox=["x", 1, 2, 3])),
    ("unreadable", "it is no object", lambda c: c["annotations"].append(7)),
    ("size", "0 × 5", _set(bbox=[1, 1, 0, 5])),
    ("size", "-3 × 5", _set(bbox=[9, 1, -3, 5])),
    ("outside", "reaches 0.001 pixels out of 2.png", _set(bbox=[54.001, 4, 10, 12])),
    ("outside", "reaches 2 pixels", _set(bbox=[-2, 4, 10, 12])),
    ("repeated", "same place as 1", lambda c: c["annotations"].append({**c["annotations"][0], "id": 99})),
    ("class", "class that the file does not list", _set(category_id=5)),
    ("picture", "'77'", _set(image_id=77)),
    ("id", "2 annotations", lambda c: c["annotations"].append({**c["annotations"][4], "id": 1, "bbox": [1, 30, 9, 9]})),
    ("file", "not in images", lambda c: c["images"].append({"id": 3, "file_name": "3.png"})),
    ("file", "does not lie in the folder", lambda c: c["images"].append({"id": 3, "file_name": "../a.json"})),
    ("unused", "not named", lambda c: c["images"].pop()),
    ("stated", "64 × 48 pixels, not 640 × 480", lambda c: c["images"][0].update(width=640, height=480)),
    ("polygon", "5 pixels out of its box", _set(segmentation=[[3, 4, 18, 4, 10, 16]])),
    ("area", "an area of 900", _set(area=900)),
    ("crowd", "crowd with polygons", _set(iscrowd=1, segmentation=[[3, 4, 13, 4, 10, 16]])),
]


def test_a_good_file_has_no_faults(tmp_path: Path) -> None:
    assert check_annotations(read_annotations(_write(tmp_path, _good()))) == []


@pytest.mark.parametrize(("kind", "words", "change"), FAULTS, ids=[f"{k}-{w[:12]}" for k, w, _ in FAULTS])
def test_each_fault_is_named(tmp_path: Path, kind: str, words: str, change: Callable[[Content], None]) -> None:
    content = _good()
    change(content)
    faults = check_annotations(read_annotations(_write(tmp_path, content)))
    assert any(f.kind == kind and words in f.what for f in faults), faults


def test_every_kind_has_a_case() -> None:
    assert {kind for kind, _, _ in FAULTS} | {"corners"} == set(KINDS)


def test_corners_in_place_of_sizes_are_said_once_and_not_guessed(tmp_path: Path) -> None:
    content = _good()
    for annotation in content["annotations"]:
        x, y, w, h = annotation["bbox"]
        annotation["bbox"] = [x + 25, y + 20, x + 25 + w, y + 20 + h]
        del annotation["area"]
    annotations = read_annotations(_write(tmp_path, content))
    faults = check_annotations(annotations)
    assert [f.kind for f in faults if f.kind != "repeated"] == ["corners"]
    assert annotations.boxes[0].corners == tuple(content["annotations"][0]["bbox"])


def test_a_turned_picture_is_not_of_another_size(tmp_path: Path) -> None:
    path = _write(tmp_path, _good())
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (48, 64)).save(tmp_path / "images/1.png", exif=exif)
    assert check_annotations(read_annotations(path)) == []


def test_the_command_counts_lists_and_exits_with_one(tmp_path: Path) -> None:
    content = _good()
    good = CliRunner().invoke(app, ["check", str(_write(tmp_path, content))])
    assert good.exit_code == 0
    assert "8 boxes in 2 pictures (0 without a box), 1 class: nothing is wrong." in good.output
    content["annotations"][0]["bbox"] = [1, 1, 0, 5]
    bad = CliRunner().invoke(app, ["check", str(_write(tmp_path, content))])
    assert bad.exit_code == 1
    assert "Zero or negative size: 1" in bad.output
    assert "is 0 × 5 pixels" in bad.output
    listed = CliRunner().invoke(app, ["check", str(tmp_path / "a.json"), "--json"])
    assert json.loads(listed.output) == [{"kind": "size", "where": "1", "what": "is 0 × 5 pixels"}]
