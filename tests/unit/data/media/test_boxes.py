"""Objects as samples: the part of a picture inside a box, and why there is none."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from winnow.core.data.media import boxes
from winnow.core.data.media.boxes import box_features, box_uri, picture_numbers
from winnow.core.data.sources import MediaReader, open_source
from winnow.core.errors import SourceError
from winnow.core.types import Dataset, MediaRef

PLACES = [(10, 20, 30, 40), (0, 0, 64, 48), (50, 40, 14.5, 8), (5, 5, 0, 9), (60, 40, 10, 10), (1, 1, 7, 30)]


@pytest.fixture
def reader(tmp_path: Path) -> MediaReader:
    pixels = np.random.default_rng(0).integers(0, 255, (60, 70, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    uris = [box_uri("a.png", p) for p in PLACES] + [
        "a.png",
        box_uri("../b.png", PLACES[0]),
        box_uri("c.png", PLACES[0]),
    ]
    return MediaReader.of(MediaRef(boxes.BOXES, str(tmp_path)), np.array(uris, object))


def test_the_image_of_an_object_is_its_box_with_a_margin(reader: MediaReader, tmp_path: Path) -> None:
    whole = np.asarray(Image.open(tmp_path / "a.png"))
    got = np.asarray(Image.open(io.BytesIO(reader.read(0))))
    assert np.array_equal(got, whole[16:60, 6:44])  # a tenth of 40 around (10, 20, 30, 40), as far as the picture goes
    assert np.asarray(Image.open(io.BytesIO(reader.read(2)))).shape[:2] == (12, 18)
    assert reader.path(0) is None


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (3, "the box has no area (0 × 9 pixels)"),
        (5, "the box has 7 × 30 pixels; under 8"),
        (6, "no box of four numbers"),
        (7, "does not lie in the folder of the pictures"),
        (8, "the file is not there"),
    ],
)
def test_a_box_that_cannot_be_used_says_why(reader: MediaReader, row: int, why: str) -> None:
    with pytest.raises(OSError, match=why.replace("(", r"\(").replace(")", r"\)")):
        reader.read(row)


def test_a_box_outside_its_picture_says_by_how_much(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    uris = np.array([box_uri("a.png", (60, 40, 10, 10)), box_uri("a.png", (50, 30, 14.9, 18.9))], object)
    own = MediaReader.of(MediaRef(boxes.BOXES, str(tmp_path)), uris)
    with pytest.raises(OSError, match="reaches 6 pixels out of its picture, which has 64 × 48"):
        own.read(0)
    assert own.read(1), "less than a pixel is rounding"


def test_a_picture_is_decoded_once_for_its_boxes(reader: MediaReader, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    plain = boxes.decode
    monkeypatch.setattr(boxes, "decode", lambda data: calls.append(1) or plain(data))
    cells = [cell for _, cell in reader.iter(range(6))]
    assert sum(isinstance(cell, bytes) for cell in cells) == 4
    assert len(calls) == 1


def _coco(folder: Path) -> Path:
    (folder / "images").mkdir()
    for name in ("a", "b"):
        Image.fromarray(np.full((48, 64, 3), ord(name), np.uint8)).save(folder / f"images/{name}.png")
    (folder / "x.json").write_text(
        '{"images": [{"id": 1, "file_name": "b.png"}, {"id": 2, "file_name": "a.png"},'
        '{"id": 3, "file_name": "c.png"}],'
        '"categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}], "annotations": ['
        '{"id": 5, "image_id": 1, "category_id": 2, "bbox": [1, 2, 20, 10], "iscrowd": 1},'
        '{"id": 6, "image_id": 2, "category_id": 1, "bbox": [1, 2, 20, 10]},'
        '{"id": "x", "image_id": 1, "category_id": 7, "bbox": [30, 2, 10, 20]}]}'
    )
    return folder / "x.json"


def _read(path: Path) -> Dataset:
    return open_source(path)


def test_every_annotation_is_a_sample(tmp_path: Path) -> None:
    data = _read(_coco(tmp_path))
    assert data.sample_ids.tolist() == ["6", "5", "x"], "objects of one picture follow each other"
    assert [data.class_names[c] if c >= 0 else None for c in data.labels] == ["cat", "dog", None]
    assert data.metadata.column("picture").to_pylist() == ["a.png", "b.png", "b.png"]
    assert data.metadata.column("box_width").to_pylist() == [20, 20, 10]
    numbers = picture_numbers(data)
    assert numbers is not None
    assert numbers.tolist() == [0, 1, 1]
    assert any("3 boxes in 2 pictures" in notice for notice in data.notices)
    assert any("Pictures without a box: 1" in notice for notice in data.notices)
    assert Image.open(io.BytesIO(MediaReader(data).read(1))).size == (23, 14)


def test_size_and_place_tell_boxes_apart(tmp_path: Path) -> None:
    features = box_features(_read(_coco(tmp_path)))
    assert features is not None
    assert np.allclose(np.linalg.norm(features, axis=1), 1)
    assert features[0] @ features[1] > 0.999 > features[0] @ features[2]


def test_an_id_used_twice_is_refused_in_words(tmp_path: Path) -> None:
    path = _coco(tmp_path)
    path.write_text(path.read_text().replace('"id": 6', '"id": 5'))
    with pytest.raises(SourceError, match="occur more than once: '5'"):
        _read(path)
