"""Any table is read letter for letter: rows, ids, texts, labels and every other column."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from winnow.core.data.sources import open_source
from winnow.core.types import ColumnMap, Dataset

FORMATS = ("csv", "tsv", "jsonl", "parquet")
COLUMNS = ColumnMap(id="id", text="text", label="label")

words = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=30)
names = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
labels = st.one_of(
    st.none(), st.sampled_from(["cat", "Cat", " cat", "dog", "1", "1.0", "true", "<b>", "=1+1", "é", "e\u0301"]), words
)
cells = st.one_of(
    st.none(), words, st.integers(-(2**53), 2**53).map(str), st.sampled_from(["NA", "nan", "null", "-", "\t", '"', "'"])
)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[Any]]:
    """Columns of strings and None: an id, a text, a label, and up to three others under any names, in any order."""
    n = draw(st.integers(1, 12))
    ids = draw(st.lists(words.filter(str.strip), min_size=n, max_size=n, unique_by=str.strip))
    found = {
        "id": ids,
        "text": draw(st.lists(words, min_size=n, max_size=n)),
        "label": draw(st.lists(labels, min_size=n, max_size=n)),
    }
    for name in draw(st.lists(names.filter(lambda s: s.strip() and s not in found), max_size=3, unique=True)):
        found[name] = draw(st.lists(cells, min_size=n, max_size=n))
    order = draw(st.permutations(list(found)))
    return {name: found[name] for name in order}


def write(table: dict[str, list[Any]], path: Path) -> Path:
    rows = list(zip(*table.values(), strict=True))
    if path.suffix == ".parquet":
        pq.write_table(pa.table({k: pa.array(v, pa.string()) for k, v in table.items()}), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(dict(zip(table, row, strict=True))) + "\n" for row in rows), "utf-8")
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            out = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",", quoting=csv.QUOTE_ALL)
            out.writerow(list(table))
            out.writerows([["" if x is None else x for x in row] for row in rows])
    return path


def absent(label: str | None) -> bool:
    return label is None or label.strip().lower() in ("", "nan")


def given_labels(found: Dataset) -> list[str | None]:
    return [None if code < 0 else found.class_names[code] for code in found.labels]


@pytest.mark.parametrize("suffix", FORMATS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables())
def test_a_table_is_read_as_it_stands(tmp_path: Path, suffix: str, table: dict[str, list[Any]]) -> None:
    path = write(table, tmp_path / f"any.{suffix}")
    found = open_source(path, COLUMNS)
    n = len(table["id"])
    assert found.n == n
    assert list(found.sample_ids) == table["id"]
    assert found.texts is not None
    assert list(found.texts) == table["text"]
    assert given_labels(found) == [None if absent(x) else x for x in table["label"]]
    assert found.metadata.column_names == list(table)
    for name in table:
        kept = ["" if x is None else str(x) for x in found.metadata.column(name).to_pylist()]
        assert kept == ["" if x is None else x for x in table[name]], name
