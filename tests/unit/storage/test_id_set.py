"""Many ids as one value, and what outlines hold."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from winnow.core.errors import QueryError
from winnow.core.explore.filter import Filter
from winnow.core.explore.lasso import PointIndex, combined
from winnow.core.storage.id_set import IdSet

IDS = [f"a/é {i}.png" for i in range(1000)]


def test_it_reads_like_a_list() -> None:
    ids = IdSet.of(IDS)
    assert len(ids) == 1000
    assert list(ids) == IDS
    assert (ids[0], ids[-1]) == (IDS[0], IDS[-1])
    for at in (slice(3, 7), slice(None), slice(990, 2000), slice(7, 3), slice(None, None, -250)):
        assert ids[at] == IDS[at]
    assert IDS[5] in ids
    assert "b" not in ids
    with pytest.raises(IndexError, match="1000"):
        ids[1000]
    assert IdSet.of(ids) is ids
    assert list(IdSet.of(())) == []


def test_sets_are_cut_ordered_and_joined_as_lists_are() -> None:
    ids = IdSet(pa.array(IDS[:9]))  # short offsets; those of lists are long
    assert ids.difference([IDS[2], "b", IDS[0]]) == [IDS[1], *IDS[3:9]]
    assert ids.reorder_like([IDS[5], "b", IDS[2]]) == [IDS[5], IDS[2], *(IDS[i] for i in (0, 1, 3, 4, 6, 7, 8))]
    assert ids.prepend(["b", IDS[0]]) == ["b", IDS[0], *IDS[:9]]
    assert ids.take(np.array([3, 1])) == [IDS[3], IDS[1]]
    assert ids.difference([]) == ids.reorder_like([]) == ids.prepend([]) == IDS[:9]


def test_equal_ids_have_one_digest_however_they_are_kept() -> None:
    parts = IdSet(pa.chunked_array([pa.array(IDS[:10]), pa.array(IDS[10:])]))
    sliced = IdSet(pa.array(["x", *IDS]).slice(1))
    whole = IdSet.of(IDS)
    assert whole == parts == sliced == IDS
    assert len({whole, parts, sliced}) == 1
    assert whole != IdSet.of(IDS[::-1])
    assert IdSet.of(["ab", "c"]) != IdSet.of(["a", "bc"])


def test_a_filter_keeps_it_as_it_is() -> None:
    ids = IdSet.of(IDS)
    assert Filter(ids=ids).ids is ids
    assert Filter(ids=ids) == Filter(ids=IdSet.of(IDS))
    assert Filter(ids=ids).to_query() == Filter(ids=tuple(IDS)).to_query()


def test_it_is_compact() -> None:
    assert IdSet.of(f"{i:020d}" for i in range(10_000)).nbytes < 30 * 10_000


def test_outlines_add_and_take_out_in_order() -> None:
    x, y = np.meshgrid(np.arange(10.0), np.arange(10.0))
    points = PointIndex(x.ravel(), y.ravel())

    def box(x0: float, x1: float) -> list[list[float]]:
        return [[x0, -1], [x1, -1], [x1, 20], [x0, 20]]

    def columns(*args: object) -> list[int]:
        chosen = combined(points, *args).reshape(10, 10)  # type: ignore[arg-type]
        assert (chosen == chosen[0]).all()
        return np.flatnonzero(chosen[0]).tolist()

    add, take = ("add", box(1.5, 6.5)), ("subtract", box(3.5, 8.5))
    assert columns([add]) == [2, 3, 4, 5, 6]
    assert columns([add, take]) == [2, 3]
    assert columns([take, add]) == [2, 3, 4, 5, 6]
    every = np.arange(100).reshape(10, 10)
    base, allowed = every[:, [5, 9]].ravel(), every[:, :5].ravel()
    assert columns([add], allowed) == [2, 3, 4]
    assert columns([add], None, base) == [2, 3, 4, 5, 6, 9]
    assert columns([take], None, base) == [9]
    assert columns([take], allowed, base) == [5, 9]  # an outline touches only what is allowed
    with pytest.raises(QueryError, match="'add' or 'subtract'"):
        combined(points, [("xor", box(0, 1))])
