"""What people really bring: odd names, odd labels, odd encodings, missing files."""

from __future__ import annotations

import gzip
import io
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from winnow.core.data.media.reader import MediaReader, escape_path, find_file
from winnow.core.data.sources import build, open_source, preview
from winnow.core.data.sources.labels import encode, to_strings
from winnow.core.errors import ColumnError, SourceError
from winnow.core.types import ColumnMap, Dataset, Modality


def png(seed: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3)).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def write(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def given(dataset: Dataset) -> list[str | None]:
    names = [*dataset.class_names, None]
    return [names[c] for c in dataset.labels]


# ── folders ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_class_is_the_first_level_folder_however_deep(tmp_path: Path) -> None:
    write(tmp_path / "cat/a/deep/1.PNG", png(1))
    write(tmp_path / "dog/2.jpeg", png(2))
    dataset = open_source(tmp_path)
    assert list(dataset.sample_ids) == ["cat/a/deep/1.PNG", "dog/2.jpeg"]
    assert given(dataset) == ["cat", "dog"]


def test_a_flat_folder_is_unlabelled(tmp_path: Path) -> None:
    for i in range(3):
        write(tmp_path / f"{i}.png", png(i))
    dataset = open_source(tmp_path)
    assert given(dataset) == [None] * 3
    assert any("label" in s for s in dataset.notices)


def test_split_folders_are_splits_and_classes_lie_below(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for label in ("cat", "dog"):
            write(tmp_path / split / label / "1.png", png(hash((split, label)) % 1000))
    dataset = open_source(tmp_path)
    assert given(dataset) == ["cat", "dog"] * 2
    assert dataset.split is not None
    assert list(dataset.split) == ["train", "train", "val", "val"]


def test_hidden_files_other_files_and_loops_are_left_out(tmp_path: Path) -> None:
    write(tmp_path / "cat/1.png", png(1))
    write(tmp_path / "cat/.hidden.png", png(2))
    write(tmp_path / ".git/3.png", png(3))
    write(tmp_path / "cat/notes.txt", "x")
    (tmp_path / "cat/loop").symlink_to(tmp_path)
    (tmp_path / "dead.png").symlink_to(tmp_path / "nowhere.png")
    dataset = open_source(tmp_path)
    assert list(dataset.sample_ids) == ["cat/1.png", "dead.png"]
    assert dataset.load_errors == {1: "the file is not there"}
    assert any("1 files that are not images" in s for s in dataset.notices)
    assert any("another place" in s for s in dataset.notices)


def test_a_file_name_that_is_not_utf8_is_kept_and_read(tmp_path: Path) -> None:
    name = os.fsencode(str(tmp_path)) + b"/caf\xe9 ' \".png"
    Path(os.fsdecode(name)).write_bytes(png(1))
    write(tmp_path / "日本 🎉.png", png(2))
    dataset = open_source(tmp_path)
    assert list(dataset.sample_ids) == ["caf\\xe9 ' \".png", "日本 🎉.png"]
    pa.array(dataset.sample_ids, pa.string())
    assert MediaReader(dataset).read(0) == png(1)
    assert find_file(tmp_path, escape_path("a\udce9.png")).name == "a\udce9.png"


def test_an_empty_or_missing_folder_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="it is empty"):
        open_source(tmp_path)
    write(tmp_path / "notes.txt", "x")
    with pytest.raises(SourceError, match=r"ending in \.jpg"):
        open_source(tmp_path)
    with pytest.raises(SourceError, match="does not exist"):
        open_source(tmp_path / "nowhere")


# ── tables ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_usual_names_are_recognised_in_any_case(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "Sample-ID,Sentence,TARGET,Fold,Origin\n1,hello there,x,0,web\n2,good bye,y,1,web\n")
    dataset = open_source(tmp_path / "t.csv")
    assert dataset.columns == ColumnMap(id="Sample-ID", text="Sentence", label="TARGET", split="Fold", source="Origin")
    assert list(dataset.sample_ids) == ["1", "2"]


def test_named_columns_win_over_usual_names(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "id,text,label,gold,key\n1,hello there,x,p,k1\n2,good bye,y,q,k2\n")
    dataset = open_source(tmp_path / "t.csv", ColumnMap(id="KEY", label="gold"))
    assert list(dataset.sample_ids) == ["k1", "k2"]
    assert given(dataset) == ["p", "q"]


def test_words_for_missing_are_text_in_text(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "text,label\nNA,a\nnull,b\nNone,a\nnan,b\n")
    dataset = open_source(tmp_path / "t.csv")
    assert dataset.texts is not None
    assert list(dataset.texts) == ["NA", "null", "None", "nan"]


def test_whole_numbers_are_typed_only_when_nothing_is_lost(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "text,a,b,c,d\nx,1,007,1.50,\ny,-2,8,2,5\n")
    kinds = {f.name: str(f.type) for f in open_source(tmp_path / "t.csv", ColumnMap(text="text")).metadata.schema}
    assert kinds["a"] == "int64"
    assert kinds["d"] == "int64"
    assert "string" in kinds["b"]
    assert "string" in kinds["c"]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("id,text\n1,caf\u00e9 time\n".encode("utf-8-sig"), ""),
        ("id,text\n1,caf\u00e9 time\n".encode("latin-1"), "Latin-1"),
        ("id\ttext\n1\tcaf\u00e9 time\n".encode("utf-16"), ""),
        ("id;text\n1;caf\u00e9 time\n".encode(), ""),
    ],
)
def test_encodings_and_delimiters(tmp_path: Path, raw: bytes, said: str) -> None:
    dataset = open_source(write(tmp_path / "t.csv", raw))
    assert dataset.texts is not None
    assert dataset.texts[0] == "café time"
    assert dataset.columns.id == "id"
    assert any("Latin-1" in s for s in dataset.notices) == bool(said)


