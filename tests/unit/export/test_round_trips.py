"""Exports in every format: read by the tool each is for, and scanned again: the same ids, pixels and classes."""

from __future__ import annotations

import contextlib
import io
import json
import unicodedata
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from winnow.core.data.demo import make_demo
from winnow.core.data.sources import MediaReader, open_source
from winnow.core.errors import SourceError
from winnow.core.explore.query import Filter
from winnow.core.export.curated_file import EXPORTERS, FOLDERS
from winnow.core.export.target import RESERVED
from winnow.core.workspace import Workspace

CLASSES = [
    "traffic light", "a/b", "a\\b:*?\"<>|", "🦌🦌", "x" * 90, "🦌" * 90, "Cat", "cat", "CAT", "é", "e\u0301", "CON",
    "nul.txt", "COM¹", "dot.", "..", ".hidden", " blank ", "a%2Fb", "100%", "train", "line\nbreak", "=1+1", "'=1+1",
    "-", "@x", "STRASSE", "straße",
]  # fmt: skip
NEW = "new / class 🦌"
IDS = [
    "x", "x.png", "X.png", "x.PNG", "a/b.jpg", "a/b.png", "a/b", "ü", "u\u0308", "🦌" * 80, "=1", "'=1", "con.png",
    ".hidden", "dot.", "%20", " blank", "c.jpeg", "a\\b",
]  # fmt: skip
SPLITS = ["train", "test", "Fold A", "fold a", "fold/b", "all", ""]
SHARED = Path(__file__).parents[4] / "shared" / "data" / "cifar10n"
SUBSET = 1500
"""Samples of real data in formats that write a file for each."""
SAMPLES = 4
"""Of each class."""


@dataclass(frozen=True)
class Sample:
    """What an export holds of a sample; None = this format has no such thing."""

    label: str | None
    split: str | None = None
    pixels: bytes | None = None
    text: str | None = None


def pixels(data: bytes | Image.Image) -> bytes:
    """The pixels of an image, with its size before them."""
    image = (Image.open(io.BytesIO(data)) if isinstance(data, bytes) else data).convert("RGB")
    return f"{image.size}".encode() + image.tobytes()


def pixels_if_whole(data: bytes) -> bytes | None:
    try:
        return pixels(data)
    except (OSError, SyntaxError, ValueError):
        return None


def samples(ws: Workspace, only: Collection[str] | None = None) -> dict[str, str | None]:
    """Sample id → label in force of what an export must hold."""
    gone = set(ws.ids(Filter(state="exclude")))
    labels = dict(zip(ws.ids(), ws.labels(), strict=True))
    return {i: v for i, v in labels.items() if i not in gone and (only is None or i in only)}


# ── the tools that exports are for: path → samples ──────────────────────────────────────────────────────────────────


def index(path: Path) -> dict[str, str]:
    """File of a folder export → sample id."""
    table = pd.read_parquet(path.with_name(f"{path.name}.rows.parquet"))
    return dict(zip(table["file"], table["sample_id"], strict=True))


def manifest(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.with_name(f"{path.name}.manifest.json").read_text()))


def table_columns(path: Path) -> tuple[str, dict[str, str]]:
    whole = manifest(path)
    return whole["id_column"], whole["added_columns"]


def in_pandas(path: Path) -> dict[str, Sample]:
    key, names = table_columns(path)
    if path.suffix == ".csv":
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    else:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_json(path, lines=True, dtype=False)
    finals = table[names["label_final"]]
    images = table["image"].map(pixels_if_whole) if "image" in table else [None] * len(table)
    return {str(i): Sample(label, pixels=p) for i, label, p in zip(table[key], finals, images, strict=True)}


