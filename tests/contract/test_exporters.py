"""What every export format must keep: a new one is tested on arrival."""

from __future__ import annotations

import csv
import errno
import io
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from winnow.core.errors import DiskFull, ExportError
from winnow.core.export.curated_file import EXPORTERS, Exporter, ExportResult, Rows, export, exporter_for
from winnow.core.storage.atomic import checksum_of

FORMATS = sorted(EXPORTERS.names())

NASTY = [
    "plain",
    "comma, quote \" and 'apostrophe'",
    "two\nlines",
    "dos\r\nlines",
    "Ünïcödé 🦌 日本語 \u202eidib",
    "",
    " spaces ",
    "a\ttab",
    "back\\slash",
    "<b>html</b>",
    "x" * 5000,
]


class Tables:
    """Rows from tables made beforehand."""

    def __init__(self, *tables: pa.Table, schema: pa.Schema | None = None, excluded: int = 0) -> None:
        self._tables = tables
        self._schema = schema or tables[0].schema
        self._excluded = excluded

    @property
    def schema(self) -> pa.Schema:
        return self._schema

    def __iter__(self) -> Iterator[pa.Table]:
        yield from self._tables

    def summary(self) -> Mapping[str, Any]:
        return {"excluded": self._excluded}


@pytest.fixture(params=FORMATS)
def exporter(request: pytest.FixtureRequest) -> Exporter:
    return EXPORTERS.get(request.param)


@pytest.fixture
def target(exporter: Exporter, tmp_path: Path) -> Path:
    return tmp_path / f"curated{exporter.suffixes[0]}"


def read(path: Path) -> pd.DataFrame:
    """As a user would read it back."""
    if path.suffix == ".csv":
        return pd.read_csv(path, keep_default_na=False, na_values=[])
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.DataFrame([json.loads(line) for line in path.read_text().split("\n")[:-1]])


def write(path: Path, *tables: pa.Table, **more: Any) -> ExportResult:
    return export(path, Tables(*tables, **more), {"from": "a test"})


def test_an_exporter_describes_itself(exporter: Exporter) -> None:
    assert isinstance(exporter, Exporter)
    assert exporter is EXPORTERS.get(exporter.name)
    assert type(exporter).__doc__
    assert isinstance(Tables(pa.table({"a": [1]})), Rows)
    for suffix in exporter.suffixes:
        assert suffix == suffix.lower()
        assert exporter_for(f"X{suffix.upper()}") is exporter


def test_texts_and_numbers_come_back_with_pandas(target: Path) -> None:
    n = len(NASTY)
    table = pa.table(
        {
            "text": NASTY,
            "whole": pa.array([2**53 + i for i in range(n)], pa.int64()),
            "real": [1 / (i + 3) for i in range(n)],
            "yes": [bool(i % 2) for i in range(n)],
            'odd, "name"\nü': list(range(n)),
        }
    )
    result = write(target, table.slice(0, 4), table.slice(4))
    back = read(target)
    assert back.columns.tolist() == table.column_names
    assert back["text"].tolist() == NASTY
    assert back["whole"].tolist() == table["whole"].to_pylist()
    assert back["real"].tolist() == pytest.approx(table["real"].to_pylist(), rel=1e-15)
    assert back["yes"].tolist() == table["yes"].to_pylist()
    assert (result.rows, result.path) == (n, target)


def test_types_that_a_table_may_hold(target: Path) -> None:
    table = pa.table(
        {
            "list": [[1, 2], None],
            "struct": [{"a": "x, y"}, {"a": None}],
            "bytes": [b"\x00\xff", None],
            "category": pa.array(["a", None]).dictionary_encode(),
            "when": pa.array([datetime(2026, 3, 1, tzinfo=UTC), None], pa.timestamp("us", "UTC")),
            "decimal": [Decimal("1.50"), None],
            "duration": pa.array([5, None], pa.duration("s")),
            "nothing": pa.nulls(2),
            "half": pa.array([0.5, None], pa.float16()),
            "nan": [float("nan"), float("inf")],
            "large": pa.array(["=1", None], pa.large_string()),
        }
    )
    assert write(target, table).rows == 2
    back = read(target)
    assert back.columns.tolist() == table.column_names
    assert len(back) == 2
    assert str(back["category"][0]) == "a"
    assert float(back["decimal"][0]) == 1.5
    assert float(back["half"][0]) == 0.5


def test_null_is_not_the_empty_text(target: Path) -> None:
    write(target, pa.table({"id": ["a", "b", "c"], "label": ["", None, "x"]}))
    if target.suffix == ".csv":
        assert target.read_bytes().splitlines()[1:3] == [b'"a",""', b'"b",']
    else:
        assert [None if v is None or v != v else v for v in read(target)["label"].tolist()] == ["", None, "x"]


