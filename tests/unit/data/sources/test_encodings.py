"""Files that are not wholly UTF-8: the row is named, all else is read as UTF-8, and exports hold what was read."""

from __future__ import annotations

import codecs
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from winnow.core.data.sources import open_source
from winnow.core.errors import SourceError
from winnow.core.types import ColumnMap
from winnow.core.workspace import Workspace

TEXTS = [f"naïve – 北京 {i}" for i in range(30)]
BAD = b"caf\xe9 \xe2\x80\x93 na\xc3\xafve \x93x\x94"
READ = "café – naïve “x”"
"""``BAD``: Latin-1, UTF-8 and Windows-1252 in one cell."""
COLUMNS = ColumnMap(id="id", text="text", label="label")
TABLES = ("csv", "tsv", "jsonl", "json")


def write(path: Path, texts: list[bytes]) -> Path:
    """A table of ids, texts and labels; Parquet holds the bytes as they are."""
    ids, labels = [b"s%d" % i for i in range(len(texts))], [b"ab"[i % 2 : i % 2 + 1] for i in range(len(texts))]
    rows = list(zip(ids, texts, labels, strict=True))
    if path.suffix == ".parquet":
        columns = {"id": ids, "text": texts, "label": labels}
        pq.write_table(pa.table({k: pa.array(v, pa.binary()).view(pa.string()) for k, v in columns.items()}), path)
    elif path.suffix in (".csv", ".tsv"):
        comma = b"," if path.suffix == ".csv" else b"\t"
        path.write_bytes(b"".join(comma.join(row) + b"\n" for row in [(b"id", b"text", b"label"), *rows]))
    else:
        objects = [b'{"id": "%s", "text": "%s", "label": "%s"}' % row for row in rows]
        path.write_bytes(b"\n".join(objects) if path.suffix == ".jsonl" else b"[" + b",\n".join(objects) + b"]")
    return path


@pytest.mark.parametrize("suffix", [*TABLES, "parquet"])
def test_one_bad_cell_is_named_and_costs_nothing_else(tmp_path: Path, suffix: str) -> None:
    texts = [text.encode() for text in TEXTS]
    texts[17] = BAD
    found = open_source(write(tmp_path / f"t.{suffix}", texts), COLUMNS)
    assert found.texts is not None
    assert list(found.texts) == [*TEXTS[:17], READ, *TEXTS[18:]]
    (notice,) = (n for n in found.notices if "UTF-8" in n)
    assert "Not UTF-8: 1 cell in 1 of 30 rows (row 18, column 'text')" in notice


@pytest.mark.parametrize("suffix", TABLES)
def test_a_file_in_latin_1_is_read_as_such(tmp_path: Path, suffix: str) -> None:
    texts = [f"caf\u00e9 {i} “so”" for i in range(30)]
    found = open_source(write(tmp_path / f"t.{suffix}", [t.encode("cp1252") for t in texts]), COLUMNS)
    assert found.texts is not None
    assert list(found.texts) == texts
    assert f"t.{suffix} is not UTF-8; it was read as Latin-1" in " ".join(found.notices)


@pytest.mark.parametrize("suffix", TABLES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_other_unicode_encodings_need_no_notice(tmp_path: Path, suffix: str, encoding: str) -> None:
    path = write(tmp_path / f"t.{suffix}", [text.encode() for text in TEXTS])
    path.write_bytes(path.read_bytes().decode().encode(encoding))
    found = open_source(path, COLUMNS)
    assert found.texts is not None
    assert (list(found.texts), list(found.sample_ids)) == (TEXTS, [f"s{i}" for i in range(30)])
    assert not [n for n in found.notices if "UTF-8" in n]


def test_a_bad_name_and_a_nested_cell_are_named(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_bytes(
        '{"text": "naïve words", "größe": 1}\n'.encode() + b'{"text": "plain words", "gr\xf6\xdfe": 2}\n'
        b'{"text": "other words", "tags": ["caf\xe9"]}\n'
    )
    found = open_source(tmp_path / "t.jsonl", ColumnMap(text="text"))
    assert found.metadata.column("größe").to_pylist() == [1, 2, None]
    assert found.metadata.column("tags").to_pylist()[2] == ["café"]
    assert "Not UTF-8: 2 cells in 2 of 3 rows (row 2, column 'größe'; row 3, column 'tags')" in " ".join(found.notices)


@pytest.mark.parametrize("data", [codecs.BOM_UTF16_LE + b'{\0"', bytes(range(256)), b"\xff" * 50])
def test_what_is_no_text_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "t.jsonl").write_bytes(data)
    with pytest.raises(SourceError, match=r"t\.jsonl cannot be read as"):
        open_source(tmp_path / "t.jsonl")


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_an_export_holds_what_was_read(tmp_path: Path, suffix: str) -> None:
    texts = [text.encode() for text in TEXTS]
    texts[17] = BAD
    source = write(tmp_path / f"t.{suffix}", texts)
    with Workspace.scan(source, tmp_path / "ws", encoder="tfidf", projection=False, network=False) as ws:
        for out in ("csv", "jsonl", "parquet"):
            again = open_source(ws.export(tmp_path / f"out.{out}").path, COLUMNS)
            assert again.texts is not None
            assert list(again.texts) == [*TEXTS[:17], READ, *TEXTS[18:]]
            assert not [n for n in again.notices if "UTF-8" in n]
        rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert rows[17]["text"] == READ