def in_pyarrow(path: Path) -> dict[str, Sample]:
    import pyarrow.csv as pcsv
    import pyarrow.json as pjson

    key, names = table_columns(path)
    if path.suffix == ".csv":
        lines = pcsv.ParseOptions(newlines_in_values=True)
        texts = pcsv.ConvertOptions(column_types={key: pa.string(), names["label_final"]: pa.string()})
        table = pcsv.read_csv(path, parse_options=lines, convert_options=texts)
    else:
        table = pq.read_table(path) if path.suffix == ".parquet" else pjson.read_json(path)
    found = table.select([key, names["label_final"]]).to_pylist()
    return {row[key]: Sample(row[names["label_final"]]) for row in found}


def in_duckdb(path: Path) -> dict[str, Sample]:
    import duckdb

    key, names = table_columns(path)
    read = {".csv": "read_csv(?, all_varchar=true)", ".parquet": "read_parquet(?)", ".jsonl": "read_json(?)"}
    sql = f'SELECT "{key}", "{names["label_final"]}" FROM {read[path.suffix]}'
    return {row[0]: Sample(row[1]) for row in duckdb.execute(sql, [str(path)]).fetchall()}


def in_torchvision(path: Path) -> dict[str, Sample]:
    from torchvision.datasets import ImageFolder

    ids, folders = index(path), {v: k for k, v in manifest(path)["class_folders"].items()}
    deep = any(file.count("/") == 2 for file in ids)
    found = {}
    for root in sorted(p for p in path.iterdir() if p.is_dir()) if deep else [path]:
        data = ImageFolder(str(root))
        for file, code in data.samples:
            name = Path(file).relative_to(path).as_posix()
            found[ids[name]] = Sample(folders[data.classes[code]], root.name, pixels(data.loader(file)))
    return found


def in_ultralytics(path: Path) -> dict[str, Sample]:
    pytest.importorskip("ultralytics", reason="ultralytics is not installed")
    from ultralytics.cfg import get_cfg
    from ultralytics.data.dataset import ClassificationDataset

    ids, folders = index(path), {v: k for k, v in manifest(path)["class_folders"].items()}
    found = {}
    for root in sorted(p for p in path.iterdir() if p.is_dir()):
        data = ClassificationDataset(str(root), get_cfg(overrides={"imgsz": 32}))
        for file, code, *_ in data.samples:
            name = Path(file).relative_to(path).as_posix()
            found[ids[name]] = Sample(folders[data.base.classes[code]], root.name, pixels(Image.open(file)))
    return found


def in_pycocotools(path: Path) -> dict[str, Sample]:
    from pycocotools.coco import COCO

    found = {}
    for file in (path / "annotations").iterdir():
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(str(file))
        for image in coco.loadImgs(coco.getImgIds()):
            (mark,) = coco.loadAnns(coco.getAnnIds(image["id"]))
            label = coco.loadCats(mark["category_id"])[0]["name"]
            found[image["sample_id"]] = Sample(label, pixels=pixels(Image.open(path / "images" / image["file_name"])))
    return found


def in_datasets(path: Path) -> dict[str, Sample]:
    from datasets import load_dataset

    found = {}
    for name, part in load_dataset(str(path), cache_dir=str(path.with_name("cache"))).items():
        for row in part:
            label = None if row["label"] < 0 else part.features["label"].int2str(row["label"])
            picture = pixels(row["image"]) if row.get("image") is not None else None
            found[row["sample_id"]] = Sample(label, name, picture, row.get("text"))
    return found


def in_cleanlab(path: Path) -> dict[str, Sample]:
    from cleanlab import Datalab

    labels, probs = (np.load(path / f"{name}.npy", allow_pickle=False) for name in ("labels", "pred_probs"))
    classes = json.loads((path / "classes.json").read_text())
    lab = Datalab({"y": labels}, label_name="y", verbosity=0)
    lab.find_issues(pred_probs=probs, issue_types={"label": {}})
    assert len(lab.get_issues("label")) == len(labels)
    ids = pd.read_parquet(path.with_name(f"{path.name}.rows.parquet"))
    ids = ids[ids["label"].notna()]["sample_id"]
    return {i: Sample(classes[code]) for i, code in zip(ids, labels, strict=True)}


