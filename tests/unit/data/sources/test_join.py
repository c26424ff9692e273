"""Embeddings and probabilities that people bring."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from winnow.core.data.sources import open_source
from winnow.core.data.sources.join import load_probabilities
from winnow.core.data.sources.precomputed import open_embeddings, usable
from winnow.core.errors import JoinError, SourceError
from winnow.core.types import Dataset

VECTORS = np.arange(12, dtype=np.float32).reshape(4, 3) + 1


def load_embeddings(path, dataset):
    """All blocks of brought embeddings at once: vectors (n, d) with zeros where not ok, ok (n,), notices."""
    brought = open_embeddings(path, dataset)
    values, ok = np.zeros((brought.n, brought.dim), brought.dtype), np.zeros(brought.n, bool)
    for rows, block in brought.blocks():
        ok[rows] = usable(block)
        values[rows] = np.where(ok[rows, None], block, 0)
    return values, ok, brought.notices(ok, dataset)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    (tmp_path / "t.csv").write_text("id,text,label\na,one day,x\nb,two days,y\nc,three,x\nd,four,y\n")
    return open_source(tmp_path / "t.csv")


def parquet(tmp_path: Path, ids: list[str], vectors: np.ndarray, kind: pa.DataType = pa.float32()) -> Path:
    cells = [None if np.isnan(v).all() else v.astype(kind.to_pandas_dtype()) for v in vectors]
    pq.write_table(pa.table({"id": ids, "embedding": pa.array(cells, pa.list_(kind))}), tmp_path / "e.parquet")
    return tmp_path / "e.parquet"


def test_rows_are_joined_by_id(tmp_path: Path, dataset: Dataset) -> None:
    order = [2, 0, 3, 1]
    path = parquet(tmp_path, [dataset.sample_ids[i] for i in order], VECTORS[order])
    vectors, ok, notices = load_embeddings(path, dataset)
    np.testing.assert_array_equal(vectors, VECTORS)
    assert vectors.dtype == np.float32
    assert ok.all()
    assert notices == ()


def test_half_precision_stays_half(tmp_path: Path, dataset: Dataset) -> None:
    vectors, _, _ = load_embeddings(parquet(tmp_path, list("abcd"), VECTORS, pa.float16()), dataset)
    assert vectors.dtype == np.float16
    np.testing.assert_array_equal(vectors, VECTORS)


def test_many_float_columns(tmp_path: Path, dataset: Dataset) -> None:
    frame = pd.DataFrame(np.tile(VECTORS, (1, 3)), columns=[f"f{i}" for i in range(9)]).assign(id=list("abcd"))
    frame.iloc[::-1].to_parquet(tmp_path / "e.parquet")
    vectors, _, _ = load_embeddings(tmp_path / "e.parquet", dataset)
    np.testing.assert_array_equal(vectors, np.tile(VECTORS, (1, 3)))


def test_npy_goes_by_row_order(tmp_path: Path, dataset: Dataset) -> None:
    np.save(tmp_path / "e.npy", VECTORS)
    np.testing.assert_array_equal(load_embeddings(tmp_path / "e.npy", dataset)[0], VECTORS)


def test_nan_null_and_zero_rows_are_not_ok(tmp_path: Path, dataset: Dataset) -> None:
    broken = VECTORS.copy()
    broken[0] = np.nan
    broken[1, 1] = np.inf
    broken[2] = 0
    vectors, ok, notices = load_embeddings(parquet(tmp_path, list("abcd"), broken), dataset)
    assert ok.tolist() == [False, False, False, True]
    assert not vectors[:3].any()
    assert "3 of 4" in notices[0]
    assert "'a'" in notices[0]


@pytest.mark.parametrize("kind", ["npy", "parquet", "parts"])
def test_many_rows_come_in_blocks_and_are_those_of_the_file(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from winnow.core.data.sources import precomputed as brought

    monkeypatch.setattr(brought, "_BLOCK", 16)
    random = np.random.default_rng(0)
    vectors, order = random.normal(size=(100, 5)).astype(np.float32), random.permutation(100)
    ids = [f"s{i}" for i in range(100)]
    pq.write_table(pa.table({"id": ids, "label": ["x", "y"] * 50}), tmp_path / "t.parquet")
    dataset = open_source(tmp_path / "t.parquet", vectors_apart=True)
    where = tmp_path / ("e.npy" if kind == "npy" else "e.parquet")
    if kind == "npy":
        np.save(where, vectors)
    else:
        table = pa.table({"id": [ids[i] for i in order], "embedding": list(vectors[order])})
        if kind == "parts":
            where = tmp_path / "e"
            where.mkdir()
            pq.write_table(table.slice(0, 30), where / "0.parquet")
            pq.write_table(table.slice(30), where / "1.parquet")
        else:
            pq.write_table(table, where, row_group_size=40)
    found = open_embeddings(where, dataset)
    blocks = list(found.blocks())
    assert max(len(rows) for rows, _ in blocks) <= 16
    assert sorted(np.concatenate([rows for rows, _ in blocks])) == list(range(100))
    np.testing.assert_array_equal(load_embeddings(where, dataset)[0], vectors)


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (["a", "b", "c"], "1 of the dataset's 4 ids are missing ('d')"),
        (list("abcdz"), "1 of its ids are not in the dataset ('z')"),
        (list("abcc"), "more than once"),
        (list("wxyz"), "4 of its ids"),
    ],
)
def test_ids_that_do_not_fit_are_counted_and_named(tmp_path: Path, dataset: Dataset, ids: list[str], said: str) -> None:
    path = parquet(tmp_path, ids, np.resize(VECTORS, (len(ids), 3)))
    with pytest.raises(JoinError) as caught:
        load_embeddings(path, dataset)
    assert said in str(caught.value)


def test_another_length_is_refused(tmp_path: Path, dataset: Dataset) -> None:
    np.save(tmp_path / "e.npy", VECTORS[:3])
    with pytest.raises(JoinError, match=r"3 rows and the dataset has 4"):
        load_embeddings(tmp_path / "e.npy", dataset)
    pq.write_table(pa.table({"embedding": pa.array([[1.0]])}), tmp_path / "e.parquet")
    with pytest.raises(JoinError, match="1 row "):
        load_embeddings(tmp_path / "e.parquet", dataset)


def test_lists_of_several_lengths_and_no_vectors_are_refused(tmp_path: Path, dataset: Dataset) -> None:
    pq.write_table(
        pa.table({"id": list("abcd"), "e": pa.array([[1.0], [1.0, 2.0], [1.0], [1.0]])}), tmp_path / "e.parquet"
    )
    with pytest.raises(JoinError, match="several lengths"):
        load_embeddings(tmp_path / "e.parquet", dataset)
    pq.write_table(pa.table({"id": list("abcd"), "e": list("abcd")}), tmp_path / "e.parquet")
    with pytest.raises(JoinError, match="holds no embeddings"):
        load_embeddings(tmp_path / "e.parquet", dataset)
    with pytest.raises(SourceError, match="not a file"):
        load_embeddings(tmp_path / "nowhere.npy", dataset)


def test_probabilities_by_class_name_are_renormalised_with_a_notice(tmp_path: Path, dataset: Dataset) -> None:
    frame = pd.DataFrame({"id": list("dcba"), "y": [2.0, 0.5, 1.0, np.nan], "x": [2.0, 0.5, 0.0, 0.1]})
    frame.to_parquet(tmp_path / "p.parquet")
    models, notices = load_probabilities(tmp_path / "p.parquet", dataset)
    np.testing.assert_allclose(models["p"], [[0.5, 0.5], [0.0, 1.0], [0.5, 0.5], [0.5, 0.5]])
    assert models["p"].dtype == np.float32
    assert any("1 row" in s and "sum" in s for s in notices)
    assert any("without a probability" in s for s in notices)


def test_several_models_at_once(tmp_path: Path, dataset: Dataset) -> None:
    columns = {f"{m}/{c}": [0.5] * 4 for m in ("big", "small") for c in ("x", "y")}
    pd.DataFrame({"id": list("abcd"), **columns}).to_parquet(tmp_path / "p.parquet")
    assert set(load_probabilities(tmp_path / "p.parquet", dataset)[0]) == {"big", "small"}
    lists = pa.array([[0.2, 0.8]] * 4)
    pq.write_table(pa.table({"id": list("abcd"), "m1": lists, "m2": lists}), tmp_path / "q.parquet")
    found, _ = load_probabilities(tmp_path / "q.parquet", dataset)
    assert set(found) == {"m1", "m2"}
    np.save(tmp_path / "r.npy", np.full((2, 4, 2), 0.5))
    assert set(load_probabilities(tmp_path / "r.npy", dataset)[0]) == {"r/1", "r/2"}


def test_probabilities_that_do_not_fit_are_refused(tmp_path: Path, dataset: Dataset) -> None:
    np.save(tmp_path / "p.npy", np.full((4, 3), 1 / 3))
    with pytest.raises(JoinError, match=r"\(4, 2\)"):
        load_probabilities(tmp_path / "p.npy", dataset)
    np.save(tmp_path / "p.npy", np.array([[3.0, -1.0]] * 4))
    with pytest.raises(JoinError, match="not logits"):
        load_probabilities(tmp_path / "p.npy", dataset)
    pd.DataFrame({"id": list("abcd"), "x": [1.0] * 4}).to_parquet(tmp_path / "p.parquet")
    with pytest.raises(JoinError, match="lacks a column"):
        load_probabilities(tmp_path / "p.parquet", dataset)
    pd.DataFrame({"id": list("abcd"), "q": [1.0] * 4}).to_parquet(tmp_path / "p.parquet")
    with pytest.raises(JoinError, match="called like a class"):
        load_probabilities(tmp_path / "p.parquet", dataset)
