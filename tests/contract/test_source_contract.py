"""One battery over every registered source: the same four samples in each format must become the same dataset."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from winnow.core.data.media.reader import MediaReader
from winnow.core.data.sources import SOURCES, find_source, open_source, preview
from winnow.core.errors import ColumnError, SourceError
from winnow.core.types import NO_LABEL, ColumnMap, Dataset, Modality

LABELS = ["cat", "dog", "cat", None]


def png(shade: int, side: int = 12) -> bytes:
    rng = np.random.default_rng(shade)
    out = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (side, side, 3)).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


IMAGES = [png(i) for i in range(4)]


def folder(root: Path) -> Path:
    for i, (data, label) in enumerate(zip(IMAGES, LABELS, strict=True)):
        path = root / "images" / (label or "") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root / "images"


def paths_csv(root: Path) -> Path:
    folder(root)
    names = [f"images/{label}/{i}.png" if label else f"images/{i}.png" for i, label in enumerate(LABELS)]
    frame = pd.DataFrame(
        {"id": range(4), "image_path": names, "label": [v or "" for v in LABELS], "note": list("wxyz")}
    )
    frame.to_csv(root / "table.csv", index=False)
    return root / "table.csv"


def bytes_parquet(root: Path) -> Path:
    columns = {
        "id": ["a", "b", "c", "d"],
        "image": pa.array(IMAGES, pa.binary()),
        "label": LABELS,
        "note": list("wxyz"),
    }
    pq.write_table(pa.table(columns), root / "table.parquet", row_group_size=2)
    return root / "table.parquet"


def text_jsonl(root: Path) -> Path:
    frame = pd.DataFrame({"id": list("abcd"), "text": ["one day", "two days", "three", "four"], "label": LABELS})
    frame.to_json(root / "table.jsonl", orient="records", lines=True)
    return root / "table.jsonl"


def saved_dataset(root: Path) -> Path:
    import datasets

    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=["cat", "dog", "emu"]),
            "note": datasets.Value("string"),
        }
    )
    rows = {
        "image": [{"bytes": b, "path": None} for b in IMAGES],
        "label": [0, 1, 0, -1],
        "note": list("wxyz"),
    }
    whole = datasets.Dataset.from_dict(rows, features=features)
    parts = datasets.DatasetDict({"train": whole.select(range(3)), "test": whole.select(range(3, 4))})
    parts.save_to_disk(str(root / "saved"))
    return root / "saved"


def vectors_npy(root: Path) -> Path:
    np.save(root / "vectors.npy", np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32))
    return root / "vectors.npy"


def fiftyone_export(root: Path) -> Path:
    (root / "export" / "data").mkdir(parents=True)
    for i, data in enumerate(IMAGES):
        (root / "export" / "data" / f"{i}.png").write_bytes(data)
    codes = {str(i): None if label is None else ["cat", "dog"].index(label) for i, label in enumerate(LABELS)}
    manifest = {"file_format": "fiftyone", "samples": {f"data/{i}.png": f"s{i}" for i in range(4)}}
    (root / "export" / "labels.json").write_text(json.dumps({"classes": ["cat", "dog"], "labels": codes}))
    (root / "export" / "winnow-export.json").write_text(json.dumps(manifest))
    return root / "export"


def coco_boxes(root: Path) -> Path:
    (root / "images").mkdir()
    for i, data in enumerate(IMAGES):
        (root / "images" / f"{i}.png").write_bytes(data)
    content = {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in range(4)],
        "categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}],
        "annotations": [
            {"id": i, "image_id": i, "category_id": None if label is None else ["cat", "dog"].index(label)}
            | {"bbox": [0, 0, *Image.open(io.BytesIO(IMAGES[i])).size]}
            for i, label in enumerate(LABELS)
        ],
    }
    (root / "boxes.json").write_text(json.dumps(content))
    return root / "boxes.json"


MAKERS: dict[str, Callable[[Path], Path]] = {
    "folder": folder,
    "csv": paths_csv,
    "parquet": bytes_parquet,
    "jsonl": text_jsonl,
    "huggingface": saved_dataset,
    "embeddings": vectors_npy,
    "export": fiftyone_export,
    "boxes": coco_boxes,
}


def test_every_source_is_in_the_battery() -> None:
    assert set(SOURCES.names()) == set(MAKERS)


@pytest.fixture(params=list(MAKERS))
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    return request.param, MAKERS[request.param](tmp_path)


def given(dataset: Dataset) -> list[str | None]:
    names = [*dataset.class_names, None]
    return [names[c] for c in dataset.labels]


def test_is_found_by_its_own_source(made: tuple[str, Path]) -> None:
    assert find_source(made[1]).name == made[0]


def test_gives_every_row_in_one_order(made: tuple[str, Path]) -> None:
    dataset = open_source(made[1])
    assert dataset.n == 4
    assert len(set(dataset.sample_ids)) == 4
    assert all(isinstance(v, str) and v for v in dataset.sample_ids)
    assert dataset.metadata.num_rows == 4
    for array in (dataset.content_hash, dataset.labels, dataset.uris, dataset.texts, dataset.split):
        assert array is None or len(array) == 4


def test_labels_are_codes_of_class_names(made: tuple[str, Path]) -> None:
    dataset = open_source(made[1])
    assert dataset.labels.dtype == np.int32
    assert dataset.labels.min() >= NO_LABEL
    assert dataset.labels.max() < max(1, dataset.n_classes)
    if made[0] == "embeddings":
        assert dataset.class_names == ()
        assert any("no labels" in s for s in dataset.notices)
    else:
        assert sorted(map(str, given(dataset))) == ["None", "cat", "cat", "dog"]
        assert any("Without a label: 1 of 4 samples" in s for s in dataset.notices)


def test_opening_twice_gives_the_same_fingerprint(made: tuple[str, Path]) -> None:
    first, second = open_source(made[1]), open_source(made[1])
    assert first.fingerprint == second.fingerprint
    assert first.dataset_id == second.dataset_id
    assert list(first.sample_ids) == list(second.sample_ids)


def test_images_come_back_byte_for_byte_in_any_order(made: tuple[str, Path]) -> None:
    dataset = open_source(made[1])
    reader = copy.deepcopy(MediaReader(dataset))  # copied by the same protocol that sends it to a worker
    if dataset.modality is not Modality.IMAGE:
        with pytest.raises(SourceError, match="no images"):
            reader.read(0)
        return
    found = dict(reader.iter([3, 0, 1]))
    assert found == {row: reader.read(row) for row in (0, 1, 3)}
    if made[0] == "boxes":  # cut out of their pictures: the same pixels
        cut = sorted(Image.open(io.BytesIO(reader.read(i))).tobytes() for i in range(4))
        assert cut == sorted(Image.open(io.BytesIO(data)).tobytes() for data in IMAGES)
        return
    assert sorted(reader.read(i) for i in range(4)) == sorted(IMAGES)


def test_original_columns_are_kept_but_image_bytes(made: tuple[str, Path]) -> None:
    names = open_source(made[1]).metadata.column_names
    expected = {
        "folder": ["path", "label"],
        "csv": ["id", "image_path", "label", "note"],
        "parquet": ["id", "label", "note"],
        "jsonl": ["id", "text", "label"],
        "huggingface": ["label", "note", "split"],
        "embeddings": ["vector_hash"],
        "export": ["sample_id", "path", "label"],
        "boxes": ["id", "label", "picture", "box_x", "box_y", "box_width", "box_height", "image"],
    }
    assert names == expected[made[0]]


def test_preview_says_what_opening_does(made: tuple[str, Path]) -> None:
    dataset, seen = open_source(made[1]), preview(made[1], rows=2)
    assert seen.kind == made[0]
    assert seen.modality is dataset.modality
    assert seen.guessed == dataset.columns
    assert len(seen.rows) == 2
    assert list(seen.rows[0]) == [c.name for c in seen.columns]
    assert seen.n in (4, None)
    assert not any(isinstance(v, bytes) for row in seen.rows for v in row.values())


@pytest.mark.parametrize("role", ["id", "image", "text", "label", "split", "source"])
def test_a_named_column_that_is_not_there_names_those_that_are(made: tuple[str, Path], role: str) -> None:
    columns = replace(ColumnMap(), **{role: "no_such"})
    with pytest.raises(ColumnError, match="no_such") as caught:
        open_source(made[1], columns)
    for name in (c.name for c in preview(made[1]).columns):
        assert name in str(caught.value)


def test_changed_content_changes_the_fingerprint_and_keeps_the_id(tmp_path: Path) -> None:
    for maker, changed in ((folder, "images/dog/1.png"), (paths_csv, "images/dog/1.png")):
        root = tmp_path / maker.__name__
        root.mkdir()
        path = maker(root)
        before = open_source(path)
        (root / changed).write_bytes(png(99))
        after = open_source(path)
        assert list(after.sample_ids) == list(before.sample_ids)
        assert after.fingerprint != before.fingerprint
        assert (after.content_hash != before.content_hash).sum() == 1


def test_identical_copies_are_two_samples(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"image": pa.array([IMAGES[0], IMAGES[1], IMAGES[0]], pa.binary())}), tmp_path / "t.parquet"
    )
    dataset = open_source(tmp_path / "t.parquet")
    assert dataset.sample_ids[2] == f"{dataset.sample_ids[0]}-2"
    assert dataset.content_hash[2] == dataset.content_hash[0]