def in_label_studio(path: Path) -> dict[str, Sample]:
    label_interface = pytest.importorskip(
        "label_studio_sdk.label_interface", reason="label-studio-sdk is not installed"
    )
    config = label_interface.LabelInterface((path / "labeling_config.xml").read_text())
    tasks = json.loads((path / "tasks.json").read_text())
    for task in tasks:
        assert config.validate_task({"data": task["data"]})
        for mark in task.get("annotations", []):
            assert config.validate_annotation(mark)
        for mark in task.get("predictions", []):
            assert not config.validate_prediction(mark, True)
    return as_documented_by_label_studio(path)


def as_documented_by_label_studio(path: Path) -> dict[str, Sample]:
    from urllib.parse import parse_qs, urlsplit

    found = {}
    for task in json.loads((path / "tasks.json").read_text()):
        marks = task.get("annotations") or task.get("predictions")
        label = marks[0]["result"][0]["value"]["choices"][0] if marks else None
        picture = None
        if "image" in task["data"]:
            (file,) = parse_qs(urlsplit(task["data"]["image"]).query)["d"]
            picture = pixels(Image.open(path / file))
        found[task["data"]["sample_id"]] = Sample(label, pixels=picture, text=task["data"].get("text"))
    return found


def in_fiftyone(path: Path) -> dict[str, Sample]:
    importers = pytest.importorskip("fiftyone.utils.data.importers", reason="fiftyone is not installed")
    ids = index(path)
    found = {}
    with importers.FiftyOneImageClassificationDatasetImporter(dataset_dir=str(path)) as rows:
        for file, _, label in rows:
            name = Path(file).relative_to(path).as_posix()
            found[ids[name]] = Sample(label and label.label, pixels=pixels(Image.open(file)))
    return found


def as_documented_by_fiftyone(path: Path) -> dict[str, Sample]:
    ids, whole = index(path), json.loads((path / "labels.json").read_text())
    files = {p.stem: p for p in (path / "data").iterdir()}
    return {
        ids[f"data/{files[stem].name}"]: Sample(whole["classes"][code], pixels=pixels(Image.open(files[stem])))
        for stem, code in whole["labels"].items()
    }


def as_lines(path: Path) -> dict[str, Sample]:
    renamed = manifest(path)["renamed_splits"]
    found = {}
    for file in path.glob("*.txt"):
        for line in file.read_text().split("\n")[:-1]:
            found[line] = Sample(None, renamed.get(file.stem, file.stem))
    return found


TOOLS: Mapping[str, tuple[Callable[[Path], dict[str, Sample]], ...]] = {
    "csv": (in_pandas, in_pyarrow, in_duckdb),
    "parquet": (in_pandas, in_pyarrow, in_duckdb),
    "jsonl": (in_pandas, in_pyarrow, in_duckdb),
    "image_folder": (in_torchvision,),
    "yolo": (in_torchvision, in_ultralytics),
    "coco": (in_pycocotools,),
    "huggingface": (in_datasets,),
    "cleanlab": (in_cleanlab,),
    "label_studio": (as_documented_by_label_studio, in_label_studio),
    "fiftyone": (as_documented_by_fiftyone, in_fiftyone),
    "split_ids": (as_lines,),
}
NO_SAMPLES = ("cleanlab", "split_ids")
"""What these hold is about samples that lie elsewhere."""
PAIRS = [(format, tool) for format, tools in TOOLS.items() for tool in tools]


def export(ws: Workspace, to: Path, format: str, **more: Any) -> Path:
    suffix = EXPORTERS.get(format).suffixes[0] if format in EXPORTERS else ""
    return ws.exports.export(to / f"out{suffix}", format=format, **more).path


