"""The types of columns: as the source had them, in every format that has types; in CSV letter for letter."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from winnow.core.data.sources import open_source
from winnow.core.data.sources.cell_types import type_of
from winnow.core.data.sources.columns import is_text
from winnow.core.workspace import Workspace

N = 24
CELLS = {  # the cells of a CSV file, and what they are
    "whole": ([str(i - 3) for i in range(N)], pa.int64()),
    "price": ([f"{i}.50" for i in range(N - 1)] + [""], pa.float64()),
    "tiny": ([f"{i}e-07" for i in range(N - 2)] + ["nan", "-inf"], pa.float64()),
    "yes": (["True", "False", "False"] * (N // 3), pa.bool_()),
    "no": (["false", "", ""] * (N // 3), pa.bool_()),
    "zip": ([f"0{i:04d}" for i in range(N)], pa.string()),
    "version": ([f"1.{i}" for i in range(1, N)] + ["1.10 "], pa.string()),
    "release": (["1.1", "1.10"] * (N // 2), pa.string()),
    "mixed": (["true", "True"] * (N // 2), pa.string()),
    "huge": ([f"{10**20 + i}" for i in range(N)], pa.string()),
    "exact": ([f"0.1234567890123456{i:04d}" for i in range(N)], pa.string()),
    "over": (["1e999", "1.5"] * (N // 2), pa.string()),
    "empty": ([""] * N, pa.string()),
    "words": (["nan", "inf"] * (N // 2), pa.string()),
}
ROLES = {
    "id": [f"{i}.5" for i in range(N)],
    "text": [f"words of {i}" for i in range(N)],
    "label": ["1.0", "2.0"] * (N // 2),
}


@pytest.fixture(scope="module")
def from_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("types")
    columns = {**ROLES, **{name: cells for name, (cells, _) in CELLS.items()}}
    with (home / "t.csv").open("w", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(columns)
        out.writerows(zip(*columns.values(), strict=True))
    Workspace.scan(home / "t.csv", home / "ws", encoder="tfidf", projection=False, network=False).close()
    return home


def expected(name: str) -> list[object]:
    cells, kind = CELLS[name]
    if pa.types.is_string(kind):
        return list(cells)
    if pa.types.is_boolean(kind):
        return [None if c == "" else c.lower() == "true" for c in cells]
    return [None if c == "" else float(c) if pa.types.is_floating(kind) else int(c) for c in cells]


@pytest.mark.parametrize("name", CELLS)
def test_csv_columns_have_their_type_in_parquet(from_csv: Path, tmp_path: Path, name: str) -> None:
    with Workspace.open(from_csv / "ws") as ws:
        column = pq.read_table(ws.export(tmp_path / "x.parquet").path).column(name)
    kind = CELLS[name][1]
    assert column.type == kind or (is_text(column.type) and is_text(kind))
    assert repr(column.to_pylist()) == repr(expected(name))


def test_csv_columns_have_their_type_in_json_lines(from_csv: Path, tmp_path: Path) -> None:
    with Workspace.open(from_csv / "ws") as ws:
        lines = ws.export(tmp_path / "x.jsonl").path.read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    for name, (_, kind) in CELLS.items():
        cells = [row[name] for row in rows]
        wanted = expected(name)
        if pa.types.is_floating(kind):  # JSON has no NaN and no infinity
            wanted = [None if v != v or v in (float("inf"), float("-inf")) else v for v in wanted]  # type: ignore[arg-type]
        assert repr(cells) == repr(wanted), name


def test_csv_comes_back_letter_for_letter(from_csv: Path, tmp_path: Path) -> None:
    with Workspace.open(from_csv / "ws") as ws:
        text = ws.export(tmp_path / "x.csv").path.read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    for name, cells in {**ROLES, **{name: cells for name, (cells, _) in CELLS.items()}}.items():
        assert [row[name] for row in rows] == cells, name


def test_ids_and_labels_stay_texts(from_csv: Path, tmp_path: Path) -> None:
    with Workspace.open(from_csv / "ws") as ws:
        table = pq.read_table(ws.export(tmp_path / "x.parquet").path)
        assert set(ws.classes()) == {"1.0", "2.0"}
    for name, cells in ROLES.items():
        assert table[name].to_pylist() == cells
    again = open_source(tmp_path / "x.parquet")
    assert (set(again.class_names), list(again.sample_ids)) == ({"1.0", "2.0"}, ROLES["id"])


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_types_of_other_sources_are_theirs(tmp_path: Path, suffix: str) -> None:
    table = pa.table(
        {
            "id": [f"s{i}" for i in range(N)],
            "text": [f"words of {i}" for i in range(N)],
            "whole": list(range(N)),
            "real": [i / 4 for i in range(N - 1)] + [None],
            "number in words": [f"{i}.5" for i in range(N)],
            "yes": [bool(i % 2) for i in range(N)],
            "list": [[i, i + 1] for i in range(N)],
            "nested": [{"a": i, "b": [str(i)]} for i in range(N)],
        }
    )
    if suffix == ".parquet":
        pq.write_table(table, tmp_path / "t.parquet")
    else:
        lines = [json.dumps({k: v for k, v in row.items() if v is not None}) for row in table.to_pylist()]
        (tmp_path / "t.jsonl").write_text("\n".join(lines))
    with Workspace.scan(
        tmp_path / f"t{suffix}", tmp_path / "ws", encoder="tfidf", projection=False, network=False
    ) as ws:
        columnar = pq.read_table(ws.export(tmp_path / "x.parquet").path).select(table.column_names)
        lines = ws.export(tmp_path / "x.jsonl").path.read_text().splitlines()
        frame = pd.read_csv(ws.export(tmp_path / "x.csv").path)
    assert columnar.schema.equals(table.schema, check_metadata=False)
    assert columnar.to_pylist() == table.to_pylist()
    assert [{k: json.loads(line)[k] for k in table.column_names} for line in lines] == table.to_pylist()
    assert (frame["whole"].dtype, frame["real"].dtype, frame["yes"].dtype) == ("int64", "float64", "bool")
    assert all(type_of(field) == field.type for field in open_source(tmp_path / "x.parquet").metadata.schema)


def test_a_changed_column_is_exported_after_the_next_scan(tmp_path: Path) -> None:
    def scan(value: float) -> list[float]:
        pd.DataFrame({"id": ROLES["id"], "text": ROLES["text"], "price": [value] * N}).to_csv(tmp_path / "t.csv")
        with Workspace.scan(
            tmp_path / "t.csv", tmp_path / "ws", encoder="tfidf", projection=False, network=False
        ) as ws:
            return pd.read_parquet(ws.export(tmp_path / "x.parquet").path)["price"].tolist()

    assert scan(1.5) == [1.5] * N
    assert scan(2.5) == [2.5] * N
