"""Columns of bytes: what a person names as the image is bytes, whatever it looks like; paths in cells stay inside."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from winnow.core import Workspace
from winnow.core.data.media.decode import Undecodable, decode, image_formats
from winnow.core.data.sources import open_source, preview
from winnow.core.types import ColumnMap, Modality

PPM = [f"P3\n2 2\n255\n{' '.join(str(20 * i + j) for j in range(12))}\n".encode() for i in range(8)]


@pytest.mark.parametrize("name", ["pixels", "PIXELS"])
def test_a_named_column_of_bytes_is_read_as_bytes_even_where_they_are_text(tmp_path: Path, name: str) -> None:
    pq.write_table(pa.table({"pixels": [b"words", *PPM], "label": list("ababababa")}), tmp_path / "t.parquet")
    dataset = open_source(tmp_path / "t.parquet", ColumnMap(image=name))
    assert dataset.modality is Modality.IMAGE
    assert dataset.media.kind == "parquet"
    assert dataset.metadata is not None
    assert dataset.metadata.column_names == ["label"]
    seen = preview(tmp_path / "t.parquet", ColumnMap(image=name))
    assert seen.guessed.image == "pixels"
    assert seen.rows[0]["pixels"] == "image, 5 bytes"


def test_a_column_of_bytes_that_is_text_stays_text_where_it_is_not_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": [b"some words", b"other words"], "label": ["a", "b"]}), tmp_path / "t.parquet")
    assert open_source(tmp_path / "t.parquet").modality is Modality.TEXT


def test_paths_in_cells_of_a_table_are_exported_only_from_inside_its_folder(tmp_path: Path, tiny_data: Path) -> None:
    pictures = list(pd.read_parquet(tiny_data / "samples.parquet")["image"][:12])
    (tmp_path / "data").mkdir()
    (tmp_path / "outside.png").write_bytes(pictures[0])
    (tmp_path / "data" / "inside.png").write_bytes(pictures[1])
    cells = [{"bytes": p, "path": "x.png"} for p in pictures[2:]]
    cells += [{"bytes": None, "path": "../outside.png"}, {"bytes": None, "path": "inside.png"}]
    cells += [{"bytes": None, "path": str(tmp_path / "outside.png")}]
    ids = [f"s{i}" for i in range(len(cells))]
    table = pa.table({"id": ids, "image": cells, "label": [["a", "b"][i % 2] for i in range(len(cells))]})
    pq.write_table(table, tmp_path / "data" / "t.parquet")
    with Workspace.scan(
        tmp_path / "data" / "t.parquet", tmp_path / "ws", encoder="patches", projection=False, network=False
    ) as ws:
        left_out = ws.exports.export(tmp_path / "out", format="image_folder").manifest["left_out_samples"]
        assert set(left_out) == {ids[-3], ids[-1]}
        assert "--allow-outside" in left_out[ids[-1]]
        every = ws.exports.export(tmp_path / "every", format="image_folder", allow_outside=True)
        assert every.rows == len(ids)
        ws.exports.export(tmp_path / "plain.parquet")
        stored = pq.read_table(tmp_path / "plain.parquet").to_pylist()
    assert pictures[0] not in [row["image"] if isinstance(row["image"], bytes) else b"" for row in stored]


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1"])
def test_a_heic_image_that_cannot_be_read_says_what_to_install(brand: bytes) -> None:
    data = b"\0\0\0\x18ftyp" + brand + bytes(12) + bytes(200)
    with pytest.raises(Undecodable) as error:
        decode(data)
    assert "HEIF" in image_formats() or "winnow[heif]" in str(error.value)


def test_dates_beyond_the_calendar_are_kept_as_numbers_and_said(tmp_path: Path) -> None:
    days = pa.array([2**31 - 1, 0, None], pa.int32())
    nested = pa.StructArray.from_arrays([days.cast(pa.date32())], ["day"])
    columns = {"text": ["one", "two", "three"], "day": days.cast(pa.date32()), "nested": nested}
    pq.write_table(pa.table({**columns, "fine": pa.array([1, 2, None], pa.timestamp("us"))}), tmp_path / "t.parquet")
    dataset = open_source(tmp_path / "t.parquet")
    assert dataset.metadata is not None
    assert dataset.metadata.column("day").to_pylist() == days.to_pylist()
    assert dataset.metadata.column("nested").to_pylist()[0] == {"day": 2**31 - 1}
    assert pa.types.is_timestamp(dataset.metadata.schema.field("fine").type)
    assert any("1 to 9999" in notice and "'day', 'nested'" in notice for notice in dataset.notices)
    assert preview(tmp_path / "t.parquet").rows[0]["day"] == 2**31 - 1
