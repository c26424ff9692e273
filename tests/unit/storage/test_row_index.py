"""Ids and their rows: the same answers as a dictionary."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from winnow.core.storage import row_index
from winnow.core.storage.row_index import RowIndex, hashes

IDS = [
    "",
    "a",
    "aa",
    "b",
    "ab",
    "ba",
    "größe",
    "🐈",
    "a" * 700,
    "\x00",
    "\x00\x00",
    *(f"n/{i}.png" for i in range(20_000)),
]


@pytest.mark.parametrize("cut", [1, 9_000, len(IDS)])
def test_answers_as_a_dictionary_does(cut: int) -> None:
    index = RowIndex(pa.chunked_array([pa.array(IDS[:cut]), pa.array(IDS[cut:], pa.string())]))
    known = {sample: row for row, sample in enumerate(IDS)}
    assert dict(index) == known
    assert index.rows(IDS[::-7]).tolist() == [known[i] for i in IDS[::-7]]
    for other in ("c", "a ", "n/20000.png", "\ud800", 3, None):
        assert other not in index
        assert index.get(other) is None  # type: ignore[call-overload]
    assert index.find(["b", "c"]).tolist() == [known["b"], -1]
    assert index.find(pa.chunked_array([["b", None], ["", None]])).tolist() == [known["b"], -1, known[""], -1]
    with pytest.raises(KeyError, match="c"):
        index.rows(["b", "c"])


def test_ids_of_a_slice_are_read_from_their_own_offsets() -> None:
    whole = pa.array(IDS, pa.large_string())
    np.testing.assert_array_equal(hashes(whole)[5:99], hashes(whole.slice(5, 94)))


def test_ids_with_the_same_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_index, "_BASE", 1)  # every order of the same bytes has the same hash
    index = RowIndex(pa.array(["abc", "bca", "x", "cab"]))
    assert [index[i] for i in ("cab", "abc", "bca")] == [3, 0, 1]
    assert index.find(["bca", "acb", "x", "abc"]).tolist() == [1, -1, 2, 0]
    assert "acb" not in index


def test_of_an_id_that_is_there_twice_the_later_row_holds() -> None:
    index = RowIndex(pa.array(["a", "b", "a"]))
    assert index["a"] == 2
    assert index.rows(["a"]).tolist() == [2]


def test_nothing_has_no_rows() -> None:
    index = RowIndex(pa.array([], pa.string()))
    assert len(index) == 0
    assert index.find(["a"]).tolist() == [-1]
    assert index.rows([]).tolist() == []