def read_again(path: Path) -> dict[str, Sample]:
    """What Winnow reads of an export."""
    dataset = open_source(path, vectors_apart=path.suffix in (".csv", ".jsonl"))
    labels = [None if code < 0 else dataset.class_names[code] for code in dataset.labels]
    splits = [None] * dataset.n if dataset.split is None else dataset.split
    texts = [None] * dataset.n if dataset.texts is None else dataset.texts
    images: list[bytes | None] = [None] * dataset.n
    if dataset.media.kind != "none":
        for row, cell in MediaReader.of(dataset.media, dataset.uris).iter(range(dataset.n)):
            images[row] = pixels_if_whole(cell) if isinstance(cell, bytes) else None
    rows = zip(dataset.sample_ids, labels, splits, images, texts, strict=True)
    return {i: Sample(label, split, image, text) for i, label, split, image, text in rows}


def check_same(
    found: Mapping[str, Sample], labels: Mapping[str, str | None], truth: Mapping[str, bytes | None]
) -> None:
    """The same ids, labels and pixels, where the format has them; ``truth`` has None for broken images."""
    assert set(found) == set(labels)
    if any(sample.label is not None for sample in found.values()):
        assert {i: sample.label for i, sample in found.items()} == dict(labels)
    shown = {i: sample.pixels for i, sample in found.items() if sample.pixels is not None}
    assert not shown or shown == {i: truth[i] for i in found if truth[i] is not None}


# ── a small dataset of difficult names ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def difficult(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of images with difficult ids, classes and splits, and some decisions."""
    home, rng = tmp_path_factory.mktemp("difficult"), np.random.default_rng(3)
    n = SAMPLES * len(CLASSES)
    rows = []
    for i in range(n):
        out = io.BytesIO()
        picture = Image.fromarray(rng.integers(0, 256, (16, 12, 3)).astype(np.uint8))
        picture.save(out, ("PNG", "JPEG", "WEBP", "BMP")[i % 4])
        sample_id = IDS[i] if i < len(IDS) else f"s{i}"
        label = CLASSES[i % len(CLASSES)]
        rows.append({"id": sample_id, "image": out.getvalue(), "label": label, "split": SPLITS[i % len(SPLITS)]})
    table = pd.DataFrame(rows)
    table.to_parquet(home / "t.parquet")
    vectors = rng.normal(size=(n, 8)).astype(np.float32)
    pd.DataFrame({"id": table["id"], "embedding": list(vectors)}).to_parquet(home / "e.parquet")
    with Workspace.scan(home / "t.parquet", home / "ws", embeddings=home / "e.parquet", projection=False) as ws:
        ids = ws.ids()
        ws.decide(ids[-1], "exclude", actor="ada")
        ws.decide(ids[-2], "relabel", label=NEW, actor="ada")
        ws.decide(ids[0], "accept", actor="ada")
    return home


@pytest.fixture(scope="module")
def truth(difficult: Path) -> dict[str, bytes]:
    table = pd.read_parquet(difficult / "t.parquet")
    return {i: pixels(data) for i, data in zip(table["id"], table["image"], strict=True)}


