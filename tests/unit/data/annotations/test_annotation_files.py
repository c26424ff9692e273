"""Annotation files: what is read from each form, and that a patch changes what was edited and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from winnow.core.data.annotations import AddedBox, BoxEdit, annotation_form, read_annotations
from winnow.core.data.annotations.base import AnnotationForm
from winnow.core.errors import SourceError

COCO = """{
  "info": {"year": 2026, "version": "1.0"},
  "licenses": [{"id": 1, "name": "MIT"}],
  "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48, "coco_url": "x"},
             {"file_name": "b.png", "id": "two"}],
  "annotations": [
    {"id": 7, "image_id": 1, "category_id": 3, "bbox": [1.50, 2, 10, 2e1], "area": 200.0,
     "segmentation": [[1.5, 2, 11.5, 2, 11.5, 22, 1.5, 22]], "iscrowd": 0, "attributes": {"é": [true, null]}},
    {"iscrowd": 1, "image_id": 1, "id": 8, "segmentation": {"size": [48, 64], "counts": "0@"}, "bbox": [0, 0, 4, 4],
     "area": 3, "category_id": 9},
    {"id": 9, "image_id": "two", "category_id": 3, "bbox": [5, 5, 6, 6], "score": 1.0E-2}
  ],
  "categories": [{"id": 3, "name": "cat", "supercategory": "animal"}, {"id": 9, "name": "dog"}],
  "x_tool": {"annotations": [{"id": 7}]}
}
"""

VOC = """<?xml version="1.0"?>\r
<annotation>\r
\t<folder>f</folder><filename>a.png</filename>\r
\t<size><width>64</width><height>48</height><depth>3</depth></size>\r
\t<object>\r
\t\t<name>cat &amp; dog</name><pose>Left</pose><difficult>0</difficult>\r
\t\t<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>11</xmax><ymax>22.5</ymax></bndbox>\r
\t\t<part><name>head</name><bndbox><xmin>3</xmin><ymin>4</ymin><xmax>5</xmax><ymax>6</ymax></bndbox></part>\r
\t</object>\r
\t<object><name>mouse</name><bndbox><xmax>9</xmax><xmin>4</xmin><ymin>4</ymin><ymax>9</ymax></bndbox></object>\r
</annotation>"""


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        Image.new("RGB", (64, 48)).save(tmp_path / f"{name}.png")
    path = tmp_path / "annotations.json"
    path.write_text(COCO, encoding="utf-8")
    return path


@pytest.fixture
def yolo(tmp_path: Path) -> Path:
    for part in ("images/train", "labels/train"):
        (tmp_path / part).mkdir(parents=True)
    for name in ("a", "b"):
        Image.new("RGB", (100, 50)).save(tmp_path / f"images/train/{name}.png")
    (tmp_path / "data.yaml").write_text("names: {0: cat, 1: dog}\ntrain: images/train\n")
    (tmp_path / "labels/train/a.txt").write_bytes(
        b"0 0.5 0.50 0.20  0.4\r\n\r\n1 .1 .1 .3 .1 .3 .3 .1 .3\r\n7 0.5 0.5 0.1 0.1"
    )
    return tmp_path


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations/a.xml").write_bytes(VOC.encode())
    return tmp_path


def _form(path: Path) -> AnnotationForm:
    form = annotation_form(path)
    assert form is not None
    return form


def _patched(path: Path, edits: dict[str, BoxEdit], added: tuple[AddedBox, ...] = ()) -> Any:
    return json.loads(_form(path).patch(path, edits, added)[path.name])


def test_coco_is_read(coco: Path) -> None:
    a = read_annotations(coco)
    assert [(b.id, b.picture, b.label, b.corners) for b in a.boxes] == [
        ("7", "1", "cat", (1.5, 2, 10, 20)),
        ("8", "1", "dog", (0, 0, 4, 4)),
        ("9", "two", "cat", (5, 5, 6, 6)),
    ]
    assert a.classes == ("cat", "dog")
    assert [(p.key, p.file_name, p.width) for p in a.pictures] == [("1", "a.png", 64), ("two", "b.png", 0)]
    assert a.root == coco.parent


def test_a_relabel_in_coco_changes_one_number(coco: Path) -> None:
    (after,) = _form(coco).patch(coco, {"7": BoxEdit("dog")}, ()).values()
    assert after.decode() == COCO.replace('"category_id": 3, "bbox": [1.50', '"category_id": 9, "bbox": [1.50')


def test_a_moved_box_in_coco_takes_its_area_and_its_own_rectangle_along(coco: Path) -> None:
    after = _patched(coco, {"7": BoxEdit(corners=(2, 3, 5, 6.25)), "8": BoxEdit(corners=(1, 1, 4, 4))})
    first, second = after["annotations"][:2]
    assert (first["bbox"], first["area"]) == ([2, 3, 5, 6.25], 31.25)
    assert first["segmentation"] == [[2, 3, 7, 3, 7, 9.25, 2, 9.25]]
    assert (second["area"], second["segmentation"]["counts"]) == (3, "0@"), "a mask keeps its own area"


@pytest.mark.parametrize("removed", [{"7"}, {"8"}, {"9"}, {"7", "8"}, {"8", "9"}, {"7", "9"}, {"7", "8", "9"}])
def test_annotations_are_removed_and_added(coco: Path, removed: set[str]) -> None:
    before = json.loads(COCO)
    new = AddedBox("two", "bird", (1, 2, 3, 4.5))
    after = _patched(coco, {key: BoxEdit(remove=True) for key in removed}, (new,))
    *kept, added = after["annotations"]
    assert kept == [a for a in before["annotations"] if str(a["id"]) not in removed]
    assert (added["id"], added["image_id"], added["bbox"], added["area"]) == (10, "two", [1, 2, 3, 4.5], 13.5)
    assert after["categories"][-1] == {"id": added["category_id"], "name": "bird"}
    assert {k: after[k] for k in ("info", "licenses", "images", "x_tool")} == {
        k: before[k] for k in ("info", "licenses", "images", "x_tool")
    }


def test_a_mark_is_one_more_field(coco: Path) -> None:
    after = _patched(coco, {"9": BoxEdit(mark={"winnow": "excluded"})})
    before = json.loads(COCO)
    before["annotations"][2]["winnow"] = "excluded"
    assert after == before


def test_without_edits_nothing_is_written(coco: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert _form(coco).patch(coco, {}, ()) == {}
    same = _form(coco).patch(coco, {"7": BoxEdit("cat", (1.5, 2, 10, 20))}, ())
    assert same.get(coco.name, COCO.encode()) == COCO.encode()


@pytest.mark.parametrize("cut", [30, 400, 700, len(COCO) - 3])
def test_a_file_cut_in_the_middle_is_refused_in_words(coco: Path, cut: int) -> None:
    coco.write_text(COCO[:cut], encoding="utf-8")
    with pytest.raises(SourceError, match=r"breaks off or is damaged|holds no annotations|no list of annotations"):
        read_annotations(coco)


def test_an_edit_of_an_annotation_that_is_gone_is_refused(coco: Path, yolo: Path, voc: Path) -> None:
    for path, key in ((coco, "77"), (yolo, "labels/train/a.txt#9"), (voc, "a.xml#9")):
        with pytest.raises(SourceError, match="scan it again"):
            _form(path).patch(path, {key: BoxEdit("cat")}, ())


_number = st.one_of(st.integers(0, 500), st.floats(0, 500, allow_nan=False, width=32))
_anything = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
_annotation = st.fixed_dictionaries(
    {"image_id": st.just(1), "category_id": st.sampled_from([1, 2]), "bbox": st.lists(_number, min_size=4, max_size=4)},
    optional={"area": _number, "iscrowd": st.sampled_from([0, 1]), "x": _anything, "segmentation": st.just([])},
)


@settings(max_examples=80, deadline=None)
@given(st.lists(_annotation, min_size=1, max_size=6), _anything, st.integers(0, 5), st.booleans(), st.integers(0, 4))
def test_one_relabel_is_one_difference_in_any_coco_file(
    tmp_path_factory: pytest.TempPathFactory,
    annotations: list[dict[str, Any]],
    extra: Any,
    which: int,
    ascii_only: bool,
    indent: int,
) -> None:
    content = {
        "extra": extra,
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [{**a, "id": i} for i, a in enumerate(annotations)],
        "categories": [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}],
    }
    path = tmp_path_factory.getbasetemp() / "any.json"
    text = json.dumps(content, ensure_ascii=ascii_only, indent=indent or None)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    which %= len(annotations)
    old = content["annotations"][which]["category_id"]
    after = _form(path).patch(path, {str(which): BoxEdit("two" if old == 1 else "one")}, ())
    (patched,) = after.values()
    differing = [i for i, (a, b) in enumerate(zip(text.encode(), patched, strict=True)) if a != b]
    assert len(differing) == 1
    content["annotations"][which]["category_id"] = 3 - old
    assert json.loads(patched) == content


def test_yolo_is_read(yolo: Path) -> None:
    for path in (yolo, yolo / "data.yaml"):
        a = read_annotations(path)
        assert [(b.id, b.label) for b in a.boxes] == [
            ("labels/train/a.txt#1", "cat"),
            ("labels/train/a.txt#3", "dog"),
            ("labels/train/a.txt#4", None),
        ]
        assert a.boxes[0].corners == pytest.approx((40, 15, 20, 20))
        assert a.boxes[1].corners == pytest.approx((10, 5, 20, 10))
        assert [p.file_name for p in a.pictures] == ["images/train/a.png", "images/train/b.png"]


def test_a_patch_of_yolo_changes_its_lines_only(yolo: Path) -> None:
    edits = {
        "labels/train/a.txt#1": BoxEdit("dog"),
        "labels/train/a.txt#3": BoxEdit(corners=(20, 5, 20, 10)),
        "labels/train/a.txt#4": BoxEdit(remove=True),
    }
    (after,) = _form(yolo).patch(yolo, edits, (AddedBox("labels/train/a.txt", "cat", (0, 0, 10, 10)),)).values()
    assert after == (
        b"1 0.5 0.50 0.20  0.4\r\n\r\n"
        b"1 0.200000 0.100000 0.400000 0.100000 0.400000 0.300000 0.200000 0.300000\r\n"
        b"0 0.050000 0.100000 0.100000 0.200000\r\n"
    )
    assert _form(yolo).patch(yolo, {"labels/train/a.txt#1": BoxEdit("cat")}, ()) == {}
    with pytest.raises(SourceError, match="no class 'bird'"):
        _form(yolo).patch(yolo, {"labels/train/a.txt#1": BoxEdit("bird")}, ())


def test_voc_is_read(voc: Path) -> None:
    a = read_annotations(voc)
    assert [(b.id, b.label, b.corners) for b in a.boxes] == [
        ("a.xml#1", "cat & dog", (1, 2, 10, 20.5)),
        ("a.xml#2", "mouse", (4, 4, 5, 5)),
    ]
    assert (a.pictures[0].file_name, a.pictures[0].width) == ("a.png", 64)


def test_a_patch_of_voc_changes_its_values_only(voc: Path) -> None:
    edits = {"a.xml#1": BoxEdit("<bird>", (1, 3, 10, 20))}
    (after,) = _form(voc).patch(voc, edits, ()).values()
    expected = VOC.replace("cat &amp; dog", "&lt;bird&gt;").replace("<ymin>2<", "<ymin>3<").replace("22.5", "23")
    assert after.decode() == expected
    added = AddedBox("a.xml", "new", (1, 1, 2, 2))
    (after,) = _form(voc).patch(voc, {"a.xml#2": BoxEdit(remove=True)}, (added,)).values()
    (voc / "Annotations/a.xml").write_bytes(after)
    assert [(b.label, b.corners) for b in read_annotations(voc).boxes] == [
        ("cat & dog", (1, 2, 10, 20.5)),
        ("new", (1, 1, 2, 2)),
    ]


def test_entities_in_voc_are_not_expanded(voc: Path) -> None:
    (voc / "Annotations/b.xml").write_text(
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation><filename>&x;</filename></annotation>'
    )
    a = read_annotations(voc)
    assert len(a.boxes) == 2
    assert any("entities" in what for _, what in a.odd)
