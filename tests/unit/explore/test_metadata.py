"""The columns that came with the samples filter, sort, group and colour, as pandas would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from winnow.core.errors import QueryError
from winnow.core.explore.filter import Filter
from winnow.core.workspace import Workspace

N = 120


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    weight = rng.gamma(2.0, 10.0, N)
    weight[::10] = np.nan
    return pd.DataFrame(
        {
            "id": [f"s{i:03d}" for i in range(N)],
            "text": [f"word{i % 7} word{i % 3} sample {i}" for i in range(N)],
            "label": [f"class {i % 3}" for i in range(N)],
            "weight": weight,
            "count": rng.integers(0, 5, N),
            "camera": [["Canon", "Nikon", None, "a,b\\c", "O'Brien"][i % 5] for i in range(N)],
            "written": [f"{i % 9}.50" if i % 6 else "" for i in range(N)],
            "odd": [["inf", "nan", "1.5", "2"][i % 4] for i in range(N)],
            'v."x" and d."y': [i % 3 for i in range(N)],
            "link": [f"page {i}" if i % 4 else "" for i in range(N)],
        }
    )


@pytest.fixture(scope="module")
def ws(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    folder = tmp_path_factory.mktemp("metadata")
    table.to_parquet(folder / "t.parquet")
    with Workspace.scan(
        folder / "t.parquet", folder / "ws", encoder="tfidf", projection=False, network=False
    ) as opened:
        yield opened


CASES: dict[str, tuple[dict[str, Any], Callable[[pd.DataFrame], Any]]] = {
    "range": ({"weight": ("range", 5, 20.5)}, lambda t: t.weight.between(5, 20.5)),
    "open below": ({"weight": ("range", None, 9)}, lambda t: t.weight <= 9),
    "open above": ({"count": ("range", 3, None)}, lambda t: t["count"] >= 3),
    "numbers as texts": ({"written": ("range", 2, 4.5)}, lambda t: pd.to_numeric(t.written).between(2, 4.5)),
    "a name that looks like SQL": ({'v."x" and d."y': ("range", 1, 2)}, lambda t: t['v."x" and d."y'] >= 1),
    "values": ({"camera": ("in", "Canon", "O'Brien")}, lambda t: t.camera.isin(["Canon", "O'Brien"])),
    "odd value": ({"camera": ("in", "a,b\\c")}, lambda t: t.camera == "a,b\\c"),
    "numbers as values": ({"count": ("in", "0", "4")}, lambda t: t["count"].isin([0, 4])),
    "words": ({"link": ("contains", "PAGE 1")}, lambda t: t.link.str.contains("page 1")),
    "missing number": ({"weight": ("missing",)}, lambda t: t.weight.isna()),
    "missing text": ({"link": ("missing",)}, lambda t: t.link == ""),
    "two columns": (
        {"weight": ("range", 10, None), "camera": ("in", "Nikon")},
        lambda t: (t.weight >= 10) & (t.camera == "Nikon"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_condition_finds_what_pandas_finds(ws: Workspace, table: pd.DataFrame, name: str) -> None:
    conditions, wanted = CASES[name]
    flt = Filter(metadata=conditions)
    assert ws.ids(flt) == table.id[wanted(table)].tolist()
    assert ws.counts(flt).matching == int(wanted(table).sum())
    assert Filter.from_query(flt.to_query()) == flt


def test_conditions_that_make_no_sense_are_refused_in_words(ws: Workspace) -> None:
    conditions: tuple[tuple[Any, str], ...] = (
        (("near", "x"), "begins with one of"),
        (("range", "a", 1), "in numbers"),
        (("in", 3), "are texts"),
        (("contains",), "takes one text"),
        (("missing", "x"), "takes nothing more"),
    )
    for condition, says in conditions:
        with pytest.raises(QueryError, match=says):
            Filter(metadata={"weight": condition})
    with pytest.raises(QueryError, match=r"No column is called 'nothing'\. There are: 'id', 'text', 'label', 'weight'"):
        ws.ids(Filter(metadata={"nothing": ("missing",)}))
    with pytest.raises(QueryError, match="holds no numbers"):
        ws.ids(Filter(metadata={"camera": ("range", 1, 2)}))


def test_columns_sort_both_ways_and_group(ws: Workspace, table: pd.DataFrame) -> None:
    for sort, ascending in (("meta.weight", True), ("-meta.weight", False)):
        wanted = table.sort_values("weight", ascending=ascending, kind="stable", na_position="last")
        assert ws.ids(sort=sort) == wanted.id.tolist()
    cameras = table.camera.value_counts(dropna=False).to_dict()
    assert dict(ws.groups(by="meta.camera")) == {None if pd.isna(k) else k: v for k, v in cameras.items()}
    assert len(ws.ids(group="meta.camera")) == N


def test_the_spread_of_a_column_counts_every_sample_once(ws: Workspace, table: pd.DataFrame) -> None:
    numbers = ws.query.spread("weight", Filter(classes=("class 1",)))
    part = table[table.label == "class 1"].weight
    assert sum(numbers.bars) + numbers.missing == len(part)
    assert (numbers.low, numbers.high) == (part.min(), part.max())
    edges = np.linspace(part.min(), part.max(), len(numbers.bars) + 1)
    assert list(numbers.bars) == np.histogram(part.dropna(), edges)[0].tolist()
    texts = ws.query.spread("camera")
    assert dict(texts.values) == table.camera.value_counts().to_dict()
    assert texts.missing == table.camera.isna().sum()


def test_columns_colour_the_map(ws: Workspace, table: pd.DataFrame) -> None:
    colours = ws.colours("meta.weight")
    assert colours.values is not None
    assert colours.ends is not None
    low, high = colours.ends
    inside = table.weight.between(low, high).to_numpy()
    assert np.allclose(low + colours.values[inside] * (high - low), table.weight[inside], atol=1e-3)
    assert np.isnan(colours.values[table.weight.isna().to_numpy()]).all()
    cameras = ws.colours("meta.camera")
    assert cameras.names is not None
    assert cameras.codes is not None
    for value, code in zip(table.camera, cameras.codes.tolist(), strict=True):
        assert pd.isna(value) == (code >= len(cameras.names))
        assert pd.isna(value) or cameras.names[code] == value


def test_what_is_no_finite_number_is_missing_in_ranges_and_histograms(ws: Workspace, table: pd.DataFrame) -> None:
    assert ws.query.spread("odd").distinct == 4, "a column with words such as nan is one of texts"
    values = pd.Series([float("inf"), float("nan"), 1.0, 2.0] * (N // 4))
    folder = ws.path.parent
    table.assign(odd=values).to_parquet(folder / "u.parquet")
    with Workspace.scan(folder / "u.parquet", folder / "u", encoder="tfidf", projection=False, network=False) as other:
        spread = other.query.spread("odd")
        assert (spread.low, spread.high, spread.missing) == (1.0, 2.0, N // 2)
        assert other.counts(Filter(metadata={"odd": ("missing",)})).matching == spread.missing
        assert other.counts(Filter(metadata={"odd": ("range", None, None)})).matching == N // 2
        assert other.colours("meta.odd").ends is not None