@pytest.fixture(scope="module")
def exported(difficult: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Format → its export, written once."""
    made: dict[str, Path] = {}

    def make(format: str) -> Path:
        if format not in made:
            with Workspace.open(difficult / "ws") as ws:
                plain = {"csv_plain": True} if format == "csv" else {}
                made[format] = export(ws, tmp_path_factory.mktemp(format), format, **plain)
        return made[format]

    return make


@pytest.fixture
def labels(difficult: Path) -> dict[str, str | None]:
    with Workspace.open(difficult / "ws") as ws:
        found = samples(ws)
    assert set(found.values()) == {*CLASSES, NEW}
    return found


def test_every_format_is_tried() -> None:
    assert set(TOOLS) | {"annotations"} == {*EXPORTERS.names(), *FOLDERS.names()}, "boxes have tests of their own"


@pytest.mark.parametrize(("format", "tool"), PAIRS)
def test_the_tool_reads_the_same(
    exported: Callable[[str], Path],
    labels: dict[str, str | None],
    truth: dict[str, bytes],
    format: str,
    tool: Callable[[Path], dict[str, Sample]],
) -> None:
    found = tool(exported(format))
    check_same(found, labels, truth)
    if format in ("image_folder", "yolo", "coco", "fiftyone", "label_studio", "huggingface"):
        assert all(sample.pixels for sample in found.values())
    if format == "split_ids":
        assert {sample.split for sample in found.values()} == {*SPLITS, "all"} - {""}


@pytest.mark.parametrize("format", [f for f in TOOLS if f not in NO_SAMPLES])
def test_winnow_reads_the_same(
    exported: Callable[[str], Path],
    difficult: Path,
    labels: dict[str, str | None],
    truth: dict[str, bytes],
    format: str,
) -> None:
    found = read_again(exported(format))
    given = pd.read_parquet(difficult / "t.parquet").set_index("id")
    if format in EXPORTERS:  # the label of a table is its original one
        labels = given["label"].drop(index=[i for i in given.index if i not in labels]).to_dict()
    check_same(found, labels, truth)
    assert format in ("csv", "jsonl") or all(sample.pixels for sample in found.values())
    if format not in ("yolo", "fiftyone", "label_studio"):  # these have their own splits, or none
        empty = {"image_folder": "unsplit", "huggingface": "unsplit"}.get(format, "")
        assert {i: sample.split for i, sample in found.items()} == {i: given["split"][i] or empty for i in found}


def test_csv_with_marked_formulas_is_read_the_same(
    difficult: Path, labels: dict[str, str | None], tmp_path: Path
) -> None:
    with Workspace.open(difficult / "ws") as ws:
        found = read_again(export(ws, tmp_path, "csv"))
    given = pd.read_parquet(difficult / "t.parquet").set_index("id")["label"]
    assert {i: sample.label for i, sample in found.items()} == {i: given[i] for i in labels}


@pytest.mark.parametrize("format", NO_SAMPLES)
def test_what_holds_no_samples_is_refused(exported: Callable[[str], Path], format: str) -> None:
    with pytest.raises(SourceError, match="No images were found"):
        open_source(exported(format))


@pytest.mark.parametrize("format", sorted({*FOLDERS.names()} & {*TOOLS}))
def test_names_fit_every_file_system(exported: Callable[[str], Path], format: str) -> None:
    folder = exported(format)
    seen: set[str] = set()
    for path in folder.rglob("*"):
        name = path.name
        key = unicodedata.normalize("NFC", path.relative_to(folder).as_posix()).casefold()
        assert key not in seen, "the same without upper and lower case"
        seen.add(key)
        assert len(name.encode()) <= 255
        assert len(name.encode("utf-16-le")) <= 2 * 255
        assert not set(name) & {*'\\:*?"<>|', *map(chr, range(32))}
        assert not name.endswith((".", " "))
        assert name.partition(".")[0].rstrip().casefold() not in RESERVED


@pytest.mark.parametrize("format", ["image_folder", "yolo"])
def test_every_changed_name_is_in_the_manifest(exported: Callable[[str], Path], format: str) -> None:
    path = exported(format)
    whole, inside = manifest(path), json.loads((path / "winnow-export.json").read_text())
    for folder in {file.split("/")[1] for file in index(path)}:
        assert folder in [*CLASSES, NEW] or whole["renamed_folders"][folder] in [*CLASSES, NEW]
    assert {v: k for k, v in whole["class_folders"].items() if v != k} == whole["renamed_folders"]
    assert len(set(whole["class_folders"].values())) == len(CLASSES) + 1
    assert inside["samples"] == index(path)


def test_file_names_that_differ_by_suffix_alone_are_two_samples(exported: Callable[[str], Path]) -> None:
    """FiftyOne names samples by the file without its suffix."""
    stems = [p.stem.casefold() for p in (exported("fiftyone") / "data").iterdir()]
    assert len(set(stems)) == len(stems)


@pytest.mark.parametrize("format", ["csv", "parquet", "jsonl", "huggingface", "label_studio"])
def test_texts_come_back(tmp_path: Path, format: str) -> None:
    texts = {
        f"s{i}": f"{word} number {i}" for i, word in enumerate(["=1+1", "naïve\nline", "'quoted'", '"', "🦌", "-"] * 5)
    }
    table = pd.DataFrame({"id": texts.keys(), "text": texts.values(), "label": ["a/b", " c "] * 15})
    table.to_parquet(tmp_path / "t.parquet")
    with Workspace.scan(tmp_path / "t.parquet", tmp_path / "ws", encoder="tfidf", projection=False) as ws:
        found = read_again(export(ws, tmp_path, format))
    assert {i: sample.text for i, sample in found.items()} == texts
    assert {sample.label for sample in found.values()} == {"a/b", " c "}


# ── the demo and real data ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module", params=["demo", "cifar10n"])
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with samples.parquet, embeddings.parquet and ws, a workspace with some decisions and a class added."""
    home = tmp_path_factory.mktemp(request.param)
    if request.param == "demo":
        source = make_demo(home / "data")
        table = pd.read_parquet(source)
        key = next(name for name in ("id", "sample_id") if name in table)
        vectors = np.random.default_rng(0).normal(size=(len(table), 16)).astype(np.float32)
        pd.DataFrame({"id": table[key], "embedding": list(vectors)}).to_parquet(home / "e.parquet")
        embeddings = home / "e.parquet"
    else:
        if not SHARED.exists():
            pytest.skip(f"{SHARED} is not there: exports of cifar10n were not tried")
        source, embeddings = SHARED / "samples.parquet", SHARED / "embeddings.parquet"
    (home / "samples.parquet").symlink_to(source)
    (home / "embeddings.parquet").symlink_to(embeddings)
    with Workspace.scan(source, home / "ws", embeddings=embeddings, projection=False) as ws:
        ids = ws.ids()
        for sample, (action, label) in zip(ids[5:500:50], [("relabel", NEW), ("exclude", None)] * 5, strict=True):
            ws.decide(sample, action, label=label, actor="ada")
    return home


@pytest.mark.attack
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("format", TOOLS)
def test_real_data_in_every_format(real: Path, tmp_path: Path, format: str) -> None:
    given = pd.read_parquet(real / "samples.parquet").set_index("id")
    image = next(name for name in ("image", "img") if name in given)
    broken_or_pixels = {i: pixels_if_whole(data) for i, data in given[image].items()}
    with Workspace.open(real / "ws") as ws:
        only = None if format in (*EXPORTERS, *NO_SAMPLES) else ws.ids()[:SUBSET]
        path = export(ws, tmp_path, format, only=only)
        labels = samples(ws, only)
    if format in FOLDERS:
        left_out = manifest(path)["left_out_samples"]
        assert set(left_out) == {i for i in labels if format not in NO_SAMPLES and broken_or_pixels[i] is None}
        if format != "huggingface":
            labels = {i: label for i, label in labels.items() if i not in left_out}
    tried = 0
    for tool in TOOLS[format]:
        with contextlib.suppress(pytest.skip.Exception):
            found = tool(path)
            check_same(found, labels, broken_or_pixels)
            tried += 1
    assert tried
    if format in NO_SAMPLES:
        return
    if format in EXPORTERS:
        labels = {i: given["label"][i] for i in labels}
    check_same(read_again(path), labels, broken_or_pixels)
    vectors = pq.read_table(real / "embeddings.parquet")
    pq.write_table(vectors.filter(pa.compute.is_in(vectors["id"], pa.array(list(labels)))), tmp_path / "e.parquet")
    with Workspace.scan(path, tmp_path / "again", embeddings=tmp_path / "e.parquet", projection=False) as again:
        assert dict(zip(again.ids(), again.labels(), strict=True)) == labels