def test_an_empty_export_still_has_its_columns(target: Path) -> None:
    empty = pa.table({"a": pa.array([], pa.string()), "b": pa.array([], pa.int64())})
    result = write(target, empty, excluded=3)
    assert (result.rows, result.excluded) == (0, 3)
    if target.suffix != ".jsonl":
        assert read(target).columns.tolist() == ["a", "b"]
    assert write(target, schema=empty.schema).rows == 0


def test_the_manifest_and_the_patch_lie_beside_it(target: Path) -> None:
    result = export(
        target, Tables(pa.table({"a": ["x"]}), excluded=2), {"from": "a test"}, [b'{"one": 1}\n'], "2026-03-01"
    )
    assert result.manifest_path == target.with_name(f"{target.name}.manifest.json")
    assert result.patch_path == target.with_name(f"{target.name}.patch.jsonl")
    assert result.patch_path.read_bytes() == b'{"one": 1}\n'
    manifest = json.loads(result.manifest_path.read_text())
    assert manifest == result.manifest
    wanted = {"rows": 1, "excluded": 2, "created": "2026-03-01", "from": "a test", "file": target.name}
    assert wanted.items() <= manifest.items()
    assert manifest["columns"] == [{"name": "a", "type": "string"}]
    assert manifest["bytes"] == target.stat().st_size
    assert manifest["checksum"] == checksum_of(target)


def test_the_same_rows_give_the_same_bytes(target: Path) -> None:
    table = pa.table({"a": NASTY, "b": range(len(NASTY))})
    write(target, table)
    first = target.read_bytes()
    write(target, table)
    assert target.read_bytes() == first


class _Cut(Tables):
    def __init__(self, error: BaseException) -> None:
        super().__init__(pa.table({"a": ["x"] * 10_000}))
        self._error = error

    def __iter__(self) -> Iterator[pa.Table]:
        yield from self._tables
        raise self._error


@pytest.mark.parametrize(
    ("cut", "error"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), DiskFull),
        (OSError(errno.EACCES, "Permission denied"), ExportError),
        (RuntimeError("anything"), RuntimeError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_a_failure_leaves_the_old_export(target: Path, cut: BaseException, error: type[BaseException]) -> None:
    write(target, pa.table({"a": ["old"]}))
    before = {p.name: p.read_bytes() for p in target.parent.iterdir()}
    with pytest.raises(error):
        export(target, _Cut(cut), {})
    assert {p.name: p.read_bytes() for p in target.parent.iterdir()} == before


def test_memory_does_not_grow_with_the_rows(target: Path) -> None:
    """Each table can be freed before the next one is asked for."""
    alive: list[int] = []

    class Many(Tables):
        def __iter__(self) -> Iterator[pa.Table]:
            for _ in range(12):
                alive.append(pa.total_allocated_bytes())
                yield pa.table({"a": pa.array(range(50_000), pa.int64())})

    assert export(target, Many(schema=pa.schema([("a", pa.int64())])), {}).rows == 600_000
    assert max(alive[5:]) - min(alive[5:]) < 3_000_000  # bytes; one table has 400,000


# --- CSV and spreadsheets ---------------------------------------------------------------------------------------

FORMULAS = [
    "=1+1",
    "+cmd|'/C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1+1",
    "--1",
]
HARMLESS = ["-1", "+3.5", "-1e-5", "-.5", "+2.", "12", "-", "+", "=", "-1e5x", "@ada", "+49 151 2345", "a=b", "x-y"]


def test_no_cell_of_a_csv_is_a_formula(tmp_path: Path) -> None:
    texts = FORMULAS + HARMLESS
    result = export(tmp_path / "x.csv", Tables(pa.table({"=evil()": texts, "n": [-1.5] * len(texts)})), {})
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["'=evil()", "n"]
    assert [r[0] for r in rows] == [f"'{t}" for t in FORMULAS] + HARMLESS
    assert {r[1] for r in rows} == {"-1.5"}
    assert result.manifest["neutralised_cells"] == {"=evil()": len(FORMULAS)}
    assert result.manifest["neutralised_headers"] == 1


@pytest.mark.parametrize(
    "make", [lambda a: a.dictionary_encode(), lambda a: a.cast(pa.large_string()), lambda a: a.cast(pa.string_view())]
)
def test_formulas_do_not_hide_in_other_text_types(tmp_path: Path, make: Any) -> None:
    export(tmp_path / "x.csv", Tables(pa.table({"a": make(pa.array(["=1+1", None]))})), {})
    assert list(csv.reader(io.StringIO((tmp_path / "x.csv").read_text())))[1] == ["'=1+1"]


# --- where to ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.xlsx", "x", "csv", ".csv"])
def test_an_unknown_format_names_the_known(tmp_path: Path, name: str) -> None:
    with pytest.raises(ExportError, match=r"which format.*'\.csv'.*'\.parquet'"):
        write(tmp_path / name, pa.table({"a": [1]}))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(ExportError, match="is a folder"):
        write(tmp_path / "x.csv", pa.table({"a": [1]}))


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match=r"cannot be written.*Choose another folder"):
        write(tmp_path / "file" / "x.csv", pa.table({"a": [1]}))