def test_line_breaks_and_quotes_inside_cells(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", 'id,text\n1,"a ""b"",\nc"\n2,d\n')
    dataset = open_source(tmp_path / "t.csv")
    assert dataset.texts is not None
    assert dataset.texts[0] == 'a "b",\nc'


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("t.csv", b"", "empty"),
        ("t.csv", b"id,text\n", "no rows"),
        ("t.csv", b"a,b\n1,2\n1,2,3,4\n", "line 3"),
        ("t.parquet", b"PAR1 nonsense", "Parquet"),
        ("t.jsonl", b'{"a": 1}\n{"a"\n', "line 2"),
        ("t.jsonl", b"[1, 2]", "not an object"),
        ("t.jsonl", b"", "no rows"),
        ("t.npy", b"\x93NUMPYx", "NumPy"),
        ("t.xlsx", b"PK", "not in a format"),
        ("t.csv", b"a,b\n1,2\n", "No column"),
    ],
)
def test_unreadable_tables_are_refused(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        open_source(write(tmp_path / name, data))


def test_a_parquet_file_cut_short_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"], "text": ["some text"]}), tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    with pytest.raises(SourceError, match="cut short"):
        open_source(write(tmp_path / "cut.parquet", whole[: len(whole) // 2]))


@pytest.mark.parametrize("columns", [ColumnMap(), ColumnMap(id="id")])
def test_repeated_ids_are_refused_and_named(tmp_path: Path, columns: ColumnMap) -> None:
    write(tmp_path / "t.csv", "id,text\nq7,hello\nq8,bye now\nq7,again\n")
    with pytest.raises(ColumnError, match=r"'q7' \(2×\)"):
        open_source(tmp_path / "t.csv", columns)


def test_empty_ids_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "id,text\n1,hello\n,bye now\n")
    with pytest.raises(ColumnError, match="row 2"):
        open_source(tmp_path / "t.csv")


def test_without_ids_rows_are_named_by_content_and_occurrence(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "text,label\nsame words,a\nother words,b\nsame words,b\n")
    dataset = open_source(tmp_path / "t.csv")
    first, second, third = dataset.sample_ids
    assert third == f"{first}-2"
    assert second != first
    assert dataset.content_hash[0] == dataset.content_hash[2] == first


def test_missing_images_are_kept_as_broken_unless_all_are(tmp_path: Path) -> None:
    write(tmp_path / "a.png", png(1))
    write(tmp_path / "t.csv", "id,file,label\n1,a.png,x\n2,gone.png,y\n3,,x\n")
    dataset = open_source(tmp_path / "t.csv")
    assert dataset.load_errors == {1: "the file is not there", 2: "the path is empty"}
    assert any("2 of 3 images cannot be read" in s for s in dataset.notices)
    write(tmp_path / "u.csv", "id,file,label\n1,gone.png,x\n2,lost.png,y\n")
    with pytest.raises(SourceError, match="relative to"):
        open_source(tmp_path / "u.csv")


def test_hugging_face_image_structs_and_null_cells(tmp_path: Path) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    write(tmp_path / "side.png", png(2))
    cells = [{"bytes": png(1), "path": None}, {"bytes": None, "path": "side.png"}, None]
    pq.write_table(pa.table({"img": pa.array(cells, kind), "label": [1, 0, 1]}), tmp_path / "t.parquet")
    dataset = open_source(tmp_path / "t.parquet")
    assert dataset.modality is Modality.IMAGE
    reader = MediaReader(dataset)
    assert [reader.read(0), reader.read(1)] == [png(1), png(2)]
    assert dataset.load_errors == {2: "the image cell is empty"}
    assert dataset.metadata.column_names == ["label"]


def test_a_table_of_images_alone_has_all_its_rows(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": pa.array([png(1), png(2)], pa.binary())}), tmp_path / "t.parquet")
    dataset = open_source(tmp_path / "t.parquet")
    assert dataset.n == 2
    assert preview(tmp_path / "t.parquet").rows[0] == {"image": f"image, {len(png(1)):,} bytes"}


def test_text_beside_an_embedding_is_text_and_keeps_the_embedding(tmp_path: Path) -> None:
    columns = {"text": ["some words", "more words"], "embedding": pa.array([[1.0, 2.0], [3.0, 4.0]])}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    dataset = open_source(tmp_path / "t.parquet")
    assert dataset.modality is Modality.TEXT
    assert dataset.metadata.column_names == ["text", "embedding"]


def test_embeddings_alone(tmp_path: Path) -> None:
    vectors = pa.array([[1.0, 2.0], [3.0, 4.0]])
    pq.write_table(pa.table({"uid": ["a", "b"], "embedding": vectors, "label": ["x", "y"]}), tmp_path / "t.parquet")
    dataset = open_source(tmp_path / "t.parquet")
    assert dataset.modality is Modality.VECTOR
    assert dataset.metadata.column_names == ["uid", "label"]
    many = pa.table({"uid": ["a", "b"], **{f"f{i}": [0.5, 1.5] for i in range(9)}})
    pq.write_table(many, tmp_path / "u.parquet")
    assert open_source(tmp_path / "u.parquet").modality is Modality.VECTOR


def test_images_with_a_caption_are_pairs_and_with_a_title_are_not(tmp_path: Path) -> None:
    image = pa.array([png(1), png(2)], pa.binary())
    for column, modality in (("caption", Modality.PAIR), ("title", Modality.IMAGE)):
        pq.write_table(pa.table({"image": image, column: ["a b", "c d"]}), tmp_path / "t.parquet")
        dataset = open_source(tmp_path / "t.parquet")
        assert dataset.modality is modality
        assert column in dataset.metadata.column_names


def test_a_parquet_folder_is_one_table_unless_columns_differ(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    for i in range(2):
        table = pa.table({"id": [f"{i}a", f"{i}b"], "image": pa.array([png(2 * i), png(2 * i + 1)], pa.binary())})
        pq.write_table(table, parts / f"part-{i}.parquet", row_group_size=1)
    dataset = open_source(parts)
    assert list(dataset.sample_ids) == ["0a", "0b", "1a", "1b"]
    assert [MediaReader(dataset).read(i) for i in (3, 0)] == [png(3), png(0)]
    pq.write_table(pa.table({"id": ["x"], "other": ["y"]}), parts / "part-9.parquet")
    with pytest.raises(SourceError, match="different columns"):
        open_source(parts)


def test_json_columns_of_several_types_become_text(tmp_path: Path) -> None:
    rows = [
        {"text": "one day", "extra": 1, "label": 3},
        {"text": "two days", "extra": "b"},
        {"text": "three", "extra": {"k": [1]}},
    ]
    write(tmp_path / "t.jsonl", "\n".join(json.dumps(r) for r in rows) + "\n\n")
    dataset = open_source(tmp_path / "t.jsonl")
    assert dataset.metadata.column("extra").to_pylist() == ["1", "b", '{"k": [1]}']
    assert given(dataset) == ["3", None, None]
    write(tmp_path / "t.json", json.dumps(rows))
    assert open_source(tmp_path / "t.json").n == 3


def test_one_sample_and_one_class_are_carried_on_with(tmp_path: Path) -> None:
    dataset = open_source(write(tmp_path / "t.csv", "text,label\nhello there,a\n"))
    assert dataset.n == 1
    assert any("only one sample" in s for s in dataset.notices)
    assert any("only one class ('a')" in s for s in dataset.notices)


def test_a_column_cannot_be_text_and_label(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "text,label\nhello there,a\n")
    with pytest.raises(ColumnError, match="both"):
        open_source(path, ColumnMap(text="text", label="text"))


def test_large_sources_are_not_hashed_and_still_notice_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "EAGER_HASH_BYTES", 10)
    write(tmp_path / "d/cat/1.png", png(1))
    before = open_source(tmp_path / "d")
    assert list(before.content_hash) == [""]
    write(tmp_path / "d/cat/1.png", png(2) + b" ")
    after = open_source(tmp_path / "d")
    assert after.fingerprint != before.fingerprint
    assert after.media != before.media


# ── labels ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_labels_of_every_type() -> None:
    cases = [
        (pa.array([10, 2, None]), ("2", "10"), [1, 0, -1]),
        (pa.array([1.0, 2.5, float("nan"), 1.0]), ("1", "2.5"), [0, 1, -1, 0]),
        (pa.array([True, False, None]), ("False", "True"), [1, 0, -1]),
        (pa.array(["b", "", " ", "a", "NaN", None]), ("a", "b"), [1, -1, -1, 0, -1, -1]),
        (pa.array(["x", "y", "x"]).dictionary_encode(), ("x", "y"), [0, 1, 0]),
        (pa.nulls(2), (), [-1, -1]),
    ]
    for values, names, codes in cases:
        found = encode(pa.chunked_array([values]))
        assert found.names == names
        assert found.codes.tolist() == codes
        assert found.codes.dtype == np.int32


def test_labels_that_differ_by_case_or_space_are_kept_apart_with_a_notice() -> None:
    found = encode(pa.chunked_array([pa.array(["Cat", "cat", "cat ", "dog"])]))
    assert len(found.names) == 4
    assert any("'Cat'" in s and "'cat '" in s for s in found.notices)


def test_a_word_for_missing_is_a_class_with_a_notice() -> None:
    found = encode(pa.chunked_array([pa.array(["None", "a", "a"])]))
    assert "None" in found.names
    assert any("'None'" in s for s in found.notices)


def test_a_regression_target_is_pointed_out() -> None:
    found = encode(pa.chunked_array([pa.array(np.linspace(0, 1, 80))]))
    assert any("80 different labels" in s for s in found.notices)


def test_unknown_class_codes_are_refused() -> None:
    with pytest.raises(ColumnError, match="'7'"):
        encode(pa.chunked_array([pa.array([0, 7])]), known=("a", "b"))


def test_integer_ids_with_gaps_lose_no_digits() -> None:
    frame = pd.DataFrame({"id": pd.array([1, 2**53 + 1], dtype="int64")})
    assert to_strings(pa.Table.from_pandas(frame).column("id")).to_pylist() == ["1", str(2**53 + 1)]


def test_a_damaged_page_of_a_table_costs_its_rows_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "pictures.parquet"
    table = pa.table({"id": [f"s{i}" for i in range(8)], "image": [b"picture %d" % i for i in range(8)]})
    pq.write_table(table, path, row_group_size=4, compression="none", use_dictionary=False)
    start = pq.read_metadata(path).row_group(1).column(1).data_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + 12] = b"\xff" * 12
    path.write_bytes(data)
    found = open_source(path)
    assert sorted(found.load_errors) == [4, 5, 6, 7]
    assert all("damaged here" in reason for reason in found.load_errors.values())
    assert all(found.content_hash[:4])


def test_a_column_name_that_is_no_text_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "names.parquet"
    pq.write_table(pa.table({"text": ["a", "b"], "zzzz": ["x", "y"]}), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"zzzz", b"\xffzzz"))
    for look in (preview, open_source):
        with pytest.raises(SourceError, match=r"names\.parquet cannot be read as Parquet"):
            look(path)


def test_a_binary_column_is_an_image_only_if_its_cells_look_like_one(tmp_path: Path) -> None:
    words = [f"some words about {i}" for i in range(60)]
    columns = {
        "embedding_bytes": pa.array([bytes([i, 255, 254, 1]) for i in range(60)]),
        "text": words,
        "label": pa.array([b"BMW" if i % 2 else b"caf\xc3\xa9" for i in range(60)]),
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    for named in (ColumnMap(), ColumnMap(text="text"), ColumnMap(text="text", label="label")):
        found = open_source(tmp_path / "t.parquet", named)
        assert found.modality is Modality.TEXT
        assert found.columns.image is None
        assert list(found.texts if found.texts is not None else ()) == words
        assert found.class_names == ("BMW", "café")
        assert (found.labels >= 0).all()
        assert any("'embedding_bytes'" in notice and "do not look like images" in notice for notice in found.notices)


def test_a_text_column_of_bytes_is_text(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": [b"one", b"two", "drei für".encode()]}), tmp_path / "t.parquet")
    found = open_source(tmp_path / "t.parquet")
    assert found.texts is not None
    assert list(found.texts) == ["one", "two", "drei für"]
    assert preview(tmp_path / "t.parquet").columns[0].type == "text"


def test_a_column_named_as_the_image_is_the_image_whatever_it_holds(tmp_path: Path) -> None:
    pq.write_table(pa.table({"data": [b"\xff\x00", b"\xfe\x00"], "text": ["a", "b"]}), tmp_path / "t.parquet")
    assert open_source(tmp_path / "t.parquet", ColumnMap(image="data")).columns.image == "data"


def test_paths_that_lead_nowhere_do_not_displace_the_text_that_was_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("file_name,text\ngone/1.png,some words\ngone/2.png,more words\n")
    found = open_source(tmp_path / "t.csv", ColumnMap(text="text"))
    assert found.modality is Modality.TEXT
    assert any("'file_name'" in notice and "--image" in notice for notice in found.notices)


def test_one_latin_byte_costs_its_cell_and_is_said(tmp_path: Path) -> None:
    rows = [f"{i},{'für Élise' if i % 2 else '日本語'} {i},größe".encode() for i in range(40)]
    rows[16] = b"16,caf\xe9,gr\xc3\xb6\xc3\x9fe"
    (tmp_path / "t.csv").write_bytes(b"id,text,label\n" + b"\n".join(rows) + b"\n")
    found = open_source(tmp_path / "t.csv")
    assert found.texts is not None
    assert list(found.texts) == ["café" if i == 16 else f"{'für Élise' if i % 2 else '日本語'} {i}" for i in range(40)]
    assert found.class_names == ("größe",)
    assert any("row 17, column 'text'" in notice and "Latin-1" in notice for notice in found.notices)


def test_a_byte_that_is_not_utf8_in_the_strings_of_a_parquet_table_is_said(tmp_path: Path) -> None:
    odd = pa.array([b"gr\xc3\xbcn", b"caf\xe9", None]).view(pa.string())
    pq.write_table(pa.table({"text": odd, "other": ["a", "b", "c"]}), tmp_path / "t.parquet")
    found = open_source(tmp_path / "t.parquet")
    assert found.texts is not None
    assert list(found.texts) == ["grün", "café", ""]
    assert any("row 2, column 'text'" in notice for notice in found.notices)


def test_columns_that_are_passed_over_are_named_with_the_reason(tmp_path: Path) -> None:
    columns = {"id": [1.5, 2.5, 3.5], "text": ["a", "b", "c"], "label": [{"x": 0.5}, {"x": 1.5}, None]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    notices = open_source(tmp_path / "t.parquet").notices
    assert any("'id'" in notice and "decimal numbers" in notice and "--id" in notice for notice in notices)
    assert any("'label'" in notice and "one value per row" in notice and "--label" in notice for notice in notices)
    named = open_source(tmp_path / "t.parquet", ColumnMap(id="id"))
    assert list(named.sample_ids) == ["1.5", "2.5", "3.5"]
    assert not any("decimal numbers" in notice for notice in named.notices)


def test_lone_surrogates_stay_readable_and_are_said(tmp_path: Path) -> None:
    lines = r'{"text": "half \ud83d", "label": "\udfff?"}', r'{"text": "whole \ud83d\ude00", "label": "b"}'
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    found = open_source(tmp_path / "t.jsonl")
    assert found.texts is not None
    assert list(found.texts) == [r"half \ud83d", "whole 😀"]
    assert set(found.class_names) == {r"\udfff?", "b"}
    assert any("'text'" in notice and "row 1" in notice and "surrogate" in notice for notice in found.notices)
    assert not any("several types" in notice for notice in found.notices)


def test_a_link_that_leads_outside_the_folder_is_not_walked_and_is_said(tmp_path: Path) -> None:
    outside, inside = tmp_path / "private", tmp_path / "photos"
    for folder in (outside, inside / "cat"):
        folder.mkdir(parents=True)
        (folder / "1.png").write_bytes(png(1))
    (inside / "dog").symlink_to(outside)
    (inside / "a-cat").symlink_to(inside / "cat")
    (inside / "cat/2.png").symlink_to(outside / "1.png")
    found = open_source(inside)
    assert list(found.sample_ids) == ["cat/1.png", "cat/2.png"]
    assert any("1 linked folder" in notice and "'dog'" in notice and "outside" in notice for notice in found.notices)
    assert any("1 linked folder" in notice and "'a-cat'" in notice and "another" in notice for notice in found.notices)
    assert any("Images read" in notice and "'cat/2.png'" in notice and "outside" in notice for notice in found.notices)
    (tmp_path / "only").mkdir()
    (tmp_path / "only/dog").symlink_to(outside)
    with pytest.raises(SourceError, match="outside"):
        open_source(tmp_path / "only")


def test_a_small_file_of_long_texts_is_refused_and_one_of_short_repeated_texts_is_not(tmp_path: Path) -> None:
    def repeated(text: str, n: int) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), [text])

    for kind in (pa.string(), pa.binary()):
        packed = pa.table({"text": repeated("abc " * 1_000_000, 50).cast(pa.dictionary(pa.int32(), kind))})
        pq.write_table(packed, tmp_path / "bomb.parquet", compression="zstd", store_schema=False)
        assert (tmp_path / "bomb.parquet").stat().st_size < 5_000
        with pytest.raises(SourceError, match="unpacks to"):
            open_source(tmp_path / "bomb.parquet")
    pq.write_table(
        pa.table({"text": [f"text {i}" for i in range(60_000)], "source": repeated("x" * 600, 60_000)}),
        tmp_path / "common.parquet",
    )
    assert open_source(tmp_path / "common.parquet").n == 60_000
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(b"text,label\n" + b"0" * 40_000_000 + b",a\n", 9))
    with pytest.raises(SourceError, match="unpacks to"):
        open_source(tmp_path / "bomb.csv.gz")
