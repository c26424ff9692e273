"""Rows by number across row groups."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from winnow.core.storage.artifacts import save_table
from winnow.core.storage.parquet_rows import RowReader


@pytest.fixture
def reader(tmp_path: Path) -> RowReader:
    path = tmp_path / "t.parquet"
    save_table(path, pa.table({"row": list(range(25)), "name": [f"s{i}" for i in range(25)]}), row_group_size=10)
    return RowReader(path, groups=1)


def test_rows_come_in_the_order_asked_for(reader: RowReader) -> None:
    assert [r["name"] for r in reader.take([24, 3, 11, 3])] == ["s24", "s3", "s11", "s3"]
    assert reader.take([]) == []
    assert len(reader) == 25


def test_a_row_that_is_not_there_is_refused(reader: RowReader) -> None:
    for rows in ([25], [-1]):
        with pytest.raises(IndexError, match="table with 25"):
            reader.take(rows)


def test_no_more_row_groups_are_held_than_allowed(reader: RowReader) -> None:
    reader.take([0, 12, 24])
    assert len(reader._cache) == 1
    assert reader.column("row").to_pylist() == list(range(25))


def test_one_file_is_never_read_by_two_threads_at_once(reader: RowReader, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most = 0, 0
    read, group = reader._file.read, reader._file.read_row_group

    def watched(how: Callable[..., pa.Table], *args: object, **more: object) -> pa.Table:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.002)
        table = how(*args, **more)
        inside -= 1
        return table

    class Watched:
        read = staticmethod(lambda *a, **k: watched(read, *a, **k))
        read_row_group = staticmethod(lambda *a, **k: watched(group, *a, **k))

    monkeypatch.setattr(reader, "_file", Watched)
    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(reader.column, "row") for _ in range(6)]
        asked += [pool.submit(reader.take, [i, 24 - i]) for i in range(6)]  # type: ignore[arg-type]
        for done in asked:
            done.result()
    assert most == 1
